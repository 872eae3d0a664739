"""Below this size the forms cannot be read; a sentence then stands over them."""

from __future__ import annotations

from textual.events import Resize

from wizard_tui.tui.widgets.line_view import LineView, wrapped

MIN_COLUMNS = 60
MIN_ROWS = 16


class TooSmall(LineView):
    """Says how much room there is and how much is needed. The style sheet shows it where it is needed."""

    def on_resize(self, event: Resize) -> None:
        """Draw for the window that there is."""
        columns, rows = self.app.size
        said = (
            f"The wizard needs {MIN_COLUMNS} x {MIN_ROWS} characters, and this window has {columns} x {rows}. "
            "Make it larger; nothing is lost."
        )
        self.show(wrapped(said, event.size.width))
