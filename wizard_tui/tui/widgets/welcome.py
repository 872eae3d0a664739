"""The first screen: what was found in the box, and a start that works."""

from __future__ import annotations

from itertools import groupby

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from wizard_tui.schemas.numbers import gib
from wizard_tui.tui.session import MODEL, Session
from wizard_tui.tui.widgets.line_view import Line, LineView, wrapped

# what the column of the forms leaves at 120 columns
COLUMNS = 46


class Welcome(VerticalScroll, can_focus=True):
    """Says what is known; Enter goes on."""

    def compose(self) -> ComposeResult:
        """One block of lines."""
        yield LineView(id="welcome-lines")

    def show(self, session: Session) -> None:
        """Draw what the driver said and what the wizard starts with."""
        lines: list[Line] = [
            (("From four forms to a vLLM server.", "strong"),),
            (("", ""),),
            (("This machine", "accent"),),
            *_found(session),
            (("", ""),),
            (("Start", "accent"),),
            (("  model  ", "dim"), (session.texts[MODEL] or "not chosen", "")),
            (("  GPU    ", "dim"), (_gpu_words(session), "")),
            (("", ""),),
            *_how_to_go_on(session),
            (
                ("F8", "key"),
                (" copies, ", ""),
                ("F9", "key"),
                (" writes files, ", ""),
                ("F1", "key"),
                (" all keys.", ""),
            ),
        ]
        self.query_one("#welcome-lines", LineView).show(lines)


def _found(session: Session) -> list[Line]:
    if session.detected is None:
        return [(("  asking the driver …", "dim"),)]
    if not session.detected:
        said = session.problems or ("no GPU was found; plan for any box by its name",)
        return [
            line for sentence in said for line in wrapped(sentence, COLUMNS, style="dim", mark=("  ", ""), indent="  ")
        ]
    lines: list[Line] = []
    for (name, total), group in groupby(session.detected, key=lambda gpu: (gpu.name, gpu.total_bytes)):
        cards = list(group)
        used = sum(card.used_bytes for card in cards)
        tail = f", {gib(used):.1f} GiB in use" if used else ""
        lines.append(((f"  {len(cards)} x {name}, {gib(total):.2f} GiB each{tail}", ""),))
    if session.installed_vllm:
        lines.append(((f"  vLLM {session.installed_vllm} is installed", ""),))
    return lines


def _how_to_go_on(session: Session) -> list[Line]:
    if session.left is None:
        return [(("Enter", "key"), (" goes on; the command is ready at any time.", ""))]
    at = f"{session.left.saved_at:%d %b %H:%M}"
    return [
        ((f"Left on {at} at step {session.left.step}.", "strong"),),
        (("Enter", "key"), (" continues there, ", ""), ("^l", "key"), (" starts anew.", "")),
    ]


def _gpu_words(session: Session) -> str:
    name, count = session.texts["hardware.gpu"], session.texts["hardware.gpus"]
    return f"{count} x {'this machine' if name == 'auto' else name}"
