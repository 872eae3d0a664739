"""Would a server start here and now? One line for each thing that often goes wrong, with its cure."""

from __future__ import annotations

from collections.abc import Iterator

from wizard_tui.engine.versions import rules_for, version_of_image
from wizard_tui.hardware.gpu import GPU
from wizard_tui.launch.checks import Check
from wizard_tui.launch.machine import Machine
from wizard_tui.launch.ways import WAYS, Way
from wizard_tui.schemas.numbers import GIB, gib
from wizard_tui.schemas.outputs import PlanResponse

# https://docs.nvidia.com/deploy/cuda-compatibility/ and the release notes of each toolkit: the driver that comes with a
# CUDA, and the oldest of that major version, which runs it but compiles none of its kernels
OWN_DRIVER = {(12, 1): 530, (12, 4): 550, (12, 8): 570, (12, 9): 575, (13, 0): 580}
OLDEST_DRIVER = {12: 525, 13: 580}
# since vLLM 0.20 there is a second build for CUDA 12, with this suffix
OLDER_CUDA, OLDER_SUFFIX = 12, "cu129"
LEAST_SHM = 1 * GIB
LEAST_OPEN_FILES = 4096
LEAST_PROCESSES = 4096
MOST_CLOCK_S = 300.0
DISK_SLACK = 2 * GIB
LEAST_RAM = 4 * GIB


def would_stop(checks: list[Check]) -> bool:
    """Whether something would keep the server from starting."""
    return any(check.state == "bad" for check in checks)


def preflight(machine: Machine, response: PlanResponse | None = None, way_name: str = "process") -> list[Check]:
    """Every check that applies to a way to start, in the order in which a start would meet them."""
    way = WAYS[way_name]
    checks: list[Check] = []
    if _is_cpu_build(machine, way):
        checks.append(Check("GPU", "ok", f"not needed: vLLM {machine.vllm_version} is a build for the CPU"))
    else:
        checks += [*_gpus(machine, response), *_driver(machine, response, way), *_memory(machine, response)]
    checks += way.checks(machine, response)
    if response is not None:
        checks += [*_plan(response), *_disk(machine, response), *_hub(machine, response)]
        checks += [*_ports(machine, response), *_host_memory(machine), *_shared_memory(machine, response, way)]
    return [*checks, *_limits(machine), *_clock(machine), *_persistence(machine)]


def _gpus(machine: Machine, response: PlanResponse | None) -> Iterator[Check]:
    found = machine.detection
    if not found.gpus:
        problem = found.problems[0] if found.problems else "no GPU was found"
        yield Check("GPU", "bad", problem, "start the server on a machine with a GPU that vLLM runs on")
        return
    names = ", ".join(sorted({gpu.name for gpu in found.gpus}))
    wanted = response.config.deployment.gpu_count if response is not None else 1
    if len(_planned(machine, response)) < wanted:
        said = f"{len(found.gpus)} x {names}, and the plan takes {wanted}"
        yield Check("GPU", "bad", said, "plan for those there are")
    else:
        yield Check("GPU", "ok", f"{len(found.gpus)} x {names}")


def _planned(machine: Machine, response: PlanResponse | None) -> tuple[GPU, ...]:
    """The GPUs that the server would get: those chosen by index, else the first ones; all without a plan."""
    gpus = machine.detection.gpus
    if response is None:
        return gpus
    deployment = response.config.deployment
    if deployment.gpu_indices is not None:
        return tuple(gpu for gpu in gpus if gpu.index in deployment.gpu_indices)
    return gpus[: deployment.gpu_count]


def _driver(machine: Machine, response: PlanResponse | None, way: Way) -> Iterator[Check]:
    gpus, driver = machine.detection.gpus, machine.detection.driver_version
    if driver is None or not gpus or not gpus[0].platform.has_cuda:
        return
    version = _version_to_run(machine, response, way)
    rules = rules_for(version)
    cuda = rules.built_with_cuda
    there = int(driver.partition(".")[0]) if driver.partition(".")[0].isdigit() else 0
    said = f"{driver} runs CUDA {machine.detection.cuda_version or '?'}, "
    said += f"vLLM {rules.release} is built with {cuda[0]}.{cuda[1]}"
    own = OWN_DRIVER[cuda] if cuda in OWN_DRIVER else OLDEST_DRIVER[cuda[0]]
    if there < OLDEST_DRIVER[cuda[0]]:
        cure = f"update the NVIDIA driver to {own} or newer"
        if cuda[0] > OLDER_CUDA and there >= OLDEST_DRIVER[OLDER_CUDA]:
            cure += f", or take vLLM's build for CUDA {OLDER_CUDA} (suffix {OLDER_SUFFIX})"
        yield Check("driver", "bad", said, cure)
    elif there < own:
        yield Check("driver", "warn", said, f"if kernels fail to compile, update the NVIDIA driver to {own} or newer")
    else:
        yield Check("driver", "ok", said)


def _version_to_run(machine: Machine, response: PlanResponse | None, way: Way) -> str | None:
    """The vLLM version that would start: that of the image, or the installed one, else the planned one."""
    planned = response.config.deployment.vllm_version if response is not None else None
    if way.in_container:
        return version_of_image(response.config.deployment.image if response is not None else None) or planned
    return machine.vllm_version or planned


