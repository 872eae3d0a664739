"""Would it start? Every check, good and bad, with its cure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.launch.conftest import planned
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.gpu import Detection
from wizard_tui.launch.checks import Check
from wizard_tui.launch.machine import Machine
from wizard_tui.launch.preflight import preflight, would_stop
from wizard_tui.launch.ways import WAYS
from wizard_tui.schemas.outputs import PlanResponse

GIB = 1 << 30
H100 = replace(get_gpu_by_name("H100 80GB"), index=0, persistence_mode=True)
GOOD = Machine(
    detection=Detection(gpus=(H100,), driver_version="580.95.05", cuda_version="13.0"),
    vllm_path="/opt/vllm/bin/vllm",
    vllm_version="0.33.0",
    docker="28.1",
    docker_runtimes=("nvidia", "runc"),
    image_present=True,
    user_services=True,
    cache="/data/hub",
    cache_free_bytes=500 * GIB,
    shm_bytes=64 * GIB,
    port_taken=False,
    hub_problem="",
    clock_ahead_s=1.0,
    ram_available_bytes=100 * GIB,
    open_files=1 << 20,
    processes=1 << 17,
)


def checked(response: PlanResponse | None = None, way: str = "process", **changes: Any) -> dict[str, Check]:
    return {check.name: check for check in preflight(replace(GOOD, **changes), response, way)}


@pytest.fixture
def response() -> PlanResponse:
    return planned(8000)[0]


def test_a_good_machine_stops_no_way_to_start(response: PlanResponse) -> None:
    for way in WAYS:
        checks = checked(response, way)
        assert {check.state for check in checks.values()} == {"ok"}
        assert not would_stop(list(checks.values()))


def detection(**changes: Any) -> dict[str, Any]:
    return {"detection": replace(GOOD.detection, **changes)}


@pytest.mark.parametrize(
    ("changes", "way", "name", "state", "said"),
    [
        (detection(gpus=(), problems=("no driver is installed here",)), "process", "GPU", "bad", "no driver"),
        (detection(driver_version="470.1"), "process", "driver", "bad", "built with 13.0"),
        (detection(driver_version="575.57"), "process", "driver", "bad", "0.33.0 is built with 13.0"),
        (detection(driver_version="575.57"), "docker", "driver", "bad", "0.33.0 is built with 13.0"),
        ({**detection(driver_version="535.2"), "vllm_version": "0.19.1"}, "process", "driver", "warn", "with 12.9"),
        ({**detection(driver_version="470.1"), "vllm_version": "0.6.6"}, "process", "driver", "bad", "with 12.1"),
        (detection(gpus=(replace(H100, persistence_mode=False),)), "process", "persistence", "warn", "off"),
        (
            detection(gpus=(replace(H100, used_bytes=60 * GIB, holders=("python (pid 7)",)),)),
            "process", "GPU memory", "bad", "19.2 of 79.2 GiB are free on GPU 0, the budget is",
        ),
        ({"vllm_path": None}, "process", "vLLM", "bad", "not on the PATH"),
        ({"vllm_version": "0.20.0"}, "process", "vLLM", "warn", "plan is for 0.33.0"),
        ({"vllm_version": None}, "process", "vLLM", "warn", "does not tell"),
        ({"docker": None, "docker_problem": "permission denied"}, "docker", "docker", "bad", "permission denied"),
        ({"docker_runtimes": ("runc",)}, "docker", "GPU in docker", "warn", "no NVIDIA runtime"),
        ({"user_services": False}, "systemd", "systemd", "bad", "no user services"),
        ({"port_taken": True, "free_port": 8001}, "process", "port", "bad", "in use"),
        ({"hub_problem": "test/llama-8b is gated; accept its licence"}, "process", "Hub", "bad", "gated"),
        ({"ram_available_bytes": 1 * GIB}, "process", "RAM", "warn", "1.0 GiB"),
        ({"open_files": 1024}, "process", "open files", "warn", "1024"),
        ({"processes": 512}, "process", "processes", "warn", "512"),
        ({"clock_ahead_s": -900.0}, "process", "clock", "warn", "15 min behind"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_cure(
    response: PlanResponse, changes: dict[str, Any], way: str, name: str, state: str, said: str
) -> None:
    check = checked(response, way, **changes)[name]
    assert check.state == state
    assert said in check.found
    assert check.cure or name == "Hub"


def test_an_older_driver_runs_the_build_for_its_cuda(response: PlanResponse) -> None:
    assert "suffix cu129" in checked(response, **detection(driver_version="550.54"))["driver"].cure
    assert "suffix" not in checked(response, **detection(driver_version="470.1"))["driver"].cure
    older = checked(response, vllm_version="0.33.0+cu129", **detection(driver_version="575.57"))["driver"]
    assert (older.state, older.cure) == ("ok", "")
    # the installed build does not count for the image
    assert (
        checked(response, "docker", vllm_version="0.33.0+cu129", **detection(driver_version="575.57"))["driver"].state
        == "bad"
    )


def test_the_memory_of_the_chosen_gpus_counts() -> None:
    full = replace(H100, index=0, used_bytes=70 * GIB, holders=("python (pid 7)",))
    both = detection(gpus=(full, replace(H100, index=1)))
    first, second = (
        planned(8000, gpus=(replace(H100, index=index),), hardware={"gpu": "auto", "indices": [index]})[0]
        for index in (0, 1)
    )
    check = checked(first, **both)["GPU memory"]
    assert check.state == "bad"
    assert "held by python (pid 7)" in check.found
    assert checked(second, **both)["GPU memory"].state == "ok"
    assert checked(second, **detection(gpus=(full,)))["GPU"].state == "bad"
    # without a plan it is reported all the same
    assert "held by python (pid 7)" in checked(None, **both)["GPU memory"].found


def test_a_hub_out_of_reach_matters_less_for_a_model_that_is_here() -> None:
    response, _ = planned(8000)
    deployment = response.config.deployment.model_copy(update={"download_bytes": 16 * GIB})
    response = response.model_copy(update={"config": response.config.model_copy(update={"deployment": deployment})})
    assert checked(response, hub_problem="the Hub cannot be reached")["Hub"].state == "bad"
    there = checked(response, hub_problem="the Hub cannot be reached", downloaded_bytes=16 * GIB)["Hub"]
    assert there.state == "warn"
    assert "HF_HUB_OFFLINE=1" in there.cure


def test_a_full_disk_stops_a_download() -> None:
    response, _ = planned(8000)
    deployment = response.config.deployment.model_copy(update={"download_bytes": 16 * GIB})
    response = response.model_copy(update={"config": response.config.model_copy(update={"deployment": deployment})})
    assert checked(response, cache_free_bytes=10 * GIB)["disk"].state == "bad"
    assert checked(response, cache_free_bytes=10 * GIB, downloaded_bytes=9 * GIB)["disk"].state == "ok"
    assert "is in /data/hub" in checked(response, downloaded_bytes=16 * GIB)["disk"].found


def test_several_gpus_need_shared_memory_and_to_be_there() -> None:
    response, _ = planned(8000, hardware={"tensor_parallel_size": 2})
    deployment = response.config.deployment.model_copy(update={"gpu_count": 2})
    response = response.model_copy(update={"config": response.config.model_copy(update={"deployment": deployment})})
    assert checked(response)["GPU"].state == "bad"
    both = detection(gpus=(H100, replace(H100, index=1)))
    assert checked(response, shm_bytes=64 << 20, **both)["shared memory"].state == "bad"
    assert checked(response, **both)["shared memory"].state == "ok"
    # a container gets --ipc host
    assert "shared memory" not in checked(response, "docker", shm_bytes=64 << 20, **both)


def test_a_plan_that_does_not_fit_is_told_before_it_is_tried() -> None:
    response, _ = planned(8000, model={"max_model_len": 131072}, policy={"gpu_memory_utilization": 0.2})
    check = checked(response)["plan"]
    assert check.state == "bad"
    assert check.cure


def test_a_build_for_the_cpu_needs_no_gpu(response: PlanResponse) -> None:
    checks = checked(response, vllm_version="0.33.0+cpu", **detection(gpus=()))
    assert checks["GPU"].state == "ok"
    assert "GPU memory" not in checks


def test_without_a_plan_the_machine_alone_is_looked_at() -> None:
    assert {"GPU", "driver", "vLLM", "open files"} <= set(checked())
    assert not {"port", "disk", "plan"} & set(checked())
