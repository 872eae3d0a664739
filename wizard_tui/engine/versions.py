"""The differences between vLLM versions that a plan depends on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from wizard_tui.errors import Refusal
from wizard_tui.tables import read_table


class BatchLimits(NamedTuple):
    """What `vllm serve` assumes where the two flags are left out."""

    max_num_batched_tokens: int
    max_num_seqs: int


class BatchDefaults(NamedTuple):
    """The batch limits by card: of 160 GiB and more, of 70 GiB and more, and of all others (see `defaults.py`)."""

    from_160_gib: BatchLimits
    from_70_gib: BatchLimits
    others: BatchLimits


@dataclass(frozen=True)
class VersionRules:
    """The rules of one vLLM version.

    `graphs_in_budget`: the CUDA-graph estimate comes off the KV cache. `group_aware_tokens`: "GPU KV cache size" is
    concurrency x max_model_len, not blocks x block size. `hybrid_chunks`: the hybrid KV cache manager is on for chunked
    local attention. `state_prefix_caching`: recurrent states can be cached at block boundaries, and by default are with
    `default_state_prefix_caching`. `counts_in_flight_batches`: windows reserve for every batch in
    flight, not for one. `gdn_prefill_checkpoints`: gated DeltaNet keeps one more state for prefix caching where its
    FlashInfer kernel runs. `pads_mxfp4_hidden_on_hopper`: MXFP4 experts have a hidden size that 256 divides there too.
    `performance_modes`: it has `--performance-mode`. `speculation`: one method name makes the layers of any checkpoint
    draft; before, drafting is not recommended. `engine`: whose overheads a step has, a key of `perf_constants.json`:
    `v0`, `early_v1`, or `v1` (since asynchronous scheduling matured). `cuda`: what its wheels and images without a
    suffix are built with. `batch_limits`: what it assumes for the flags of a batch. `note` is not empty when the
    version is newer than what is known here.
    """

    version: str
    default_gpu_memory_utilization: float
    graphs_in_budget: bool
    group_aware_tokens: bool
    hybrid_chunks: bool
    state_prefix_caching: bool
    default_state_prefix_caching: bool
    counts_in_flight_batches: bool
    model_runner_v2: bool
    gdn_prefill_checkpoints: bool
    pads_mxfp4_hidden_on_hopper: bool
    performance_modes: bool
    speculation: bool
    engine: str
    cuda: str
    batch_limits: BatchDefaults
    note: str = ""

    @property
    def release(self) -> str:
        """The version without the suffix of a build: `0.33.0` for `0.33.0+cu129`."""
        return ".".join(map(str, release_of(self.version)))

    @property
    def built_with_cuda(self) -> tuple[int, int]:
        """CUDA of this build: that of a suffix such as `+cu129` or `-cu129`, else the release's own."""
        suffix = _CUDA_SUFFIX.search(self.version)
        major, minor = suffix.groups() if suffix else self.cuda.split(".")
        return int(major), int(minor)

    def max_concurrent_batches(self, pipeline_parallel_size: int) -> int:
        """Batches in flight at once (config/vllm.py:max_concurrent_batches); async scheduling is on by default."""
        if not self.counts_in_flight_batches:
            return 1
        if self.model_runner_v2:
            return pipeline_parallel_size + 1
        return max(2, pipeline_parallel_size)


@lru_cache(maxsize=1)
def _history() -> dict[str, Any]:
    return read_table(__package__, "versions.toml")


NEWEST: str = _history()["newest"]
"""The newest vLLM version whose rules are known here."""

_CUDA_SUFFIX = re.compile(r"[+.-]cu(\d\d)(\d)")
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:[A-Za-z.+_-][\w.+-]*)?", re.ASCII)


@lru_cache(maxsize=64)
def rules_for(version: str | None) -> VersionRules:
    """The rules of a version such as `0.29.0` or `0.20.1rc1.dev16+g7a1eb8ac2`; None means the newest known.

    A version newer than that gets the newest known rules and a note. Raises Refusal for text that is no version.
    """
    version = (version or NEWEST).strip()
    release = release_of(version)
    version = version.removeprefix("v")
    history = _history()
    rules = dict(history["first"])
    limits = dict(rules.pop("batch_limits"))
    for change in history["change"]:
        if release_of(change["since"]) <= release:
            rules |= {key: value for key, value in change.items() if key not in ("since", "batch_limits")}
            limits |= change.get("batch_limits", {})
    note = ""
    if release > release_of(NEWEST):
        note = (
            f"vLLM {version} is newer than {NEWEST}, the newest whose rules are known here; those of {NEWEST} are used"
        )
    by_card = BatchDefaults(**{card: BatchLimits(**row) for card, row in limits.items()})
    return VersionRules(version=version, batch_limits=by_card, note=note, **rules)


@lru_cache(maxsize=256)
def release_of(version: str) -> tuple[int, int, int]:
    """The numbers of a version, for comparison. Raises Refusal for text that is no version."""
    match = _VERSION.fullmatch(version.strip())
    if match is None:
        raise Refusal(f"{version!r} is no vLLM version; write it like {NEWEST}")
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch or 0)


def image_tag(version: str) -> str:
    """The tag of vLLM's own image for a version, without the suffix of a local build. A version built between two
    releases has no image of its own: its tag is `nightly`."""
    public = version.partition("+")[0]
    return "nightly" if ".dev" in public else f"v{public}"


_TAG = re.compile(r":v?(\d+\.\d+(?:\.\d+)?[^:/@]*)(?:@[^@]*)?$")


def version_of_image(image: str | None) -> str | None:
    """The version in a container image's tag, such as `vllm/vllm-openai:v0.29.0`; None where there is none."""
    match = _TAG.search(image or "")
    return match[1] if match and _VERSION.fullmatch(match[1]) else None
