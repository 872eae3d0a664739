"""Models to begin with: which catalogue models fit, with all other fields as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import ValidationError

from wizard_tui.errors import Refusal
from wizard_tui.schemas.inputs import PlanRequest

if TYPE_CHECKING:
    from wizard_tui.planning.decision import Decision
    from wizard_tui.tui.session import Session


def tried(session: Session, model_id: str) -> Decision | None:
    """The plan for a catalogue model; None when the catalogue lacks it."""
    from wizard_tui.models.load import metadata_from_catalog
    from wizard_tui.planning.decide import decide
    from wizard_tui.resolver import Facts, resolve_gpus

    try:
        request = PlanRequest.model_validate({**session.draft(), "model": {"model": model_id}})
        gpus = resolve_gpus(request.hardware, session.detected or ())
        return decide(request, Facts(metadata_from_catalog(model_id), gpus, session.installed_vllm))
    except (Refusal, ValidationError):
        return None


def starters(session: Session) -> Iterator[tuple[str, int | None]]:
    """The well-known models, the largest first, each with the bytes of its weights on one GPU; None where it does not
    fit, or so tightly that it may not start. One plan each, so a caller may do something else between them."""
    from wizard_tui.models import catalog

    for model_id in catalog.starters():
        decision = tried(session, model_id)
        sure = decision is not None and decision.fits and not decision.estimate.tight
        yield model_id, decision.estimate.weights.bytes if decision is not None and sure else None
