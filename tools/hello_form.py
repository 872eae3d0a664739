"""The smallest Textual form, for comparison with the wizard's times."""

from textual.app import App, ComposeResult
from textual.widgets import Footer, Input, Static


class HelloForm(App[None]):
    """Two fields and a line that repeats them."""

    def compose(self) -> ComposeResult:
        """Header line, fields, footer."""
        yield Static("Hello")
        yield Input(placeholder="first")
        yield Input(placeholder="second")
        yield Static(id="echo", markup=False)
        yield Footer()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what was typed."""
        self.query_one("#echo", Static).update(event.value)


if __name__ == "__main__":
    HelloForm().run()
