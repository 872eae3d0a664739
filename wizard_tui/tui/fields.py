"""The fields of the wizard, derived from the request's schema: label, help, kind and step of each.

Which headings stand on which step, and in which order, is the one thing said here; everything else is read from the
pydantic models, so that a field is described once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from wizard_tui.schemas.markers import Known, OnlyIfAsked, Shown

if TYPE_CHECKING:
    from wizard_tui.schemas.fields import RequestField

Kind = Literal["text", "choice"]
AUTO = "auto"
MODEL = "model.model"

# step -> its title, and the headings on it; each field says its heading itself
FORMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "model": ("Model", ("What to serve", "Its repository")),
    "hardware": ("Hardware", ("GPUs", "How the model is spread")),
    "workload": ("Workload", ("Requests", "Goals", "A run of your own server, if there was one")),
    "policy": ("Policy", ("Memory", "Batches", "Adapters", "Server")),
}


@dataclass(frozen=True)
class Field:
    """One line of a form. `choices` are the words it cycles through; the empty choice means `auto`. `known` says which
    values are proposed while typing, `is_only_asked` that no plan fills it in: the markers of these names."""

    path: str
    label: str
    help: str
    kind: Kind
    default: str
    choices: tuple[str, ...] = ()
    known: str = ""
    is_only_asked: bool = False

    @property
    def section(self) -> str:
        """The section of the request."""
        return self.path.partition(".")[0]

    @property
    def name(self) -> str:
        """The field's name in its section."""
        return self.path.partition(".")[2]

    @property
    def widget_id(self) -> str:
        """An id that Textual accepts."""
        return self.path.replace(".", "-")


@lru_cache(maxsize=1)
def all_fields() -> dict[str, Field]:
    """Every field by its path, in the order of the steps."""
    return {field.path: field for _, headings in FORMS.values() for title in headings for field in fields_under(title)}


@lru_cache(maxsize=32)
def fields_under(heading: str) -> tuple[Field, ...]:
    """The fields under a heading, from the top. The schema is loaded here, after the first screen is drawn."""
    from wizard_tui.schemas.fields import marked

    rows = [(field, shown) for field in marked(Shown) if (shown := field.marker(Shown)) and shown.heading == heading]
    places = [field.name for field, shown in rows if not shown.after]
    for field, shown in rows:
        if shown.after:
            places.insert(places.index(shown.after) + 1, field.name)
    return tuple(_field(field, shown) for field, shown in sorted(rows, key=lambda row: places.index(row[0].name)))


def fields_of(step: str) -> tuple[Field, ...]:
    """The fields of a step, from the top."""
    return tuple(field for heading in FORMS[step][1] for field in fields_under(heading))


def path_of(widget_id: str) -> str:
    """The path of the field that a widget edits."""
    return widget_id.replace("-", ".", 1)


def step_of(path: str) -> str:
    """The step on which a field stands."""
    return next(step for step in FORMS if any(field.path == path for field in fields_of(step)))


def said(texts: Mapping[str, str]) -> str:
    """Fields and their texts, in words."""
    return ", ".join(f"{all_fields()[path].label.strip()} {text or AUTO}" for path, text in texts.items())


def _field(field: RequestField, shown: Shown) -> Field:
    info, known = field.info, field.marker(Known)
    choices = _choices(info.annotation)
    return Field(
        path=field.path,
        label=shown.label or field.name.replace("_", " "),
        help=info.description or "",
        kind="choice" if choices else "text",
        default="" if info.is_required() else text_of(info.default),
        choices=choices,
        known=known.values if known else "",
        is_only_asked=field.marker(OnlyIfAsked) is not None,
    )


def _choices(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Annotated:
        return _choices(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return tuple(get_args(annotation))
    if annotation is bool:
        return ("no", "yes")
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if parts == [bool]:
        return ("", "yes", "no")
    return _choices(parts[0]) if len(parts) == 1 else ()


def text_of(value: object) -> str:
    """A value of the request as a field shows it; empty for one that is left to the planner."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)
