"""Would it start here and now? One line for each thing that often does not, with its cure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from wizard_tui.engine.versions import release_of
from wizard_tui.launch.machine import Machine
from wizard_tui.schemas.numbers import GIB, gib
from wizard_tui.schemas.outputs import PlanResponse

State = Literal["ok", "warn", "bad"]

# oldest driver for each major version of CUDA: https://docs.nvidia.com/deploy/cuda-compatibility/
OLDEST_DRIVER = {12: 525, 13: 580}
# vLLM's wheels are built with CUDA 12.9 (docs/getting_started/installation/gpu.cuda.inc.md), whose own driver is 575;
# older ones of the same major version run it, but compile no kernels of it
WHEEL_CUDA, WHEEL_DRIVER = 12, 575
LEAST_SHM = 1 * GIB
LEAST_OPEN_FILES = 4096
MOST_CLOCK_S = 300.0
DISK_SLACK = 2 * GIB
LEAST_RAM = 4 * GIB


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, how it is, what was found, and the cure where something is wrong."""

    name: str
    state: State
    found: str
    cure: str = ""


def would_stop(checks: list[Check]) -> bool:
    """Whether something would keep the server from starting."""
    return any(check.state == "bad" for check in checks)


def preflight(machine: Machine, response: PlanResponse | None = None, way: str = "process") -> list[Check]:
    """Every check that applies, in the order in which a start would meet them."""
    checks = [*_driver(machine, response), *_engine(machine, response, way)]
    if response is not None:
        checks += [*_memory(machine, response), *_plan(response), *_disk(machine, response), *_hub(machine)]
        checks += [*_ports(machine, response), *_host_memory(machine), *_shared_memory(machine, response, way)]
    return [*checks, *_limits(machine), *_clock(machine), *_persistence(machine)]


def _driver(machine: Machine, response: PlanResponse | None) -> Iterator[Check]:
    found = machine.detection
    if _is_cpu_build(machine):
        yield Check("GPU", "ok", f"not needed: vLLM {machine.vllm_version} is a build for the CPU")
        return
    if not found.gpus:
        problem = found.problems[0] if found.problems else "no GPU was found"
        yield Check("GPU", "bad", problem, "start the server on a machine with a GPU that vLLM runs on")
        return
    wanted = response.config.deployment.gpu_count if response is not None else 1
    names = ", ".join(sorted({gpu.name for gpu in found.gpus}))
    if len(found.gpus) < wanted:
        said = f"{len(found.gpus)} x {names}, and the plan takes {wanted}"
        yield Check("GPU", "bad", said, "plan for those there are")
    else:
        yield Check("GPU", "ok", f"{len(found.gpus)} x {names}")
    driver = found.driver_version
    if driver is None or found.gpus[0].vendor != "nvidia":
        return
    major = int(driver.partition(".")[0]) if driver.partition(".")[0].isdigit() else 0
    said = f"driver {driver}, CUDA {found.cuda_version or 'unknown'}"
    if major < OLDEST_DRIVER[WHEEL_CUDA]:
        cure = f"update the NVIDIA driver to {WHEEL_DRIVER} or newer"
        yield Check("driver", "bad", f"{said}: too old for CUDA {WHEEL_CUDA}, which vLLM is built with", cure)
    elif major < WHEEL_DRIVER:
        cure = f"if kernels fail to compile, update it to {WHEEL_DRIVER} or newer"
        yield Check("driver", "warn", f"{said}: older than vLLM's CUDA, which it runs within limits", cure)
    else:
        yield Check("driver", "ok", said)


def _engine(machine: Machine, response: PlanResponse | None, way: str) -> Iterator[Check]:
    planned = response.config.deployment.vllm_version if response is not None else None
    if way in ("docker", "compose"):
        yield from _docker(machine, response)
        return
    if machine.vllm_path is None:
        cure = "pip install vllm in an environment of its own and activate it, or start it with docker"
        yield Check("vLLM", "bad", "vllm is not on the PATH", cure)
    elif machine.vllm_version is None:
        yield Check("vLLM", "warn", f"{machine.vllm_path} does not tell its version", "plan with the version you have")
    elif planned is not None and release_of(machine.vllm_version)[:2] != release_of(planned)[:2]:
        cure = f"plan for it: set vllm_version to {machine.vllm_version.partition('+')[0]}"
        yield Check("vLLM", "warn", f"{machine.vllm_version} is installed, the plan is for {planned}", cure)
    else:
        yield Check("vLLM", "ok", f"{machine.vllm_version} at {machine.vllm_path}")
    if machine.user_services is False:
        cure = "log in with a session bus (not through sudo), or start it as a process"
        yield Check("systemd", "bad", "no user services run here", cure)


