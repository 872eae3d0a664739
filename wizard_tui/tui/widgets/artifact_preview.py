"""What to paste, in tabs; the lines that the last edit changed are marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.reactive import reactive

from wizard_tui.tui.widgets.line_view import Line, LineView


class ArtifactPreview(VerticalScroll, can_focus=True):
    """Tabs over the artifacts of a plan; left and right change the tab."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "turn(-1)", "previous tab", show=False),
        Binding("right", "turn(1)", "next tab", show=False),
    ]

    tab: reactive[int] = reactive(0, repaint=False)

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._texts: dict[str, str] = {}
        self._before: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """Tab line and text."""
        yield LineView(id="preview-tabs")
        yield LineView(id="preview-text")

    @property
    def name_shown(self) -> str:
        """The artifact of the current tab."""
        names = list(self._texts)
        return names[self.tab % len(names)] if names else ""

    @property
    def text(self) -> str:
        """The text of the current tab."""
        return self._texts.get(self.name_shown, "")

    def show_artifacts(self, texts: Mapping[str, str]) -> None:
        """Replace all artifacts; what differs from the last ones is marked."""
        if dict(texts) != self._texts:
            self._before, self._texts = self._texts, dict(texts)
        self._draw()

    def watch_tab(self) -> None:
        """Draw the other tab."""
        self._draw()

    def action_turn(self, step: int) -> None:
        """Go to the next or previous tab."""
        if self._texts:
            self.tab = (self.tab + step) % len(self._texts)

    def _draw(self) -> None:
        if not self.is_mounted or not self._texts:
            return
        current = self.name_shown
        tabs: list[tuple[str, str]] = []
        for name in self._texts:
            tabs.append((f"[{name}]" if name == current else f" {name} ", "accent" if name == current else "dim"))
        self.query_one("#preview-tabs", LineView).show([tuple(tabs)])
        old = set(self._before.get(current, self.text).splitlines())
        self.query_one("#preview-text", LineView).show(
            [_styled(line, changed=line not in old) for line in self.text.splitlines()]
        )


def _styled(line: str, *, changed: bool) -> Line:
    mark = ("▌" if changed else " ", "changed")
    body = line.strip()
    if body.startswith("#"):
        return mark, (line, "comment")
    if body.startswith("--"):
        flag, space, value = line.partition(body.split(" ", 1)[0])
        rest = value
        return mark, (flag + space, "flag"), (rest, "value")
    key, colon, value = line.partition(":")
    if (
        colon
        and key.strip().replace("-", "").replace("_", "").replace(" ", "").isalnum()
        and not body.startswith("vllm")
    ):
        return mark, (key + colon, "flag"), (value, "value")
    return mark, (line, "")
