"""Real models and GPUs as facts, without disk, driver or network, on a box with a fixed vLLM version.

Tests state figures for VERSION, so they hold when a newer vLLM becomes known. The newest is tested in
tests/engine/test_versions.py and tests/launch/test_startup_log.py alone.
"""

from __future__ import annotations

from typing import Any

import pytest

from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.resolver import Facts
from wizard_tui.schemas.inputs import PlanRequest

VERSION = "0.33.0"

# https://huggingface.co/meta-llama/Llama-3.1-8B and -70B, config.json
LLAMA_8B: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8192},
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
LLAMA_70B: dict[str, Any] = LLAMA_8B | {
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
}
# https://huggingface.co/Qwen/Qwen3-30B-A3B, config.json
QWEN3_30B_A3B: dict[str, Any] = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "moe_intermediate_size": 768,
    "num_hidden_layers": 48,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "norm_topk_prob": True,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
CONFIGS = {"llama-8b": LLAMA_8B, "llama-70b": LLAMA_70B, "qwen3-30b-a3b": QWEN3_30B_A3B}


def facts(model: str = "llama-8b", gpu: str = "H100 80GB", gpus: int = 1) -> Facts:
    metadata = metadata_from_config(CONFIGS[model], model_id=f"test/{model}", source="config")
    return Facts(metadata, (get_gpu_by_name(gpu),) * gpus, VERSION)


def request(name: str = "llama-8b", /, **sections: dict[str, Any]) -> PlanRequest:
    merged = {section: dict(fields) for section, fields in sections.items()}
    merged["model"] = {"model": f"test/{name}"} | merged.get("model", {})
    return PlanRequest.model_validate(merged)


@pytest.fixture
def llama() -> Facts:
    return facts()
