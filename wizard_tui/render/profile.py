"""The YAML profile of a request."""

from __future__ import annotations

from wizard_tui.render.yaml_text import to_yaml
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.profile import OutputsInput, profile_data, profile_of


def render_profile(request: PlanRequest, outputs: OutputsInput | None = None) -> str:
    """Profile text that `load_profile` reads back as the same request."""
    return to_yaml(profile_data(profile_of(request, outputs)))
