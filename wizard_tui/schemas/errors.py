"""Validation errors in plain words: one sentence for each field, which says what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from wizard_tui.schemas.choices import _DTYPE_SPELLINGS
from wizard_tui.schemas.secrets import without_secrets, without_secrets_in

SHOWN_INPUT = 40
SHOWN_PATH = 80
SHOWN_ERRORS = 5


def field_errors(error: ValidationError) -> dict[str, str]:
    """What is wrong with each `section.field`, in the order of the request: one sentence without a final stop."""
    found: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_context=True):
        path = ".".join(without_secrets(str(part)) for part in detail["loc"][:2]) or "request"
        found.setdefault(path, without_secrets_in(_sentence(detail)))
    return found


def one_sentence(error: ValidationError) -> str:
    """All of it on one line, for a terminal: `hardware.gpus must be 1 or more; ...`. Keys may be named anything."""
    said = [f"{path[:SHOWN_PATH]} {sentence}" for path, sentence in field_errors(error).items()]
    text = "; ".join(said[:SHOWN_ERRORS]) + (f"; and {len(said) - SHOWN_ERRORS} more" if said[SHOWN_ERRORS:] else "")
    return "".join(char if char.isprintable() else "?" for char in text)


def _sentence(detail: ErrorDetails) -> str:
    kind, given, context = detail["type"], detail.get("input"), detail.get("ctx", {})
    made = _SENTENCES.get(kind)
    if made is not None:
        return made(given, context)
    if kind.startswith(("int_", "float_", "decimal_")):
        return f"must be a number, not {_shown(given)}"
    if kind.startswith("bool_"):
        return f"must be true or false, not {_shown(given)}"
    if kind.startswith("string_"):
        return f"must be text of a sensible form, not {_shown(given)}"
    return f"cannot be {_shown(given)}: {detail['msg']}"


def _number(bound: str, words: str) -> Callable[[Any, dict[str, Any]], str]:
    return lambda given, context: f"must be {words.format(_plain(context[bound]))}, not {_shown(given, str)}"


def _choice(given: Any, context: dict[str, Any]) -> str:
    choices = [word.strip(" '") for word in str(context["expected"]).replace(" or ", ", ").split(",")]
    near = difflib.get_close_matches(str(given), [*choices, *_DTYPE_SPELLINGS], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"must be one of {', '.join(choices)}, not {_shown(given)}{hint}"


_SENTENCES: dict[str, Callable[[Any, dict[str, Any]], str]] = {
    "missing": lambda given, context: "is needed",
    "extra_forbidden": lambda given, context: "is not a known field",
    "greater_than_equal": _number("ge", "{} or more"),
    "greater_than": _number("gt", "more than {}"),
    "less_than_equal": _number("le", "{} or less"),
    "less_than": _number("lt", "less than {}"),
    "literal_error": _choice,
    "int_from_float": lambda given, context: f"must be a whole number, not {_shown(given)}",
    "string_too_short": lambda given, context: "must not be empty",
    "string_too_long": lambda given, context: f"must be at most {context['max_length']} characters",
    "string_pattern_mismatch": lambda given, context: (
        # the value is not quoted: it may be the key itself
        "must be the name of an environment variable, such as VLLM_API_KEY"
    ),
    "value_error": lambda given, context: str(context["error"]),
    "finite_number": lambda given, context: "must be a finite number",
    "model_type": lambda given, context: "must be a section with fields",
    "model_attributes_type": lambda given, context: "must be a section with fields",
    "tuple_type": lambda given, context: f"must be a list, not {_shown(given)}",
    "dict_type": lambda given, context: "must be a section with fields",
    "json_invalid": lambda given, context: f"is not valid JSON: {context.get('error', '')}",
}


def _plain(number: Any) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def _shown(given: Any, of_text: Callable[[str], str] = repr) -> str:
    """The value that was given, on one line, without secrets and shortened."""
    try:
        text = of_text(without_secrets(given).strip()) if isinstance(given, str) else str(given)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= SHOWN_INPUT else text[: SHOWN_INPUT - 3] + "..."
