"""From what the user asked for to facts: the model's metadata and the GPUs. The only input/output before planning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from wizard_tui.engine.platforms import platform_of_name
from wizard_tui.errors import Refusal
from wizard_tui.hardware.gpu import GPU
from wizard_tui.hardware.observed import Observation, Observations
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.schemas.inputs import HardwareInput, ModelInput, PlanRequest
from wizard_tui.schemas.numbers import GIB


@dataclass(frozen=True)
class Facts:
    """What planning needs to know of the world.

    `gpus` are those of one node, one entry each. `installed_vllm` is the version here, and `observed` what earlier
    starts showed, where the plan is for this box.
    """

    metadata: ModelMetadata
    gpus: tuple[GPU, ...]
    installed_vllm: str | None = None
    observed: tuple[Observation, ...] = ()


def resolve(request: PlanRequest, load: Callable[..., ModelMetadata] | None = None) -> Facts:
    """Fetch the facts of a request: from disk, the built-in catalogue, the Hub and the driver.

    `load` reads the model in place of `load_model_metadata`: one that keeps what it read serves many requests.
    Raises Refusal (no GPU, unknown GPU, bad repository, missing field) or FileNotFoundError (a local directory
    without config.json), each with one plain sentence.
    """
    gpus = resolve_gpus(request.hardware)
    metadata = resolve_model(request.model, load)
    if not are_of_this_box(gpus):
        return Facts(metadata, gpus)
    return Facts(metadata, gpus, _installed_vllm(), Observations().all())


def are_of_this_box(gpus: Sequence[GPU]) -> bool:
    """Whether these GPUs were detected on this machine, and are not those of another one."""
    return any(gpu.index is not None for gpu in gpus)


def _installed_vllm() -> str | None:
    from wizard_tui.hardware.installed import installed_vllm

    return installed_vllm()


def resolve_model(model: ModelInput, load: Callable[..., ModelMetadata] | None = None) -> ModelMetadata:
    """The metadata of the model that a request names; `load` as in `resolve`."""
    from wizard_tui.models.load import load_model_metadata

    return (load or load_model_metadata)(model.model, model.revision, model.trust_remote_code, model.params_b)


def resolve_gpus(hardware: HardwareInput, detected: Sequence[GPU] | None = None) -> tuple[GPU, ...]:
    """The GPUs of one node that a request names.

    `detected` spares asking the driver again. `vram_gb` overrides the memory of a named GPU and makes a manual GPU of
    an unknown name, or when no GPU is named.
    """
    if hardware.indices is not None or (hardware.gpu.strip().lower() == "auto" and hardware.vram_gb is None):
        gpus = _detected(hardware, detected)
    else:
        gpus = (_named(hardware),) * hardware.gpus
    if hardware.vram_gb is not None:
        gpus = tuple(gpu.with_total(int(hardware.vram_gb * GIB)) for gpu in gpus)
    if hardware.used_gib is not None:
        gpus = tuple(replace(gpu, used_bytes=int(hardware.used_gib * GIB), holders=()) for gpu in gpus)
    if (unknown := next((gpu for gpu in gpus if gpu.total_bytes <= 0), None)) is not None:
        raise Refusal(f"the memory of {unknown.name} is not known; give it with vram_gb")
    return gpus


def _named(hardware: HardwareInput) -> GPU:
    from wizard_tui.hardware.catalog import get_gpu_by_name

    name = "manual GPU" if hardware.gpu.strip().lower() == "auto" else hardware.gpu.strip()
    try:
        return get_gpu_by_name(name, hardware.vram_gb)
    except Refusal:
        if hardware.vram_gb is None:
            raise
        vendor = platform_of_name(name)
        return GPU(name=name, total_bytes=int(hardware.vram_gb * GIB), vendor=vendor, source="manual")


def _detected(hardware: HardwareInput, detected: Sequence[GPU] | None) -> tuple[GPU, ...]:
    why = ""
    if detected is None:
        from wizard_tui.hardware.detect import detect

        found = detect()
        detected, why = found.gpus, "".join(f" ({problem})" for problem in found.problems[:1])
    if not detected:
        raise Refusal(f"no GPU was detected{why}; set gpu to a name such as 'H100 80GB', or vram_gb to its memory")
    if hardware.indices is not None:
        by_index = {gpu.index: gpu for gpu in detected}
        missing = [index for index in hardware.indices if index not in by_index]
        if missing:
            there = ", ".join(str(index) for index in sorted(i for i in by_index if i is not None))
            raise Refusal(f"GPU {missing[0]} is not in this machine; it has {there}")
        return tuple(by_index[index] for index in hardware.indices)
    if len(detected) < hardware.gpus:
        raise Refusal(f"{hardware.gpus} GPUs were asked for, but this machine shows {len(detected)}")
    return tuple(detected[: hardware.gpus])
