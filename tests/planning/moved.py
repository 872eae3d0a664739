"""A value for each field that moves memory: one that makes a difference to Llama 70B on four H100 NVL."""

from __future__ import annotations

from typing import Any, NamedTuple

from wizard_tui.schemas.fields import RequestField


class Moved(NamedTuple):
    """`value` of the field, `beside` other fields of its section without which it does nothing, and `logged`: the line
    of a server's log that tells of it, where that is no argument of the field's name."""

    value: Any
    beside: dict[str, Any] = {}  # noqa: RUF012
    logged: str = ""

    def line(self, field: RequestField) -> str:
        """What the log of a server with that value says."""
        return self.logged or f"non-default args: { ({field.name: self.value})!r}"

    def asked(self, field: RequestField) -> dict[str, dict[str, Any]]:
        """The sections of a request with that value."""
        return {field.section: {**self.beside, field.name: self.value}}


MOVED = {
    "model.dtype": Moved("float32"),
    "model.quantization": Moved("fp8_per_tensor"),
    "model.kv_cache_dtype": Moved("fp8"),
    "model.max_model_len": Moved(2048),
    "hardware.tensor_parallel_size": Moved(4),
    "hardware.pipeline_parallel_size": Moved(2),
    "hardware.data_parallel_size": Moved(2),
    "hardware.enable_expert_parallel": Moved(True),
    "workload.batching_mode": Moved("latency", logged="non-default args: {'performance_mode': 'interactivity'}"),
    "policy.gpu_memory_utilization": Moved(0.97),
    "policy.vllm_version": Moved("0.19.0", logged="vLLM server version 0.19.0, serving model a/b"),
    "policy.kv_cache_memory_bytes": Moved(2 << 30),
    "policy.enforce_eager": Moved(True),
    "policy.max_num_seqs": Moved(16),
    "policy.max_num_batched_tokens": Moved(1024),
    "policy.block_size": Moved(32),
    "policy.enable_prefix_caching": Moved(False),
    "policy.max_cudagraph_capture_size": Moved(8),
    "policy.speculative_tokens": Moved(
        2, logged="non-default args: {'speculative_config': {'method': 'mtp', 'num_speculative_tokens': 2}}"
    ),
    "policy.max_loras": Moved(8),
    "policy.max_lora_rank": Moved(256, beside={"max_loras": 8}),
}
