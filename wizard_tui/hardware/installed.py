"""Which vLLM is installed here, read from its metadata: importing it would take seconds and a GPU."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path


def installed_vllm(environ: Mapping[str, str] | None = None) -> str | None:
    """The version of the vLLM that `vllm serve` would start, or None where there is none.

    That is the `vllm` on PATH, which may live in an environment of its own; without it, the one beside this program.
    """
    path = (os.environ if environ is None else environ).get("PATH", "")
    program = shutil.which("vllm", path=path)
    if program is not None:
        for found in _versions(Path(program).resolve().parent.parent):
            return found
    from importlib import metadata

    try:
        return metadata.version("vllm")
    except metadata.PackageNotFoundError:
        return None


def _versions(environment: Path) -> Iterator[str]:
    """The versions of vLLM in an environment, from the names of its metadata directories alone."""
    for place in ("lib/python3.*/site-packages", "lib/python3.*/dist-packages", "Lib/site-packages"):
        for found in sorted(environment.glob(f"{place}/vllm-*.dist-info")):
            yield found.name.removeprefix("vllm-").removesuffix(".dist-info")
