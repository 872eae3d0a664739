"""One server over several machines without Ray: the flags of each machine's `vllm serve` beside the common ones.

Rules: vLLM's documentation of multi-node serving (`--nnodes`, `--node-rank`, `--master-addr`, `--headless`) and of
multi-node data parallelism (`--data-parallel-*`).
"""

from __future__ import annotations

from typing import Any

from wizard_tui.schemas.outputs import VLLMConfig

MASTER_PORT = 29501
RPC_PORT = 29550


def replicas_per_node(config: VLLMConfig) -> int:
    """Data-parallel copies that fit whole on one machine; 0 when one copy spans machines."""
    gpus = (config.tensor_parallel_size or 1) * (config.pipeline_parallel_size or 1)
    copies = config.data_parallel_size or 1
    return config.deployment.gpu_count // gpus if copies > 1 else 0


def node_options(config: VLLMConfig) -> dict[str, Any]:
    """Options that are the same on every machine."""
    nodes, local = config.deployment.nodes, replicas_per_node(config)
    if nodes == 1:
        return {}
    if local:
        return {"data_parallel_size_local": local, "data_parallel_rpc_port": RPC_PORT}
    return {"nnodes": nodes, "master_port": MASTER_PORT}


def address_flag(config: VLLMConfig) -> str:
    """The flag that takes the first machine's address."""
    return "--data-parallel-address" if replicas_per_node(config) else "--master-addr"


def rank_flag(config: VLLMConfig) -> tuple[str, int]:
    """The flag that says which machine this is, and the factor for the machine's number."""
    local = replicas_per_node(config)
    return ("--data-parallel-start-rank", local) if local else ("--node-rank", 1)
