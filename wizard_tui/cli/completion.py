"""What a value may be, for the shell's completion. Nothing here asks the Hub or a driver."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def one_of(words: Sequence[str]) -> Callable[[str], list[str]]:
    """A fixed set of words."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def gpus(incomplete: str) -> list[str]:
    """GPUs of the table; with dashes for spaces, which mean the same and need no quotes."""
    from wizard_tui.hardware.catalog import all_gpus

    return [name for gpu in all_gpus() if (name := gpu.name.replace(" ", "-")).startswith(incomplete)]


def models(incomplete: str) -> list[str]:
    """Models of the catalogue; a directory is completed by the shell."""
    from wizard_tui.models import catalog

    return [name for name in catalog.ids() if name.startswith(incomplete)]


def methods(incomplete: str) -> list[str]:
    """Methods that `--quantization` takes."""
    from wizard_tui.engine.quantization import names

    return [name for name in names() if name.startswith(incomplete)]


def artifacts(incomplete: str) -> list[str]:
    """The last of several names behind commas."""
    from wizard_tui.launch.deployment import PROFILE
    from wizard_tui.render.registry import ARTIFACTS

    before, comma, last = incomplete.rpartition(",")
    taken = before.split(",")
    known = (*ARTIFACTS, PROFILE, "all")
    return [f"{before}{comma}{name}" for name in known if name.startswith(last) and name not in taken]


def ways(incomplete: str) -> list[str]:
    """Ways to start a server."""
    from wizard_tui.launch.ways import WAYS

    return [way for way in WAYS if way.startswith(incomplete)]


def servers(incomplete: str) -> list[str]:
    """Servers that were started from here."""
    from wizard_tui.launch.records import Records

    return [record.name for record in Records().all() if record.name.startswith(incomplete)]
