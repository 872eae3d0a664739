"""The bottom line: the keys that matter, each also a button.

Textual's own footer is built anew on every change of focus, which sends 1.6 kB for each Tab.
"""

from __future__ import annotations

from textual.binding import Binding
from textual.events import Resize

from wizard_tui.tui.keys import BAR, FIRST_TO_GO, WIZARD_KEYS
from wizard_tui.tui.widgets.line_view import Click, LineView, Span


class KeyBar(LineView):
    """Shows the bindings of `BAR`; a click does what the key does. Where there is little room, the more important ones
    stay."""

    def on_resize(self, event: Resize) -> None:
        """Lay out for the width that there is."""
        named = {binding.id: binding for binding in WIZARD_KEYS}
        # where the panels are always shown there is nothing to toggle
        names = [name for name in BAR if name != "panels" or self.screen.has_class("-narrow")]
        for left_out in range(len(FIRST_TO_GO) + 1):
            keys = [named[name] for name in names if name not in FIRST_TO_GO[:left_out]]
            for gap in ("  ", " "):
                spans, clicks = _laid_out(keys, gap)
                if clicks[-1][0] <= event.size.width:
                    self.show([tuple(spans)], {0: clicks})
                    return


def _laid_out(keys: list[Binding], gap: str) -> tuple[list[Span], list[Click]]:
    spans: list[Span] = []
    clicks: list[Click] = []
    at = 0
    for binding in keys:
        key, words = str(binding.key_display), f" {binding.description}{gap if binding is not keys[-1] else ''}"
        spans += [(key, "key"), (words, "")]
        at += len(key) + len(words)
        clicks.append((at, binding.action))
    return spans, clicks
