"""Commands that are made when they are asked for, and help pages in plain text that read at 80 columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

Row = tuple[str, str]
Maker = Callable[[], typer.Typer]
_SETTINGS = {"help_option_names": ["-h", "--help"]}


def examples(*lines: str) -> str:
    """The end of a help page; `\\b` keeps its lines as they are."""
    return "\b\nExamples:\n" + "".join(f"  {line}\n" for line in lines)


class Page(TyperCommand):
    """A command whose options stand under headings, their names in full."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Typer writes an argument as {NAME}."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Its own options first, then those of the request."""
        _write(formatter, _options(self, ctx))


class Commands(TyperGroup):
    """A group whose commands stand under headings, each with its whole first sentence, and before the options."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The commands, then the options."""
        self.format_commands(ctx, formatter)
        _write(formatter, _options(self, ctx))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands, under their headings."""
        sections: dict[str, list[Row]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            first = (command.help or "").partition("\n\n")[0].replace("\n", " ")
            sections.setdefault(command.rich_help_panel or "Commands", []).append((name, first.rstrip(".")))
        _write(formatter, sections)


class Table(Commands):
    """A group whose commands come from a table (heading and maker by name): a start pays for the one that runs."""

    makers: ClassVar[Mapping[str, tuple[str, Maker]]] = {}

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.commands = _Made(self.makers)  # type: ignore[assignment]


class _Made(Mapping[str, Any]):
    """Commands by name, each made on first use."""

    def __init__(self, makers: Mapping[str, tuple[str, Maker]]) -> None:
        self._makers = makers
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            heading, make = self._makers[name]
            command: Any = get_command(make())
            command.rich_help_panel = heading
            self._made[name] = command
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def group(cls: type[Commands] = Commands, *, completion: bool = False, **more: Any) -> typer.Typer:
    """A group of commands with pages of this kind."""
    return typer.Typer(
        cls=cls,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=completion,
        context_settings=_SETTINGS,
        **more,
    )


def alone(work: Callable[..., None], *lines: str) -> typer.Typer:
    """One command, named as its function; `lines` are examples."""
    app = group()
    app.command(cls=Page, epilog=examples(*lines) if lines else None, context_settings=_SETTINGS)(work)
    return app


def elsewhere(module: str, name: str = "app") -> typer.Typer:
    """A group that a module of this package makes."""
    found: typer.Typer = getattr(import_module(f"wizard_tui.cli.{module}"), name)
    return found


def _options(command: Any, ctx: Any) -> dict[str, list[Row]]:
    sections: dict[str, list[Row]] = {"Arguments": [], "Options": []}
    for param in command.get_params(ctx):
        row = param.get_help_record(ctx)
        if param.param_type_name == "argument":
            sections["Arguments"].append((param.metavar or param.name.upper(), param.help or ""))
        elif row is not None:
            sections.setdefault(param.rich_help_panel or "Options", []).append((row[0], _in_our_words(row[1])))
    return sections


def _in_our_words(text: str) -> str:
    """Typer's own texts are sentences; ours are not."""
    return text[:1].lower() + text[1:-1] if text.endswith(".") else text


def _write(formatter: Any, sections: Mapping[str, list[Row]]) -> None:
    for heading, rows in sections.items():
        if rows:
            with formatter.section(heading):
                formatter.write_dl(rows)