def _docker(machine: Machine, response: PlanResponse | None) -> Iterator[Check]:
    if machine.docker is None:
        cure = "install and start docker, join its group, or start vLLM as a process"
        yield Check("docker", "bad", machine.docker_problem or "no docker daemon answers", cure)
        return
    yield Check("docker", "ok", f"daemon {machine.docker}")
    vendor = response.config.deployment.gpu_vendor if response is not None else "nvidia"
    if vendor == "nvidia" and not {"nvidia", "nvidia-cdi"} & set(machine.docker_runtimes):
        cure = "install the NVIDIA Container Toolkit, run `nvidia-ctk runtime configure`, restart docker"
        yield Check("GPU in docker", "warn", "docker knows no NVIDIA runtime", cure)
    if machine.image_present is not None and response is not None:
        image = response.config.deployment.image
        here = "is here" if machine.image_present else "is pulled first, some 10 GB"
        yield Check("image", "ok", f"{image} {here}")


def _memory(machine: Machine, response: PlanResponse) -> Iterator[Check]:
    if _is_cpu_build(machine):
        return
    for gpu in machine.detection.gpus[: response.config.deployment.gpu_count]:
        free = gpu.total_bytes - gpu.used_bytes
        if free < response.memory.budget:
            held = f" by {', '.join(gpu.holders)}" if gpu.holders else ""
            share = max(0.05, int(100 * free / gpu.total_bytes - 1) / 100)
            cure = f"end what holds it{held}, or set gpu_memory_utilization to {share:.2f}"
            said = f"GPU {gpu.index}: {gib(free):.1f} GiB are free, the budget is {gib(response.memory.budget):.1f}"
            yield Check("GPU memory", "bad", said, cure)
            return
    if machine.detection.gpus:
        yield Check("GPU memory", "ok", f"room for the budget of {gib(response.memory.budget):.1f} GiB on each GPU")


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


def _hub(machine: Machine) -> Iterator[Check]:
    if machine.hub_problem:
        yield Check("Hub", "bad", machine.hub_problem, "")
    elif machine.hub_problem is not None:
        yield Check("Hub", "ok", "the repository can be downloaded with this machine's token or without one")


def _ports(machine: Machine, response: PlanResponse) -> Iterator[Check]:
    port = response.config.port or 8000
    if machine.port_taken:
        cure = "stop what listens there, or set port to another one"
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


def _shared_memory(machine: Machine, response: PlanResponse, way: str) -> Iterator[Check]:
    several = response.config.deployment.gpu_count > 1
    if way in ("docker", "compose") or not several or machine.shm_bytes is None:
        return
    if machine.shm_bytes < LEAST_SHM:
        cure = "start this container with --ipc host or --shm-size 16g"
        yield Check("shared memory", "bad", f"{gib(machine.shm_bytes):.2f} GiB, too little for several GPUs", cure)
    else:
        yield Check("shared memory", "ok", f"{gib(machine.shm_bytes):,.1f} GiB")


def _limits(machine: Machine) -> Iterator[Check]:
    if machine.open_files is None:
        return
    if 0 <= machine.open_files < LEAST_OPEN_FILES:
        cure = "ulimit -n 65536, or LimitNOFILE of its unit"
        yield Check("open files", "warn", f"{machine.open_files} at most", cure)
    else:
        yield Check("open files", "ok", "no limit" if machine.open_files < 0 else f"{machine.open_files:,} at most")


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


def _is_cpu_build(machine: Machine) -> bool:
    return "cpu" in (machine.vllm_version or "").partition("+")[2]
