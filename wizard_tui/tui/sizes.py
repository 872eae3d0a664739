"""Sizes that both Python and the style sheets need. The sheets have them as variables, such as `$help-rows`."""

from __future__ import annotations

HELP_ROWS = 2
"""Height of the line beneath the body."""
MARK_COLUMNS = 10
"""Width of the word at the end of a field's row, which says where its text is from."""
STAGE_COLUMNS = 40
"""Width of the stages of a start, where they stand beside the figures."""
FOOT_ROWS = 2
"""Rows beneath the list of a palette."""

VARIABLES = {
    "help-rows": str(HELP_ROWS),
    "mark-columns": str(MARK_COLUMNS),
    "stage-columns": str(STAGE_COLUMNS),
    "foot-rows": str(FOOT_ROWS),
}
