"""How the GPUs of one machine are connected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from wizard_tui.hardware.gpu import GPU


def recommend_tensor_parallel(gpus: Sequence[GPU]) -> int:
    """The largest tensor parallel size that suits these GPUs of one machine, at least 1.

    Tensor parallelism splits each layer evenly, so only GPUs of one kind count, and vLLM needs a size that divides the
    attention heads of the model, which powers of two nearly always do. MIG instances cannot reach each other, so they
    do not share layers (NVIDIA MIG user guide, "Application Considerations").
    """
    alike = Counter(gpu.name for gpu in gpus if gpu.mig_profile is None)
    count = max(alike.values(), default=1)
    return 1 << (count.bit_length() - 1)


def interconnect_of(gpus: Sequence[GPU]) -> str:
    """The link that all of these GPUs share: `nvlink`, `xgmi`, `pcie`, ..., or `none` for a single GPU.

    GPUs with different links meet through the host, by PCIe. One unknown link makes the answer `unknown`.
    """
    kinds = {gpu.interconnect for gpu in gpus}
    if len(gpus) < 2:
        return "none"
    if "unknown" in kinds:
        return "unknown"
    return kinds.pop() if len(kinds) == 1 else "pcie"
