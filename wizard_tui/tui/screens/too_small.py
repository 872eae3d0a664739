"""Below this size the forms cannot be read; the style sheet then shows one sentence instead."""

MIN_COLUMNS = 60
MIN_ROWS = 16
