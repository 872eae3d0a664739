"""The options of the commands that plan: one for every field of a plan request, read from its schema.

Values reach the schema as text, so that a field has the same rules and the same error on the command line, in a profile
and in the wizard's forms.
"""

from __future__ import annotations

import shlex
from argparse import BooleanOptionalAction, Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin

from pydantic import ValidationError

from wizard_tui.cli import completion
from wizard_tui.cli.parser import Parser, UsageError
from wizard_tui.errors import Refusal
from wizard_tui.schemas.errors import field_errors
from wizard_tui.schemas.fields import RequestField, request_fields, sections
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.markers import Known, Option
from wizard_tui.schemas.profile import OutputsInput, Profile, parse_profile_data, read_profile_text

_Whole = TypeVar("_Whole", PlanRequest, Profile)
_COMPLETIONS = {"models": completion.models, "methods": completion.methods, "gpus": completion.gpus}
_SHOWN_CHOICES = 4


def option_of(path: str) -> str:
    """The long option of a field, such as `--gpus` of `hardware.gpus`."""
    return "--" + path.partition(".")[2].replace("_", "-")


def words_of(patch: Mapping[str, Mapping[str, Any]]) -> str:
    """A change of a request as it would be typed, such as `--max-model-len 4096 --no-enforce-eager`; None is `auto`."""
    words = []
    for section, fields in patch.items():
        for name, value in fields.items():
            option = option_of(f"{section}.{name}")
            if isinstance(value, bool):
                words.append(option if value else f"--no-{option.removeprefix('--')}")
            else:
                words += [option, shlex.quote("auto" if value is None else str(value))]
    return " ".join(words)


class Asked(NamedTuple):
    """What the options and the profile file say, before it is validated."""

    values: Mapping[str, Any]
    file: Path | None
    outputs: Mapping[str, Any]

    @property
    def nothing(self) -> bool:
        """No option of the request was given, and no profile."""
        return self.file is None and all(value is None for value in self.values.values())

    def file_sections(self) -> dict[str, Any]:
        """The request's sections in the file, as plain data not validated yet."""
        return {name: fields for name, fields in _file_data(self.file).items() if name in sections()}

    def option_sections(self) -> dict[str, dict[str, Any]]:
        """What the options say, as sections of plain data."""
        sections: dict[str, dict[str, Any]] = {}
        for path, value in self.values.items():
            if value is not None:
                section, _, name = path.partition(".")
                sections.setdefault(section, {})[name] = value
        return sections

    def request(self) -> PlanRequest:
        """The request that was asked for. Raises UsageError as `profile` does; without a file, no profile is read."""
        if self.file is not None:
            return self.profile().request()
        return self._valid(PlanRequest, {**self._data(), "explain": self.outputs.get("explain", False)})

    def profile(self) -> Profile:
        """Options over the file, validated as a whole. Raises UsageError that names options as they were typed."""
        data = self._data()
        for name, value in self.outputs.items():
            _section(data, "outputs")[name] = value
        return self._valid(Profile, data)

    def _data(self) -> dict[str, Any]:
        data = _file_data(self.file)
        for section, fields in self.option_sections().items():
            _section(data, section).update(fields)
        if not data.get("model"):
            raise UsageError("no model is given; add --model, such as --model Qwen/Qwen3-8B, or --profile FILE")
        return data

    def _valid(self, kind: type[_Whole], data: Mapping[str, Any]) -> _Whole:
        try:
            return kind.model_validate(data)
        except ValidationError as error:
            raise UsageError(self._problems(error)) from None

    def _problems(self, error: ValidationError) -> str:
        said = []
        for path, sentence in field_errors(error).items():
            typed = self.file is None or self.values.get(path) is not None
            said.append(f"{option_of(path)} {sentence}" if typed and "." in path else f"{self.file}: {path} {sentence}")
        return "; ".join(said)


def asked(found: Namespace) -> Asked:
    """What a command line says of its request; options named as in its `outputs` win over the file too."""
    given = vars(found)
    values = {path: given[path] for path in request_fields()}
    outputs = {name: given[name] for name in OutputsInput.model_fields if given.get(name)}
    return Asked(values, Path(found.profile) if found.profile else None, outputs)


def add_request(parser: Parser) -> None:
    """Give a command an option for every field of a request, and `--profile`."""
    parser.option("-p", "--profile", metavar="FILE", help="take what is not given here from this YAML file")
    for field in request_fields().values():
        _add(parser, field)


def _section(data: dict[str, Any], name: str) -> dict[str, Any]:
    section = data.setdefault(name, {})
    if not isinstance(section, dict):
        raise UsageError(f"{name} in the profile must be a section with fields")
    return section


def _file_data(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return parse_profile_data(read_profile_text(file), str(file))
    except Refusal as error:
        raise UsageError(str(error)) from None


def _add(parser: Parser, field: RequestField) -> None:
    info, differs = field.info, field.marker(Option) or Option()
    names = [option_of(field.path), *filter(None, [differs.also])]
    names.sort(key=lambda name: name.startswith("--"))
    more: dict[str, Any] = {
        "dest": field.path,
        "help": f"{info.description}{_default(info)}",
        "heading": differs.heading or field.section.capitalize(),
    }
    if bool in (info.annotation, *get_args(info.annotation)):
        parser.option(*names, action=BooleanOptionalAction, default=None, **more)
        return
    choices = _choices(info.annotation)
    known = field.marker(Known)
    complete = completion.one_of(choices) if choices else _COMPLETIONS[known.values] if known else None
    parser.option(*names, metavar=_metavar(info, choices), completer=complete, **more)


def _default(info: Any) -> str:
    if info.is_required() or info.default in (None, False):
        return ""
    return f" [default: {'on' if info.default is True else info.default}]"


def _metavar(info: Any, choices: tuple[str, ...]) -> str:
    if 0 < len(choices) <= _SHOWN_CHOICES:
        return f"[{'|'.join(choices)}]"
    return "NUMBER" if {int, float} & set(_types(info.annotation)) else "TEXT"


def _choices(annotation: Any) -> tuple[str, ...]:
    return next((get_args(part) for part in _types(annotation) if get_origin(part) is Literal), ())


def _types(annotation: Any) -> Iterator[Any]:
    yield annotation
    if get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            yield from _types(part)
