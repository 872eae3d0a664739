"""The GPUs of this machine, detected by their driver or known by name."""

from wizard_tui.hardware.catalog import all_gpus, get_gpu_by_name
from wizard_tui.hardware.detect import detect_gpus
from wizard_tui.hardware.gpu import GPU, Detection
from wizard_tui.hardware.topology import interconnect_of, recommend_tensor_parallel

__all__ = [
    "GPU",
    "Detection",
    "all_gpus",
    "detect_gpus",
    "get_gpu_by_name",
    "interconnect_of",
    "recommend_tensor_parallel",
]
