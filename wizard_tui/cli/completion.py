"""What may be typed for a value, for the shell's completion. Nothing here asks the Hub or a driver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

SHELLS = ("bash", "zsh", "fish")
Completer = Callable[..., list[str]]


def shell_code(shell: str) -> str:
    """The code that the shell has to evaluate."""
    from argcomplete.shell_integration import shellcode

    code: str = shellcode(["vllm-wizard-tui"], shell=shell)
    return code + "\n"


def one_of(words: Sequence[str]) -> Completer:
    """A fixed set of words."""

    def complete(prefix: str, **_: Any) -> list[str]:
        return [word for word in words if word.startswith(prefix)]

    return complete


def gpus(prefix: str, **_: Any) -> list[str]:
    """GPUs of the table without their makers; dashes replace spaces, as they mean the same and need no quotes."""
    from wizard_tui.hardware.catalog import all_gpus

    return [name for gpu in all_gpus() if (name := _short(gpu.name)).startswith(prefix)]


def _short(name: str) -> str:
    for maker in ("NVIDIA ", "AMD ", "Intel ", "GeForce ", "Instinct "):
        name = name.removeprefix(maker)
    return name.replace(" ", "-")


def models(prefix: str, **_: Any) -> list[str]:
    """Models of the catalogue; the shell completes directories."""
    from wizard_tui.models import catalog

    return [name for name in catalog.ids() if name.startswith(prefix)]


def methods(prefix: str, **_: Any) -> list[str]:
    """Methods that `--quantization` takes."""
    from wizard_tui.engine.quantization import names

    return [name for name in names() if name.startswith(prefix)]


def artifacts(prefix: str, **_: Any) -> list[str]:
    """The last of several names separated by commas."""
    from wizard_tui.launch.deployment import PROFILE
    from wizard_tui.render.registry import ARTIFACTS

    before, comma, last = prefix.rpartition(",")
    taken = before.split(",")
    known = (*ARTIFACTS, PROFILE, "all")
    return [f"{before}{comma}{name}" for name in known if name.startswith(last) and name not in taken]


def ways(prefix: str, **_: Any) -> list[str]:
    """Ways to start a server."""
    from wizard_tui.launch.ways import WAYS

    return [way for way in WAYS if way.startswith(prefix)]


def servers(prefix: str, **_: Any) -> list[str]:
    """Servers that were started from here."""
    from wizard_tui.launch.records import Records

    return [record.name for record in Records().all() if record.name.startswith(prefix)]
