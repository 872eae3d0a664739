"""How a command line is read: a command gets its options when it is used, and its page fits 80 columns."""

from __future__ import annotations

import argparse
import inspect
import re
import shutil
import textwrap
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, NoReturn

from wizard_tui.errors import Refusal
from wizard_tui.schemas.secrets import without_secrets, without_secrets_in

PAGE_COLUMNS, NARROWEST = 80, 40
NAMES_COLUMNS = 32
OPTIONS = "Options"


# argparse's words, and ours in their place; the typed text is left out, as it may be a key
_MESSAGES = (
    (re.compile(": expected one argument"), " needs a value"),
    (re.compile(": ignored explicit argument .*", re.DOTALL), " takes no value"),
    (re.compile("^: invalid choice: .*", re.DOTALL), "a command must come first; see --help"),
    (re.compile(r": invalid choice: .* \(choose from (.*)\)", re.DOTALL), r" takes one of \1"),
)


class UsageError(Refusal):
    """Something the user can put right; its text is one plain sentence, which quotes no secret."""

    def __init__(self, sentence: str) -> None:
        super().__init__(without_secrets_in(sentence))


class Command(NamedTuple):
    """One command: `options` adds what it takes, `work` does it and gives the exit code.

    The docstring of `work` is its page; the first sentence is its line under `heading` on the page above. `commands`
    are those below it, `closing` ends the page.
    """

    heading: str
    work: Callable[[argparse.Namespace], int]
    options: Callable[[Parser], None] | None = None
    examples: tuple[str, ...] = ()
    commands: Mapping[str, Command] = {}
    closing: str = ""


class Parser(argparse.ArgumentParser):
    """The parser of one command. It is empty until it is used, so that a start pays for one command."""

    def __init__(self, command: Command, **more: Any) -> None:
        super().__init__(add_help=False, allow_abbrev=False, formatter_class=_Page, **more)
        self._command: Command | None = command
        self._under: dict[str, Any] = {}
        self.names: list[str] = []

    def option(self, *names: str, help: str, heading: str = OPTIONS, completer: Any = None, **more: Any) -> None:  # noqa: A002
        """Add an option or an argument; `completer` lists what may be typed for it."""
        if heading not in self._under:
            self._under[heading] = self.add_argument_group(heading)
        self._under[heading].add_argument(*names, help=help.replace("%", "%%"), **more).completer = completer
        self.names += names

    def fill(self, words: Sequence[str], *, to_complete: bool = False) -> None:
        """Add what the command takes, and the parsers of the commands below it that are among the words.

        To complete a line, all commands are needed, with the options of those on the line.
        """
        command, self._command = self._command, None
        if command is None:
            return
        if command.options is not None:
            command.options(self)
        self.option("-h", "--help", action="help", help="show this page")
        arguments = [name.upper() for name in self.names if not name.startswith("-")]
        self.usage = " ".join(["%(prog)s", "[OPTIONS]", *arguments, *(["[COMMAND]"] if command.commands else [])])
        self.description = _page(command)
        self.epilog = _closing(command)
        self.set_defaults(work=command.work, parser=self)
        if command.commands:
            below = self.add_subparsers(help=argparse.SUPPRESS, metavar="", parser_class=Parser)
            for name, further in command.commands.items():
                if to_complete or name in words:
                    parser = below.add_parser(name, command=further, prog=f"{self.prog} {name}")
                    if to_complete and name in words:
                        parser.fill(words, to_complete=True)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does."""
        self.fill(args or ())
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """One sentence in place of a page."""
        said = message.removeprefix("argument ")
        for theirs, ours in _MESSAGES:
            said = theirs.sub(ours, said)
        raise UsageError(said)


def parsed(root: Command, prog: str, words: Sequence[str]) -> argparse.Namespace:
    """What a command line asks for. Raises UsageError, which names the nearest known word to an unknown one."""
    _known_commands(root, words)
    found: argparse.Namespace
    found, unknown = Parser(root, prog=prog).parse_known_args(words)
    for word in unknown:
        if word.startswith("-"):
            raise UsageError(_no_option(word, found.parser.names))
        raise UsageError(f"{without_secrets(word)!r} is one word too many; see --help")
    return found


def _no_option(word: str, known: Sequence[str]) -> str:
    """The error for an unknown option: only its name is shown, as the text after it may be a key."""
    name = word.partition("=")[0]
    near = _near(name, known)
    if not name.startswith("--") and not near.startswith("; did"):
        name = name[:2]
    return f"there is no option {name}{near}"


def _known_commands(command: Command, words: Sequence[str]) -> None:
    if command.commands and words and not words[0].startswith("-"):
        if words[0] not in command.commands:
            name = without_secrets(words[0])
            raise UsageError(f"there is no command {name}{_near(name, list(command.commands))}")
        _known_commands(command.commands[words[0]], words[1:])


def _near(word: str, known: Sequence[str]) -> str:
    near = get_close_matches(word, known, 1)
    return f"; did you mean {near[0]}?" if near else "; see --help"


def _width() -> int:
    return max(NARROWEST, min(shutil.get_terminal_size().columns, PAGE_COLUMNS)) - 2


def _paragraphs(command: Command) -> list[str]:
    return [" ".join(part.split()) for part in (inspect.getdoc(command.work) or "").split("\n\n")]


def _page(command: Command) -> str:
    """What the command does, and the commands below it."""
    width = _width()
    text = "\n\n".join(textwrap.fill(part, width) for part in _paragraphs(command))
    by_heading: dict[str, dict[str, str]] = {}
    for name, further in command.commands.items():
        by_heading.setdefault(further.heading, {})[name] = _paragraphs(further)[0].rstrip(".")
    for heading, lines in by_heading.items():
        column = 4 + max(map(len, lines))
        text += f"\n\n{heading}:"
        for name, line in lines.items():
            start = f"  {name:<{column - 2}}"
            text += "\n" + textwrap.fill(line, width, initial_indent=start, subsequent_indent=" " * column)
    return text


def _closing(command: Command) -> str:
    examples = "\n".join(["Examples:", *(f"  {line}" for line in command.examples)]) if command.examples else ""
    closing = textwrap.fill(command.closing, _width())
    return "\n\n".join(filter(None, (examples, closing)))


class _Page(argparse.RawDescriptionHelpFormatter):
    """Shows names in full, with their value after the last one."""

    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(prog, **{"max_help_position": NAMES_COLUMNS, "width": _width(), **more})

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        taken = [] if action.nargs == 0 else [self._format_args(action, action.dest.upper())]
        return " ".join([", ".join(action.option_strings), *taken])
