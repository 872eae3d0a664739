"""The pages that one key opens, loaded when opened: keys, words, why, and plots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from wizard_tui.tables import read_table
from wizard_tui.tui.keys import KEYS, at_hand
from wizard_tui.tui.screens.page import COLUMNS, Page
from wizard_tui.tui.widgets.line_view import Line, wrapped

if TYPE_CHECKING:
    from wizard_tui.tui.screens.plots import PlotsScreen
    from wizard_tui.tui.session import Session

KEY_COLUMNS = 20
# what Textual and its widgets bind by themselves
FURTHER = (
    ("tab, shift+tab", "next and previous field"),
    ("left, right", "change a field that shows ‹ word ›, or the tab of the preview"),
    ("ctrl+u, ctrl+w, …", "edit a field as in a shell"),
    ("ctrl+c twice", "leave; nothing is lost"),
    ("shift + mouse", "select text with your terminal's own selection"),
)


def keys_page(screen: Screen[Any]) -> Page:
    """All keys, read from the bindings themselves: first those that work where the focus is, then those of the list."""
    here = [(one.binding.key_display or one.binding.key, one.binding.description) for one in at_hand(screen)]
    sections = {
        "Here": here,
        **{title: [(one.key, one.tooltip) for one in bindings] for title, bindings in KEYS.items()},
        "Everywhere": FURTHER,
    }
    lines: list[Line] = [(("Keys", "accent"),)]
    for title, rows in sections.items():
        if rows:
            lines += [(("", ""),), ((title, "strong"),)]
        for key, does in rows:
            mark = (f"  {', '.join(key.split(',')):<{KEY_COLUMNS}}", "key")
            lines.extend(wrapped(does, COLUMNS, mark=mark, indent=" " * len(mark[0])))
    return Page(lines, "f1")


def words_page() -> Page:
    """The words that the screens use, explained."""
    return Page(_explained("Words", ((word, "", meaning) for word, meaning in words().items())), "f12")


def why_page(session: Session) -> Page | None:
    """Where every number comes from; None before there is a plan."""
    if session.plan is None:
        return None
    from wizard_tui.planning.explain import explanations

    reasons = ((one.name, one.value, one.reason) for one in explanations(session.plan.decision))
    return Page(_explained("Where the numbers come from", reasons), "ctrl+p")


def plots_page(session: Session) -> PlotsScreen | None:
    """The plan as curves; None before there is one."""
    if session.plan is None:
        return None
    from wizard_tui.planning.curves import curves
    from wizard_tui.tui.screens.plots import PlotsScreen

    decision = session.plan.decision
    return PlotsScreen(curves(decision), decision.request.workload.concurrency)


def words() -> Mapping[str, str]:
    """The glossary: a word and its meaning."""
    return read_table("wizard_tui.tui", "words.toml")


def _explained(title: str, rows: Iterable[tuple[str, str, str]]) -> list[Line]:
    lines: list[Line] = [((title, "accent"),)]
    for name, value, meaning in rows:
        lines.append((("", ""),))
        lines.append(((name, "strong"), (f"  {value}" if value else "", "value")))
        lines.extend(wrapped(meaning, COLUMNS, style="dim", mark=("  ", ""), indent="  "))
    return lines
