"""One fully decided way to run a model: how it is spread over GPUs, and every number that decides memory."""

from __future__ import annotations

from typing import NamedTuple


class Layout(NamedTuple):
    """How the model is spread over GPUs: tensor, pipeline, data and expert parallel."""

    tp: int = 1
    pp: int = 1
    dp: int = 1
    expert_parallel: bool = False

    @property
    def gpus(self) -> int:
        """GPUs this layout occupies."""
        return self.tp * self.pp * self.dp

    def __str__(self) -> str:
        parts = [f"TP {self.tp}"]
        if self.pp > 1:
            parts.append(f"PP {self.pp}")
        if self.dp > 1:
            parts.append(f"DP {self.dp}")
        if self.expert_parallel:
            parts.append("EP")
        return " x ".join(parts)


class Settings(NamedTuple):
    """Every number that decides memory, none left open. `None` in a limit means that the setting does not apply.

    A flag passed to vLLM as the user set it keeps its name here, with a default for when it was not set.
    """

    layout: Layout
    dtype: str
    quantization: str | None
    kv_cache_dtype: str
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    gpu_memory_utilization: float
    vllm_version: str
    kv_cache_memory_bytes: int | None = None
    block_size: int | None = None
    enforce_eager: bool = False
    enable_prefix_caching: bool = True
    performance_mode: str = "balanced"
    max_cudagraph_capture_size: int | None = None
    speculative_tokens: int = 0
    draft_layers: int = 0
    max_loras: int = 0
    max_lora_rank: int = 0
