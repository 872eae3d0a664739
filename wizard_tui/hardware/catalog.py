"""GPUs by name, from the table in gpus.json, however people write the name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, NamedTuple

from wizard_tui.engine.platforms import platform_named, platform_of_capability
from wizard_tui.errors import Refusal
from wizard_tui.hardware.gpu import GPU
from wizard_tui.tables import read_table

MIB = 1 << 20
GIB = 1 << 30

_NOISE = re.compile("nvidia|amd|intel|geforce|instinct|tesla|rtx|generation|tensorcore|graphics|gpu")
_SEPARATORS = re.compile(r"[^a-z0-9+]")
_SIZE = re.compile(r"(?<![a-z0-9.])(\d+) ?gi?b?(?![a-z0-9])")
_MEMORY_TYPE = re.compile(r"\b(?:lp)?(?:hbm|g?ddr)\d?[ex]?\b")
_MIG = re.compile(r"(?:\bmig )?\b(\d)g\.(\d+)gb\b")
_LONGEST_NAME = 100


class CatalogueEntry(NamedTuple):
    """A GPU with the facts that distinguish it from its neighbours in the table.

    `marketed_gb` is the size on the box, `driver_bytes` what nvidia-smi shows as total, `mig` the bytes of each MIG
    profile (None: not known), `default` whether this one is meant when a name fits several.
    """

    gpu: GPU
    driver_names: tuple[str, ...]
    aliases: tuple[str, ...]
    marketed_gb: int
    driver_bytes: int | None
    mig: tuple[tuple[str, int | None], ...]
    default: bool


def get_gpu_by_name(name: str, vram_gb: float | None = None) -> GPU:
    """The GPU of that name, with the memory that CUDA reports for it.

    Case, spaces, hyphens, vendor words and "RTX" do not matter; a memory size may be part of the name (`H100 80GB`,
    `4090 48GB`), and so may a MIG profile (`A100 80GB 3g.40gb`). Names are compared whole, never by a part of them.
    A name that fits several GPUs means the one that the table marks as default, or else the one whose size is nearest
    to `vram_gb` where that is given.

    Raises Refusal when the name is empty, unknown (naming near ones) or fits several GPUs (naming them).
    """
    text = name.strip()[:_LONGEST_NAME]
    if not text:
        raise Refusal("the name of the GPU is empty; give one such as 'H100 80GB', or its memory with vram_gb")
    profile = _MIG.search(_plain(text))
    whole = text if profile is None else text[: profile.start()] + text[profile.end() :]
    entry = _choose(text, _matches(whole), vram_gb)
    return entry.gpu if profile is None else mig_instance(entry, f"{profile[1]}g.{profile[2]}gb")


def all_gpus() -> tuple[GPU, ...]:
    """Every GPU of the table, in its order: data centre, workstation, GeForce, systems-on-chip, AMD, Gaudi."""
    return tuple(entry.gpu for entry in entries())


def entry_of_driver(driver_name: str, driver_bytes: int | None) -> CatalogueEntry | None:
    """The entry of a GPU that a driver calls `driver_name`, or None.

    Where several GPUs share the driver's name (an RTX 4060 Ti has 8 or 16 GB), the memory it reports decides.
    """
    found = [entry for entry in entries() if driver_name.lower() in (known.lower() for known in entry.driver_names)]
    if not found:
        return None
    if driver_bytes is None:
        return next((entry for entry in found if entry.default), found[0])
    return min(found, key=lambda entry: abs(entry.marketed_gb * GIB - driver_bytes))


def mig_instance(entry: CatalogueEntry, profile: str, total_bytes: int | None = None) -> GPU:
    """One MIG instance of a GPU, `profile` as NVIDIA writes it (`3g.40gb`).

    An instance has its share of the compute slices (7 on most GPUs) and of the memory slices, and with them of the
    TFLOP/s and of the bandwidth (NVIDIA MIG user guide, "Partitioning"). It has no NVLink. `total_bytes` is what the
    driver reports for it, which CUDA reports unchanged.
    """
    known = dict(entry.mig)
    if profile not in known and total_bytes is None:
        offered = f"it offers {', '.join(known)}" if known else "it cannot be partitioned as far as is known"
        raise Refusal(f"{entry.gpu.name} has no MIG profile {profile}; {offered}")
    slices, gb = (int(part) for part in profile.removesuffix("gb").split("g."))
    compute = min(1.0, slices / max(int(name[0]) for name in (*known, profile)))
    memory = min(1.0, gb / entry.marketed_gb)
    gpu = entry.gpu
    return replace(
        gpu,
        name=f"{gpu.name} MIG {profile}",
        total_bytes=total_bytes or known[profile] or int(gpu.total_bytes * memory),
        bandwidth_gb_s=gpu.bandwidth_gb_s and round(gpu.bandwidth_gb_s * memory, 1),
        tflops=tuple((kind, round(value * compute, 1)) for kind, value in gpu.tflops),
        interconnect="pcie",
        link_gb_s=None,
        mig_profile=profile,
    )


def cuda_total_bytes(driver_bytes: int) -> int:
    """What CUDA reports as total on an NVIDIA GPU whose driver reports `driver_bytes`.

    The driver keeps a part for itself: 471 MiB of an L4, 480 of an H100, 483 of a 4090, 598 of an A6000, 727 of a
    B200. 450 MiB plus 0.15 % is within 200 MiB of every measured GPU.
    """
    return driver_bytes - 450 * MIB - driver_bytes * 15 // 10_000


@cache
def entries() -> tuple[CatalogueEntry, ...]:
    """The table, read once."""
    table = read_table(__package__, "gpus.json")
    return tuple(_entry(row) for row in table["gpus"])


def _entry(row: dict[str, Any]) -> CatalogueEntry:
    capability = row["capability"]
    numeric = capability[0].isdigit()
    major, _, minor = capability.partition(".")
    return CatalogueEntry(
        gpu=GPU(
            name=row["name"],
            total_bytes=_total_bytes(row),
            vendor=platform_of_capability(capability),
            compute_capability=(int(major), int(minor)) if numeric else None,
            architecture=None if numeric else capability,
            bandwidth_gb_s=row["bandwidth_gb_s"],
            tflops=tuple(row.get("tflops", {}).items()),
            link_gb_s=row.get("link_gb_s"),
            interconnect=row["link"],
            kind=row["class"],
            unified_memory=row.get("unified", False),
            power_limit_w=row["tdp_w"],
            unverified=_unverified(row),
        ),
        driver_names=tuple(row.get("driver_names", (row["name"],))),
        aliases=tuple(row.get("aliases", ())),
        marketed_gb=row["gb"],
        driver_bytes=row["driver_mib"] * MIB if "driver_mib" in row else None,
        mig=tuple((name, mib and mib * MIB) for name, mib in row.get("mig", {}).items()),
        default=row.get("default", False),
    )


def _unverified(row: dict[str, Any]) -> tuple[str, ...]:
    """Figures of a row that the plan uses although they have no source; empty where the GPU itself was measured."""
    if row.get("measured"):
        return ()
    # CUDA's total follows from the driver's, and the other way round
    memory = "" if {"cuda_bytes", "cuda_gib", "driver_mib"} & set(row.get("source", ())) else "memory"
    speed = {"bandwidth_gb_s": "bandwidth", "tflops": "TFLOP/s"}
    return (*filter(None, [memory]), *(figure for key, figure in speed.items() if key in row["unverified"]))


def _total_bytes(row: dict[str, Any]) -> int:
    """The best that the table knows: CUDA's bytes, its GiB as printed, the driver's total, the size on the box.

    Other vendors' drivers keep nothing for themselves; a system-on-chip leaves some of its memory to the kernel, about
    5 % on a DGX Spark (121.69 of 128 GiB).
    """
    if "cuda_bytes" in row:
        return int(row["cuda_bytes"])
    if "cuda_gib" in row:
        return int(row["cuda_gib"] * GIB)
    driver = int(row["driver_mib"]) * MIB if "driver_mib" in row else int(row["gb"]) * GIB
    if row.get("unified"):
        return driver * 95 // 100
    platform = platform_named(platform_of_capability(row["capability"]))
    return cuda_total_bytes(driver) if platform.driver_keeps else driver


def _plain(text: str) -> str:
    """Lower case without underscores, which count as word characters in the patterns here."""
    return text.lower().replace("_", " ")


@lru_cache(maxsize=2048)
def _key(text: str) -> str:
    """A name without case, separators and the words that do not distinguish GPUs."""
    return _NOISE.sub("", _SEPARATORS.sub("", text.lower()))


@lru_cache(maxsize=2048)
def _base(text: str) -> str:
    """The key of a name without its memory size and memory type."""
    return _key(_MEMORY_TYPE.sub(" ", _SIZE.sub(" ", _plain(text))))


@cache
def _index() -> dict[str, tuple[CatalogueEntry, ...]]:
    """Every spelling that is understood, as a key, with the entries it fits."""
    index: dict[str, dict[str, CatalogueEntry]] = {}
    for entry in entries():
        spellings = (entry.gpu.name, *entry.driver_names, *entry.aliases)
        sizes = {str(entry.marketed_gb), *(size for text in spellings for size in _SIZE.findall(_plain(text)))}
        bases = {_base(text) for text in spellings}
        keys = {_key(text) for text in spellings} | bases | {f"{base}{size}gb" for base in bases for size in sizes}
        for key in keys:
            index.setdefault(key, {})[entry.gpu.name] = entry
    return {key: tuple(found.values()) for key, found in index.items()}


def _matches(text: str) -> tuple[CatalogueEntry, ...]:
    """The entries that a spelling fits: as it stands, or else with its memory size moved to the end."""
    index = _index()
    found = index.get(_key(text), ())
    if found:
        return found
    sizes = _SIZE.findall(_plain(text))
    return index.get(_base(text) + (f"{sizes[0]}gb" if sizes else ""), ())


def _choose(text: str, found: tuple[CatalogueEntry, ...], vram_gb: float | None) -> CatalogueEntry:
    if not found:
        near = _near(text)
        hint = f"near names: {', '.join(near)}; or" if near else "for a GPU that is not in the table"
        raise Refusal(f"no GPU called {text!r} is known; {hint} give its memory with vram_gb")
    defaults = [entry for entry in found if entry.default]
    for few in (found, defaults):
        if len(few) == 1:
            return few[0]
    if vram_gb is not None:
        return min(found, key=lambda entry: abs(entry.marketed_gb - vram_gb))
    raise Refusal(f"{text!r} may be {_either(entry.gpu.name for entry in found)}; say which, or add its memory size")


def _near(text: str) -> list[str]:
    from difflib import get_close_matches

    index = _index()
    keys = get_close_matches(_key(text), index, n=6, cutoff=0.7)
    return list(dict.fromkeys(index[key][0].gpu.name for key in keys))[:3]


def _either(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}"
