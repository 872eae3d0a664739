"""The actions of the wizard: the one list that binds their keys, and that the bottom line, the page of keys and the
palette are made from.

A binding's description names the action, its tooltip says what it does, and `show` puts it on the bottom line. No key
that tmux (ctrl+b), screen (ctrl+a) or flow control (ctrl+s, ctrl+q) takes is the only one for its action.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.binding import ActiveBinding, Binding
from textual.containers import ScrollableContainer
from textual.screen import Screen
from textual.widgets import Input


def _key(
    keys: str,
    action: str,
    name: str,
    does: str,
    *,
    id: str,  # noqa: A002
    bar: str = "",
    priority: bool = False,
) -> Binding:
    """`bar`: how the key is written on the bottom line; empty where it is not shown there."""
    return Binding(keys, action, name, show=bool(bar), key_display=bar or None, id=id, tooltip=does, priority=priority)


KEYS: Mapping[str, tuple[Binding, ...]] = {
    "Go": (
        _key("ctrl+n,f3", "screen.step(1)", "Next", "next step; so does Enter", id="next", bar="^n"),
        _key("ctrl+o,f2", "screen.step(-1)", "Back", "previous step", id="back", bar="^o"),
        # the one key taken from the fields, where it would delete to the end of the line
        _key(
            "ctrl+k",
            "app.command_palette",
            "Menu",
            "every action, step and field by its name",
            id="menu",
            bar="^k",
            priority=True,
        ),
        _key("escape", "screen.leave_field", "Leave the field", "leave the field; nothing is lost", id="leave-field"),
        _key("f10", "app.leave", "Quit", "leave; the command is printed", id="quit", bar="F10"),
    ),
    "Change": (
        _key("ctrl+f", "screen.find_model", "Find", "find a model by a part of its name", id="find", bar="^f"),
        _key(
            "f4",
            "screen.take(0)",
            "Take the first suggestion",
            "take the change beside F4",
            id="take-1",
        ),
        _key(
            "f5",
            "screen.take(1)",
            "Take the second suggestion",
            "take the change beside F5",
            id="take-2",
        ),
        _key(
            "f6",
            "screen.take(2)",
            "Take the third suggestion",
            "take the change beside F6",
            id="take-3",
        ),
        _key("ctrl+z", "screen.undo", "Undo", "take back the last edit", id="undo", bar="^z"),
        _key("ctrl+y", "screen.redo", "Redo", "make it again", id="redo"),
        _key("ctrl+r", "screen.rescan", "Rescan GPUs", "ask the driver again", id="rescan"),
        _key("ctrl+l", "screen.start_anew", "Start anew", "do not go on with the session that was left", id="anew"),
    ),
    "Look": (
        _key("ctrl+p", "screen.why", "Why these numbers", "where every number comes from", id="why"),
        _key("ctrl+g", "screen.plots", "Plots", "users against waiting, context against users", id="plots"),
        _key("f7,ctrl+t", "screen.toggle_panels", "Plan", "form or plan, on a narrow screen", id="panels", bar="F7"),
        _key("f1,question_mark", "app.help", "Keys", "this page; ? outside the fields", id="help", bar="F1"),
        _key("f12", "app.words", "Words", "what the words on screen mean", id="words", bar="F12"),
    ),
    "Keep": (
        _key("f8", "app.copy", "Copy", "copy what the preview shows", id="copy", bar="F8"),
        _key("f9", "app.write_files", "Write", "write files to a directory", id="write", bar="F9"),
    ),
}

# Tab has priority: else keys that arrive together with it still go to the previous field
WIZARD_KEYS = (
    *(binding for bindings in KEYS.values() for binding in bindings),
    Binding("enter", "step(1)", "Next", show=False, system=True),
    # wherever the focus is, except in a field, which takes them as text
    *(Binding(str(number), f"number({number})", show=False, system=True) for number in range(1, 10)),
    Binding("tab", "app.focus_next", show=False, system=True, priority=True),
    Binding("shift+tab", "app.focus_previous", show=False, system=True, priority=True),
)
APP_KEYS = (
    Binding("ctrl+q", "leave", "Quit", show=False, system=True),
    Binding("ctrl+c", "leave_twice", "Quit", show=False, priority=True, system=True),
)

# the bottom line from left to right, and which keys go first when there is less room
BAR = ("next", "back", "panels", "undo", "find", "menu", "help", "words", "copy", "write", "quit")
FIRST_TO_GO = ("undo", "words", "find", "write", "copy", "panels", "menu")

# the bindings of Textual's own widgets, which its users know
_TEXTUALS = {
    binding.action
    for made in (Input, ScrollableContainer, Screen)
    for binding in made.BINDINGS
    if isinstance(binding, Binding)
}


def at_hand(screen: Screen[Any]) -> list[ActiveBinding]:
    """Actions that work where the focus is, beside those of the list: each once."""
    found = {
        active.binding.action: active
        for active in screen.active_bindings.values()
        if active.node not in (screen, screen.app) and active.binding.action not in _TEXTUALS
        if not active.binding.system
    }
    return list(found.values())
