"""A plan against its neighbours: more memory is never worse, and suggestions deliver what they promise.

`EXAMPLES=3000 pytest tests/planning/test_sanity.py` draws that many for each property, different ones each time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.planning.conftest import VERSION, request
from tests.planning.drawn import GPUS, MODELS, maybe, metadata_of, refused, requests
from wizard_tui.engine.versions import rules_for
from wizard_tui.errors import Refusal
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.gpu import GPU
from wizard_tui.models.load import load_model_metadata
from wizard_tui.planning.alternatives import alternatives
from wizard_tui.planning.decide import batch_limits, context_at_concurrency, decide, layouts, smallest
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.estimate import requests_that_fit
from wizard_tui.planning.planner import plan
from wizard_tui.planning.suggest import patched, suggestions
from wizard_tui.resolver import Facts, resolve_gpus
from wizard_tui.schemas.inputs import HardwareInput, PlanRequest
from wizard_tui.schemas.numbers import gib


def drawing(examples: int) -> settings:
    return settings(
        max_examples=int(os.environ.get("EXAMPLES", examples)),
        derandomize="EXAMPLES" not in os.environ,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


# realistic requests: no box could serve most of drawn.requests()
ORDINARY = st.fixed_dictionaries(
    {
        "model": st.fixed_dictionaries({"model": st.sampled_from((*MODELS, "deepseek-ai/DeepSeek-V2-Lite"))}),
        "hardware": st.fixed_dictionaries(
            {
                "gpu": st.sampled_from(GPUS),
                "gpus": st.sampled_from((8, 4, 2, 1, 3)),
                "vram_gb": st.sampled_from((16, 32, 48, 80, 141)),
            },
            optional={
                "nodes": st.sampled_from((1, 2)),
                "tensor_parallel_size": st.sampled_from((1, 2)),
                "pipeline_parallel_size": st.sampled_from((1, 2)),
                "data_parallel_size": st.sampled_from((1, 2, 4)),
                "enable_expert_parallel": st.booleans(),
            },
        ),
        "workload": st.fixed_dictionaries(
            {"concurrency": st.sampled_from((1, 1, 4, 16, 64, 256))},
            optional={
                "prompt_tokens": st.sampled_from((100, 4000, 16_000)),
                "gen_tokens": st.sampled_from((100, 1000)),
                "shared_prefix_tokens": st.sampled_from((0, 90, 3000)),
                "target_ttft_ms": st.sampled_from((100, 500, 2000)),
                "target_tpot_ms": st.sampled_from((10, 20, 50)),
                "batching_mode": st.sampled_from(("balanced", "latency", "throughput")),
            },
        ),
        "policy": st.fixed_dictionaries(
            {},
            optional={
                "gpu_memory_utilization": st.sampled_from((0.5, 0.9, 0.95)),
                "headroom_gb": st.sampled_from((0, 1)),
                "fragmentation_factor": st.sampled_from((1.0, 1.3)),
                "vllm_version": maybe(st.sampled_from(("0.24.0", "0.29.0"))),
            },
        ),
    }
)


@st.composite
def ordinary(draw: st.DrawFn) -> tuple[PlanRequest, Facts]:
    asked = PlanRequest.model_validate(draw(ORDINARY))
    return asked, Facts(metadata_of(asked), resolve_gpus(asked.hardware))


def known(drawn: tuple[PlanRequest, Facts | str]) -> tuple[PlanRequest, Facts]:
    """Without the requests that are refused."""
    asked, box = drawn
    assume(not isinstance(box, str))
    assert not isinstance(box, str)
    try:
        decide(asked, box)
    except Refusal as error:
        refused(asked, error)
        assume(False)
    return asked, box


class Got(NamedTuple):
    """What a plan gives: is it no worse than another?"""

    verdict: tuple[bool, bool, bool, int]
    length: int
    context: int
    tokens: int
    requests: int


def got(decision: Decision) -> Got:
    """The verdict, from the one that matters most, and the figures of the whole server."""
    result, request = decision.estimate, decision.request
    missed = len(decision.missed) if decision.fits else 0
    return Got(
        (decision.fits, decision.fits and not result.tight, result.starts, -missed),
        result.settings.max_model_len,
        context_at_concurrency(decision),
        result.cache.tokens * result.settings.layout.dp,
        requests_that_fit(result, request.workload, request.policy),
    )


def whole_context(decision: Decision) -> int:
    limit = decision.facts.metadata.max_position_embeddings
    return min(limit, decision.request.model.max_model_len or limit)


def with_batches_of(asked: PlanRequest, box: Facts) -> PlanRequest:
    """The request with the batch settings that vLLM takes by itself on this box: on a card of 70 GiB or more it takes
    larger ones, whose activations cost memory."""
    length = asked.model.max_model_len or box.metadata.max_position_embeddings
    mode = {"latency": "interactivity"}.get(asked.workload.batching_mode, asked.workload.batching_mode)
    tokens, sequences = batch_limits(
        smallest(box.gpus), length, asked.policy, mode, rules_for(asked.policy.vllm_version)
    )
    return patched(asked, {"policy": {"max_num_batched_tokens": tokens, "max_num_seqs": sequences}})


def is_no_worse(asked: PlanRequest, box: Facts, larger: Facts) -> None:
    small, large = (with_batches_of(asked, one).policy for one in (box, larger))
    if small != large:
        asked = with_batches_of(asked, box)
    before, after = decide(asked, box), decide(asked, larger)
    had, has = got(before), got(after)
    assert has.verdict >= had.verdict
    layout = before.estimate.settings.layout
    # stages within one machine are used when nothing else does what was asked, and dropped when something does
    asked_for = max(asked.hardware.nodes, asked.hardware.pipeline_parallel_size or 1)
    if not before.estimate.starts or layout.pp > asked_for:
        return
    assert has.length >= had.length
    assert has.context >= had.context
    if has.context < whole_context(after):
        assert has.tokens >= had.tokens
        assert has.requests >= had.requests
    else:
        # all users have the whole context: then the plan may free a GPU
        assert has.requests >= min(had.requests, asked.workload.concurrency)


def ladder(box: Facts, factors: Iterable[float]) -> Iterator[Facts]:
    """The same cards with multiples of their memory, from the smallest to the largest."""
    for factor in factors:
        gpus = (replace(gpu, total_bytes=int(gpu.total_bytes * factor)) for gpu in box.gpus)
        yield replace(box, gpus=tuple(gpus))


def freed(box: Facts) -> Iterator[Facts]:
    """The same cards, of which others hold less and less: from nine tenths to nothing."""
    for tenths in range(9, -1, -1):
        gpus = (replace(gpu, used_bytes=gpu.total_bytes * tenths // 10) for gpu in box.gpus)
        yield replace(box, gpus=tuple(gpus))


FACTORS = [1.08**step for step in range(-20, 21)]


@drawing(100)
@given(ordinary(), st.floats(1.0, 1.08))
def test_more_memory_gives_no_worse_a_plan(drawn: tuple[PlanRequest, Facts], start: float) -> None:
    asked, box = known(drawn)
    for before, after in pairwise(ladder(box, [start * factor for factor in FACTORS])):
        is_no_worse(asked, before, after)


@drawing(40)
@given(ordinary())
def test_memory_that_others_give_back_gives_no_worse_a_plan(drawn: tuple[PlanRequest, Facts]) -> None:
    asked, box = known(drawn)
    for before, after in pairwise(freed(box)):
        is_no_worse(asked, before, after)


@drawing(40)
@given(requests(), st.integers(1, 1 << 35))
def test_more_memory_gives_no_worse_a_plan_whatever_is_asked(drawn: tuple[PlanRequest, Facts | str], more: int) -> None:
    asked, box = known(drawn)
    gpus = tuple(replace(gpu, total_bytes=gpu.total_bytes + more) for gpu in box.gpus)
    is_no_worse(asked, box, replace(box, gpus=gpus))


def cards(name: str, count: int) -> tuple[GPU, ...]:
    return (get_gpu_by_name(name),) * count


# counterexamples that were found, each with its subject
@pytest.mark.parametrize(
    ("model", "gpu", "gpus", "concurrency", "hardware", "sizes"),
    [
        # one card holds the workload and two give each of the 64 users more
        ("deepseek-ai/DeepSeek-V2-Lite", "V100", 8, 64, {}, (32, 40)),
        ("deepseek-ai/DeepSeek-V3.1", "A40", 8, 16, {}, (177, 193)),
        # one card holds the weights and a context of 11,264 tokens, two hold all 131,072
        ("llama-70b", "A100 80GB", 8, 4, {}, (138.65, 154.65)),
        # with copies, whose share of the users is smaller
        ("llama-70b", "RTX 2080 Ti", 8, 4, {"data_parallel_size": 2}, (149, 159)),
        # on cards of which some are held by others
        ("google/gemma-3-27b-it", "V100S", 4, 16, {"used_gib": 8}, (72, 76)),
    ],
)
def test_a_layout_of_fewer_cards_takes_nothing_from_the_users(
    model: str, gpu: str, gpus: int, concurrency: int, hardware: dict[str, Any], sizes: tuple[float, float]
) -> None:
    small, large = (
        PlanRequest.model_validate(
            {
                "model": {"model": model},
                "hardware": {"gpu": gpu, "gpus": gpus, "vram_gb": size, **hardware},
                "workload": {"concurrency": concurrency},
            }
        )
        for size in sizes
    )
    boxes = [Facts(metadata_of(asked), resolve_gpus(asked.hardware)) for asked in (small, large)]
    assert decide(small, boxes[0]).fits
    is_no_worse(small, *boxes)


def test_the_longest_context_for_all_the_users_takes_as_many_gpus_as_it_needs() -> None:
    """DeepSeek-V2-Lite keeps 31,104 bytes a token on each GPU: a request of 163,840 tokens takes 4.75 GiB."""
    box = Facts(load_model_metadata("deepseek-ai/DeepSeek-V2-Lite"), cards("H100 80GB", 8), VERSION)

    def layout(concurrency: int, **model: int) -> tuple[int, int]:
        asked = request(model=model, workload={"concurrency": concurrency})
        found = decide(asked, box)
        return found.estimate.settings.layout.gpus, context_at_concurrency(found)

    assert layout(1) == (1, 163840)
    assert layout(8) == (1, 163840)
    assert layout(11) == (2, 163840)
    # eight cards give more of what one cannot give to all; a requested length is enough where all have it
    assert layout(64)[0] == 8
    assert layout(64, max_model_len=4096) == (1, 4096)


def test_copies_leave_the_sizes_that_experts_can_be_split_into() -> None:
    """An expert of 768 in fp8 blocks of 128: two copies of TP 2 would cut it into four of 192."""
    metadata = load_model_metadata("Qwen/Qwen3-30B-A3B-Instruct-2507-FP8")

    def tried(gpus: int, **hardware: Any) -> list[str]:
        return [str(layout) for layout in layouts(HardwareInput(**hardware), metadata, gpus)]

    assert tried(4, data_parallel_size=2) == ["TP 1 x DP 2", "TP 1 x PP 2 x DP 2"]
    whole = {"data_parallel_size": 2, "enable_expert_parallel": True}
    assert tried(4, **whole)[:2] == ["TP 1 x DP 2 x EP", "TP 2 x DP 2 x EP"]
    # where no size is legal, the chosen one says why
    assert tried(5, data_parallel_size=5) == ["TP 1 x DP 5"]
    workload = {"concurrency": 64, "prompt_tokens": 8000}
    found = decide(
        request(hardware={"data_parallel_size": 2}, workload=workload), Facts(metadata, cards("RTX 4090", 8), VERSION)
    )
    assert found.fits
    assert str(found.estimate.settings.layout) == "TP 1 x PP 3 x DP 2"


def test_stages_in_one_machine_are_for_what_was_asked_and_not_for_more_context() -> None:
    """Latent vectors are whole on every card of TP 4, and in quarters in four stages."""
    box = Facts(load_model_metadata("deepseek-ai/DeepSeek-V2-Lite"), cards("RTX 4090", 4), VERSION)

    def layout(prompt: int, **hardware: int) -> str:
        asked = request(workload={"concurrency": 64, "prompt_tokens": prompt}, hardware=hardware)
        return str(decide(asked, box).estimate.settings.layout)

    assert layout(512) == "TP 4"
    assert layout(512, tensor_parallel_size=2) == "TP 2"
    assert layout(512, pipeline_parallel_size=2) == "TP 2 x PP 2"
    assert layout(20_000).startswith("TP 1 x PP")


@drawing(60)
@given(ordinary())
def test_a_row_shows_the_figures_of_the_plan_that_it_gives(drawn: tuple[PlanRequest, Facts]) -> None:
    asked, box = known(drawn)
    for way in alternatives(asked, box):
        taken = patched(asked, way.patch)
        response, decision = plan(taken, box), decide(taken, box)
        result, report = decision.estimate, response.feasibility
        layout = result.settings.layout
        risk = ("medium" if way.tight else "low") if way.fits else "high"
        assert (report.fits, report.oom_risk) == (way.fits, risk)
        assert report.weights_gib == way.weights_gib
        assert result.settings.max_model_len == way.max_model_len
        assert (response.config.max_model_len or box.metadata.max_position_embeddings) == way.max_model_len
        assert response.performance.decode_toks_per_s_range == way.toks_per_s
        assert response.performance.tpot_ms_range == way.tpot_ms
        assert requests_that_fit(result, taken.workload, taken.policy) == way.concurrency
        # the layout that the title names is the whole of it
        assert way.gpus == layout.gpus
        said = [
            int(number)
            for number in re.findall(r"TP (\d+)|PP (\d+)|x (\d+) replicas", way.title)
            for number in number
            if number
        ]
        assert said == [layout.tp, *(size for size in (layout.pp, layout.dp) if size > 1)]
        assert f"{way.max_model_len:,} tokens" in way.title


@drawing(150)
@given(ordinary())
def test_the_count_of_users_at_once_is_the_most_that_fits(drawn: tuple[PlanRequest, Facts]) -> None:
    """The count of users at once and the verdict agree: so many fit, and one more in each replica does not."""
    asked, box = known(drawn)
    found = decide(asked, box)
    layout = found.estimate.settings.layout
    fitting = requests_that_fit(found.estimate, asked.workload, asked.policy)
    assert (fitting >= asked.workload.concurrency) == found.estimate.fits
    pinned = {
        "hardware": {"tensor_parallel_size": layout.tp, "pipeline_parallel_size": layout.pp},
        "model": {"max_model_len": found.estimate.settings.max_model_len},
    }
    for users, fits in ((fitting, True), (fitting + 1, False)):
        if found.estimate.starts and 0 < users <= 1 << 20:
            again = decide(patched(asked, pinned | {"workload": {"concurrency": users}}), box)
            assert again.estimate.fits == fits


@drawing(60)
@given(ordinary())
def test_a_suggestion_gives_the_factor_that_it_promises(drawn: tuple[PlanRequest, Facts]) -> None:
    asked, box = known(drawn)
    before = decide(asked, box)
    for offer in suggestions(before):
        taken, facts = patched(asked, offer.patch), box
        if taken.model.model != asked.model.model:
            facts = replace(box, metadata=load_model_metadata(taken.model.model))
        if taken.hardware.gpus != asked.hardware.gpus:
            facts = replace(box, gpus=box.gpus[:1] * taken.hardware.gpus)
        after = decide(taken, facts)
        had, has = got(before), got(after)
        result = after.estimate
        if (factor := re.fullmatch(r"([\d.]+)x concurrency", offer.gain)) is not None:
            assert factor[1] == f"{has.requests / had.requests:.1f}"
            assert after.idle_gpus <= before.idle_gpus
        elif (seen := re.fullmatch(r"fits, ([\d.]+)x ([\d,]+) tokens", offer.gain)) is not None:
            assert seen[1] == f"{result.cache.max_concurrency:.1f}"
            assert seen[2] == f"{result.settings.max_model_len:,}"
        elif (spare := re.fullmatch(r"fits, ([\d.]+) GiB spare", offer.gain)) is not None:
            assert spare[1] == f"{gib(result.headroom):.1f}"
        else:
            assert offer.gain.startswith("keeps the ")
            assert len(after.missed) < len(before.missed)
