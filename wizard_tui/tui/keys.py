"""The keys of the wizard: the one list that binds them, and that the bottom line and the page of keys are made from.

None that tmux (ctrl+b), screen (ctrl+a) or flow control (ctrl+s, ctrl+q) takes is the only one for what it does, and
none that edits a line is taken from the fields.
"""

from __future__ import annotations

from textual.binding import Binding

# Tab has priority: else keys that come at once with it still go to the field that is left
WIZARD_KEYS = (
    Binding("ctrl+n,f3", "step(1)", "Next", key_display="^n", id="next", tooltip="next step; so does Enter"),
    Binding("ctrl+o,f2", "step(-1)", "Back", key_display="^o", id="back", tooltip="previous step"),
    Binding("enter", "step(1)", "Next", show=False, system=True),
    Binding("tab", "app.focus_next", show=False, system=True, priority=True),
    Binding("shift+tab", "app.focus_previous", show=False, system=True, priority=True),
    Binding("f4", "take(0)", "take the first suggestion", show=False, id="take-1"),
    Binding("f5", "take(1)", "take the second suggestion", show=False, id="take-2"),
    Binding("f6", "take(2)", "take the third suggestion", show=False, id="take-3"),
    Binding(
        "f7,ctrl+t",
        "toggle_panels",
        "Plan",
        key_display="F7",
        id="panels",
        tooltip="form or plan, on a narrow screen",
    ),
    Binding("ctrl+z", "undo", "take back the last edit", show=False, id="undo"),
    Binding("ctrl+y", "redo", "make it again", show=False, id="redo"),
    Binding("ctrl+f", "find_model", "Find", key_display="^f", id="find", tooltip="find a model by a part of its name"),
    Binding("ctrl+p", "why", "where every number comes from", show=False, id="why"),
    Binding("ctrl+g", "plots", "plots: users against waiting, context against users", show=False, id="plots"),
    Binding("ctrl+r", "rescan", "ask the driver again for GPUs", show=False, id="rescan"),
    Binding("ctrl+l", "start_anew", "do not go on with the last session", show=False, id="anew"),
    Binding("escape", "leave_field", "leave the field; nothing is lost", show=False),
)

APP_KEYS = (
    Binding("f1", "help", "Keys", key_display="F1", id="help", tooltip="this page"),
    Binding("f12", "words", "Words", key_display="F12", id="words", tooltip="what the words on screen mean"),
    Binding("f8", "copy", "Copy", key_display="F8", id="copy", tooltip="copy what the preview shows"),
    Binding("f9", "write_files", "Write", key_display="F9", id="write", tooltip="write files to a directory"),
    Binding("f10", "leave", "Quit", key_display="F10", id="quit", tooltip="leave; the command is printed"),
    Binding("ctrl+q", "leave", "Quit", show=False, system=True),
    Binding("ctrl+c", "leave_twice", "Quit", show=False, priority=True, system=True),
)
