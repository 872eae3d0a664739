"""The pages behind the numbers, loaded when they are opened: why, and plots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard_tui.tui.session import Session

if TYPE_CHECKING:
    from wizard_tui.tui.screens.plots import PlotsScreen
    from wizard_tui.tui.screens.why import WhyScreen


def why_page(session: Session) -> WhyScreen | None:
    """Where every number comes from; None before there is a plan."""
    if (decision := session.decided()) is None:
        return None
    from wizard_tui.planning.explain import explanations
    from wizard_tui.tui.screens.why import WhyScreen

    return WhyScreen(explanations(decision))


def plots_page(session: Session) -> PlotsScreen | None:
    """The plan as curves; None before there is one."""
    if (decision := session.decided()) is None:
        return None
    from wizard_tui.planning.curves import curves
    from wizard_tui.tui.screens.plots import PlotsScreen

    return PlotsScreen(curves(decision), decision.request.workload.concurrency)
