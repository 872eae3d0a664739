"""What to paste, in tabs; the lines that the last edit changed are marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from wizard_tui.tui.widgets.line_view import Line, LineView
from wizard_tui.tui.widgets.quiet import QuietScroll

MARK = "▌"


class ArtifactPreview(QuietScroll, can_focus=True):
    """Tabs over the artifacts of a plan; left and right change the tab."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "turn(-1)", "previous tab", show=False),
        Binding("right", "turn(1)", "next tab", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._names: tuple[str, ...] = ()
        self._text_of: Callable[[str], str] = str
        self._tab = 0
        self._text = ""
        self._before: str | None = None

    def compose(self) -> ComposeResult:
        """Tab line and text."""
        yield LineView(id="preview-tabs")
        yield LineView(id="preview-text")

    @property
    def name_shown(self) -> str:
        """The artifact of the current tab."""
        return self._names[self._tab] if self._names else ""

    @property
    def text(self) -> str:
        """The text of the current tab."""
        return self._text

    def show_artifacts(self, names: Sequence[str], text_of: Callable[[str], str]) -> None:
        """Replace all artifacts; only that of the current tab is rendered, and marked where it differs."""
        shown = self.name_shown
        self._names, self._text_of = tuple(names), text_of
        self._tab = self._names.index(shown) if shown in self._names else 0
        if not self._names:
            return
        text = text_of(self.name_shown)
        if text != self._text:
            self._before, self._text = self._text or None, text
        self._draw()

    def action_turn(self, step: int) -> None:
        """Go to the next or previous tab."""
        if self._names:
            self._tab = (self._tab + step) % len(self._names)
            self._before, self._text = None, self._text_of(self.name_shown)
            self._draw()

    def action_open(self, name: str) -> None:
        """Go to the tab of this name."""
        self.action_turn(self._names.index(name) - self._tab)

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        tabs = self._tabs(max(20, self.size.width))
        ends = accumulate(len(text) for text, _ in tabs)
        clicks = [(end, f"focused.open('{text[1:-1]}')") for end, (text, _) in zip(ends, tabs, strict=True)]
        self.query_one("#preview-tabs", LineView).show([tabs], {0: clicks})
        old = set((self._text if self._before is None else self._before).splitlines())
        lines = [_styled(line, changed=line not in old) for line in self._text.splitlines()]
        # as high as its place: else a text that gets shorter would be laid out, and sent, as a whole
        room = self.scrollable_content_region.height - 1
        self.query_one("#preview-text", LineView).show([*lines, *[((("", ""),))] * (room - len(lines))])

    def _tabs(self, columns: int) -> Line:
        """As many tabs as there is room for, the current one among them."""
        first = 0
        while first < self._tab and sum(len(name) + 2 for name in self._names[first : self._tab + 1]) > columns:
            first += 1
        return tuple(
            (f"[{name}]", "accent") if name == self.name_shown else (f" {name} ", "dim") for name in self._names[first:]
        )


def _styled(line: str, *, changed: bool) -> Line:
    if changed:
        return (MARK, "changed"), *_words(line)
    # a mark of its own would be sent with each line
    (first, style), *others = _words(line)
    return (f" {first}", style), *others


def _words(line: str) -> Line:
    body = line.strip()
    if body.startswith("#"):
        return ((line, "comment"),)
    if body.startswith("--"):
        indent, flag, value = line.partition(body.split(" ", 1)[0])
        return (indent + flag, "flag"), (value, "value")
    key, colon, value = line.partition(":")
    if (
        colon
        and key.strip().replace("-", "").replace("_", "").replace(" ", "").isalnum()
        and not body.startswith("vllm")
    ):
        return (key + colon, "flag"), (value, "value")
    return ((line, ""),)