def _memory(machine: Machine, response: PlanResponse | None) -> Iterator[Check]:
    gpus = _planned(machine, response)
    if not gpus:
        return
    fullest = min(gpus, key=lambda gpu: gpu.total_bytes - gpu.used_bytes)
    free, total = fullest.total_bytes - fullest.used_bytes, fullest.total_bytes
    held = f"; held by {', '.join(fullest.holders)}" if fullest.holders else ""
    said = f"{gib(free):.1f} of {gib(total):.1f} GiB are free on GPU {fullest.index or 0}"
    if response is None:
        yield Check("GPU memory", "ok", f"{said}{held}")
    elif free < response.memory.budget:
        share = max(0.05, int(100 * free / total - 1) / 100)
        cure = f"end what holds it, or set gpu_memory_utilization to {share:.2f}"
        yield Check("GPU memory", "bad", f"{said}, the budget is {gib(response.memory.budget):.1f}{held}", cure)
    else:
        yield Check("GPU memory", "ok", f"{said}, the budget is {gib(response.memory.budget):.1f}")


def _plan(response: PlanResponse) -> Iterator[Check]:
    report = response.feasibility
    if report.fits:
        yield Check("plan", "ok" if report.oom_risk != "high" else "warn", report.verdict)
    else:
        best = report.suggestions[0].title if report.suggestions else "a smaller model or a larger GPU"
        starts = report.verdict.startswith("Starts")
        yield Check("plan", "warn" if starts else "bad", report.verdict, best)


def _disk(machine: Machine, response: PlanResponse) -> Iterator[Check]:
    deployment = response.config.deployment
    if deployment.model_is_local:
        return
    total = deployment.download_bytes
    missing = max(0, total - machine.downloaded_bytes) if total else None
    free = machine.cache_free_bytes
    if missing == 0:
        yield Check("disk", "ok", f"the model is in {machine.cache}")
    elif missing is None or free is None:
        said = f"{gib(free or 0):,.0f} GiB free for {machine.cache}; the download's size is not known"
        yield Check("disk", "ok", said)
    elif free < missing + DISK_SLACK:
        cure = "free some space, or set HF_HOME to a larger disk"
        said = f"{gib(missing):,.1f} GiB are still to be downloaded, and {machine.cache} has {gib(free):,.1f} free"
        yield Check("disk", "bad", said, cure)
    else:
        yield Check("disk", "ok", f"{gib(missing):,.1f} GiB to download, {gib(free):,.0f} GiB free for {machine.cache}")


def _hub(machine: Machine, response: PlanResponse) -> Iterator[Check]:
    if machine.hub_problem is None:
        return
    total = response.config.deployment.download_bytes
    if not machine.hub_problem:
        yield Check("Hub", "ok", "the repository can be downloaded with this machine's token or without one")
    elif total and machine.downloaded_bytes >= total:
        cure = "it is on this disk: set HF_HUB_OFFLINE=1, so that vLLM does not ask"
        yield Check("Hub", "warn", machine.hub_problem, cure)
    else:
        # the sentence itself names the cure
        yield Check("Hub", "bad", machine.hub_problem)


def _ports(machine: Machine, response: PlanResponse) -> Iterator[Check]:
    port = response.config.port or 8000
    if machine.port_taken:
        cure = f"stop what listens there, or set port to {machine.free_port or 'another one'}"
        yield Check("port", "bad", f"{response.config.host}:{port} is in use or not ours", cure)
    else:
        yield Check("port", "ok", f"{port} is free")


def _host_memory(machine: Machine) -> Iterator[Check]:
    available = machine.ram_available_bytes
    if available is None:
        return
    if available < LEAST_RAM:
        cure = "end other programs, or give the container more memory: the system kills what loads beyond it"
        yield Check("RAM", "warn", f"{gib(available):.1f} GiB are available to load the weights through", cure)
    else:
        yield Check("RAM", "ok", f"{gib(available):,.0f} GiB available")


def _shared_memory(machine: Machine, response: PlanResponse, way: Way) -> Iterator[Check]:
    several = response.config.deployment.gpu_count > 1
    if way.in_container or not several or machine.shm_bytes is None:
        return
    if machine.shm_bytes < LEAST_SHM:
        cure = "start this container with --ipc host or --shm-size 16g"
        yield Check("shared memory", "bad", f"{gib(machine.shm_bytes):.2f} GiB, too little for several GPUs", cure)
    else:
        yield Check("shared memory", "ok", f"{gib(machine.shm_bytes):,.1f} GiB")


def _limits(machine: Machine) -> Iterator[Check]:
    for name, most, least, cure in (
        ("open files", machine.open_files, LEAST_OPEN_FILES, "ulimit -n 65536, or LimitNOFILE of its unit"),
        ("processes", machine.processes, LEAST_PROCESSES, "ulimit -u 65536: each GPU's worker starts many threads"),
    ):
        if most is not None and 0 <= most < least:
            yield Check(name, "warn", f"{most} at most", cure)
        elif most is not None:
            yield Check(name, "ok", "no limit" if most < 0 else f"{most:,} at most")


def _clock(machine: Machine) -> Iterator[Check]:
    if machine.clock_ahead_s is None:
        return
    if abs(machine.clock_ahead_s) > MOST_CLOCK_S:
        ahead = "ahead" if machine.clock_ahead_s > 0 else "behind"
        cure = "set it (timedatectl set-ntp true): certificates and tokens fail"
        yield Check("clock", "warn", f"{abs(machine.clock_ahead_s) / 60:,.0f} min {ahead} of the Hub's", cure)
    else:
        yield Check("clock", "ok", "agrees with the Hub's")


def _persistence(machine: Machine) -> Iterator[Check]:
    gpus = machine.detection.gpus
    if gpus and any(gpu.persistence_mode is False for gpu in gpus):
        cure = "sudo nvidia-smi -pm 1: else the driver unloads in between, and each start waits for it"
        yield Check("persistence", "warn", "the driver's persistence mode is off", cure)


def _is_cpu_build(machine: Machine, way: Way) -> bool:
    return not way.in_container and "cpu" in (machine.vllm_version or "").partition("+")[2]
