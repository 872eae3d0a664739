"""Below this size the forms cannot be read; the style sheet then shows one sentence instead."""

MIN_COLUMNS = 60
MIN_ROWS = 16


def sentence(columns: int, rows: int) -> str:
    """What a window of this size says instead of a form."""
    return (
        f"The wizard needs {MIN_COLUMNS} x {MIN_ROWS} characters, and this window has {columns} x {rows}. "
        "Make it larger; nothing is lost."
    )
