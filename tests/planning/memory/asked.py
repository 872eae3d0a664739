"""The planner's questions about memory, asked with single numbers: anything not named is vLLM's default."""

from __future__ import annotations

from typing import Any

from wizard_tui.engine.versions import NEWEST, rules_for
from wizard_tui.hardware.gpu import GPU
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.planning.memory.kv_layers import KVLayout, kv_layout
from wizard_tui.planning.memory.kv_shards import CacheSettings
from wizard_tui.planning.memory.overhead import Overhead, overhead_of
from wizard_tui.planning.memory.weights import Weights, weights_of
from wizard_tui.planning.settings import Layout, Settings

Capability = tuple[int, int] | None


def settings_of(metadata: ModelMetadata, **named: Any) -> Settings:
    """`tp`, `pp`, `dp` and `expert_parallel` are parts of the layout."""
    layout = Layout(**{part: named.pop(part) for part in Layout._fields if part in named})
    defaults: dict[str, Any] = {
        "dtype": metadata.dtype,
        "quantization": None,
        "kv_cache_dtype": "auto",
        "max_model_len": metadata.max_position_embeddings,
        "max_num_seqs": 256,
        "max_num_batched_tokens": 2048,
        "gpu_memory_utilization": 0.9,
        "vllm_version": NEWEST,
    }
    return Settings(layout=layout, **(defaults | named))


def gpu_of(capability: Capability) -> GPU:
    """A GPU with nothing else set."""
    return GPU(name="some GPU", total_bytes=80 << 30, compute_capability=capability)


def weights_for(metadata: ModelMetadata, *, compute_capability: Capability = None, **named: Any) -> Weights:
    return weights_of(metadata, gpu_of(compute_capability), settings_of(metadata, **named))


def overhead_for(metadata: ModelMetadata, gpu: GPU, **named: Any) -> Overhead:
    return overhead_of(metadata, gpu, settings_of(metadata, **named))


def layout_for(
    metadata: ModelMetadata,
    *,
    compute_capability: Capability,
    prefix_caching: bool | None = None,
    dcp: int = 1,
    **named: Any,
) -> KVLayout:
    """`prefix_caching` None: vLLM's default when the flag is left out."""
    rules = rules_for(named.get("vllm_version"))
    caches = rules.default_state_prefix_caching if prefix_caching is None else prefix_caching
    settings = settings_of(metadata, **named, enable_prefix_caching=caches)
    return kv_layout(metadata, CacheSettings.of(gpu_of(compute_capability), settings)._replace(dcp=dcp))
