"""Drivers that fail at any call, or answer nonsense: what they tell of is still shown, and the rest is one sentence."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import asdict
from types import ModuleType, SimpleNamespace
from typing import Any

import pynvml
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hardware.conftest import MACHINES, Machine, amdsmi_module, nvml_module
from tests.planning.conftest import facts, request
from wizard_tui.hardware.gpu import Detection
from wizard_tui.planning.planner import plan
from wizard_tui.resolver import Facts, resolve_gpus
from wizard_tui.schemas.inputs import HardwareInput

RECORDS = {name: json.loads((MACHINES / f"{name}.json").read_text()) for name in ("h100-x8", "a100-mig", "gb10", "t4")}
AMD = json.loads((MACHINES / "mi300x-x8.json").read_text())
T4 = nvml_module(RECORDS["t4"])
NVML_CALLS = sorted(name for name, value in vars(T4).items() if name.startswith("nvml") and callable(value))
NVML_CALLS = [name for name in NVML_CALLS if not name.lower().startswith(("nvmlerror", "nvmlmem"))]
AMD_CALLS = sorted(name for name in dir(amdsmi_module(AMD)) if name.startswith("amdsmi_"))
NONSENSE: tuple[Any, ...] = (
    None, -1, 0, 1 << 63, -(1 << 63), 3.7, math.nan, math.inf, "", "nonsense", b"\xff\xfe", "\x1b[31mred\n", True, [],
    (), {}, [None], (None, None), ("a", "b"), (-1, -1), object(), SimpleNamespace(),
    SimpleNamespace(total=-1, used=-5), SimpleNamespace(total=None, used=None), SimpleNamespace(total="x", used=[]),
    SimpleNamespace(total=0, used=0), SimpleNamespace(total=1 << 70, used=1 << 71),
    SimpleNamespace(total=1 << 34, used=1 << 35), SimpleNamespace(busId=None), SimpleNamespace(busId=b"\xff/../../etc"),
    [SimpleNamespace(pid=-1, usedGpuMemory=-1)], [SimpleNamespace(pid="x", usedGpuMemory=None)],
    {"market_name": None}, {"market_name": 7, "target_graphics_version": []}, {"type": "x"}, {"type": 2, "hops": None},
    [{"pid": None}], [{"memory_usage": 3, "pid": 1}], {"driver_version": 5},
)  # fmt: skip
SMALL = settings(max_examples=120, deadline=None, derandomize=True, database=None,
                 suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip


def answering(module: ModuleType, name: str, answer: Callable[..., Any]) -> ModuleType:
    setattr(module, name, answer)
    return module


def sound(found: Detection) -> None:
    """Whatever was told: it can be shown, written as JSON and planned with."""
    for problem in found.problems:
        assert problem
        assert "\n" not in problem
        assert problem.isprintable(), problem
        assert len(problem) < 400, problem
    assert found.gpus or found.problems, "nothing is there, and nobody says why"
    for gpu in found.gpus:
        assert isinstance(gpu.name, str)
        assert gpu.name.isprintable()
        assert type(gpu.total_bytes) is int and type(gpu.used_bytes) is int
        assert 0 <= gpu.used_bytes <= max(gpu.total_bytes, gpu.used_bytes)
        assert 0 <= gpu.total_bytes < 1 << 50
        assert all(holder.isprintable() for holder in gpu.holders)
        assert gpu.uuid is None or isinstance(gpu.uuid, str)
        assert gpu.bandwidth_gb_s is None or 0 < gpu.bandwidth_gb_s < math.inf
        assert gpu.compute_capability is None or all(type(part) is int for part in gpu.compute_capability)
    json.dumps(asdict(found), allow_nan=False)
    if found.gpus:
        try:
            known = Facts(facts().metadata, resolve_gpus(HardwareInput(), found.gpus))
            plan(request(), known).model_dump_json()
        except ValueError as error:
            assert "is not known; give it with vram_gb" in str(error)


@pytest.mark.parametrize("name", NVML_CALLS)
@pytest.mark.parametrize("record", ["h100-x8", "a100-mig"])
def test_nvml_fails_at_any_call(machine: Machine, record: str, name: str) -> None:
    codes = (pynvml.NVML_ERROR_UNKNOWN, pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_TIMEOUT, 12345)
    for error in (*(pynvml.NVMLError(code) for code in codes), pynvml.NVMLError_FunctionNotFound()):
        machine.modules(pynvml=nvml_module(RECORDS[record], {name: error}))
        sound(machine.detect())


@pytest.mark.parametrize(
    "error",
    [OSError("libnvidia-ml.so.1"), AttributeError("no such symbol"), RuntimeError("\x1b[31m\nx"), ValueError(),
     KeyError("x"), MemoryError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")],
)  # fmt: skip
def test_a_library_that_is_broken_fails_in_its_own_way(machine: Machine, error: Exception) -> None:
    for name in NVML_CALLS[::4]:
        machine.modules(pynvml=nvml_module(RECORDS["t4"], {name: error}))
        sound(machine.detect())


@SMALL
@given(
    st.sampled_from(sorted(RECORDS)),
    st.dictionaries(st.sampled_from(NVML_CALLS), st.sampled_from(NONSENSE), min_size=1, max_size=4),
)
def test_nvml_answers_nonsense(machine: Machine, record: str, answers: dict[str, Any]) -> None:
    module = nvml_module(RECORDS[record])
    for name, answer in answers.items():
        answering(module, name, lambda *_args, answer=answer: answer)
    machine.modules(pynvml=module)
    sound(machine.detect())


@SMALL
@given(st.dictionaries(st.sampled_from(AMD_CALLS), st.sampled_from(NONSENSE), min_size=1, max_size=4), st.booleans())
def test_amdsmi_answers_nonsense(machine: Machine, answers: dict[str, Any], raises: bool) -> None:
    machine.on_bus("0x1002", "0x120000")
    module = amdsmi_module(AMD, [next(iter(answers))] if raises else ())
    for name, answer in itertools.islice(answers.items(), int(raises), None):
        answering(module, name, lambda *_args, answer=answer: answer)
    machine.modules(amdsmi=module)
    sound(machine.detect())


@pytest.mark.parametrize("name", AMD_CALLS)
def test_amdsmi_fails_at_any_call(machine: Machine, name: str) -> None:
    machine.on_bus("0x1002", "0x120000")
    machine.modules(amdsmi=amdsmi_module(AMD, [name.removeprefix("amdsmi_")]))
    sound(machine.detect())
