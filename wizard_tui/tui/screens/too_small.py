"""Below this size the forms cannot be read; the style sheet then shows one sentence instead."""

MIN_COLUMNS = 60
MIN_ROWS = 16
SENTENCE = f"The wizard needs {MIN_COLUMNS} x {MIN_ROWS} characters; make the window larger. Nothing is lost."
