"""Our colours. Taken from the 256-colour table, so that an SSH session shows the same as a true-colour terminal; good,
tight and bad also differ where there are 16."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="wizard-dark",
    dark=True,
    primary="#5fafff",
    secondary="#87afd7",
    accent="#5fd7d7",
    success="#5fd75f",
    warning="#ffaf00",
    error="#ff5f5f",
    foreground="#dadada",
    background="#1c1c1c",
    surface="#262626",
    panel="#303030",
    variables={
        "dim": "#9e9e9e",
        "faint": "#767676",
        "scrollbar": "#6c6c6c",
        "scrollbar-hover": "#8a8a8a",
        "scrollbar-active": "#8a8a8a",
        "scrollbar-background": "#262626",
        "scrollbar-background-hover": "#262626",
        "scrollbar-background-active": "#262626",
        # Textual would mix them into colours that no table has
        "text-primary": "#5fafff",
        "text-accent": "#5fd7d7",
        "text-success": "#5fd75f",
        "text-warning": "#ffaf00",
        "text-error": "#ff8787",
    },
)

LIGHT = Theme(
    name="wizard-light",
    dark=False,
    primary="#005faf",
    secondary="#5f5f87",
    accent="#008787",
    success="#008700",
    warning="#af5f00",
    error="#d70000",
    foreground="#262626",
    background="#eeeeee",
    surface="#e4e4e4",
    panel="#dadada",
    variables={
        "dim": "#5f5f5f",
        "faint": "#767676",
        "scrollbar": "#6c6c6c",
        "scrollbar-hover": "#8a8a8a",
        "scrollbar-active": "#8a8a8a",
        "scrollbar-background": "#dadada",
        "scrollbar-background-hover": "#dadada",
        "scrollbar-background-active": "#dadada",
        "text-primary": "#005faf",
        "text-accent": "#005f5f",
        "text-success": "#005f00",
        "text-warning": "#875f00",
        "text-error": "#af0000",
    },
)

THEMES = (DARK, LIGHT)

# for the themes that are not ours; readable on black and on white
DEFAULT_VARIABLES = {"dim": "#808080", "faint": "#808080"}
