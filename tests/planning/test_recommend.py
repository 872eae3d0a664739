"""The flags a plan passes: those that are needed, those the user set, and no others."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.planning.conftest import VERSION, facts, request
from wizard_tui.engine.flags import flag_arguments, flags_of
from wizard_tui.engine.parsers import _families, parser_names
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.models.load import load_model_metadata
from wizard_tui.planning.decide import decide
from wizard_tui.planning.recommend import build_config, generate_recommendations
from wizard_tui.resolver import Facts
from wizard_tui.schemas.numbers import GIB, gib
from wizard_tui.schemas.outputs import Deployment
from wizard_tui.tables import read_table


def passed(config: object) -> dict[str, object]:
    fields = {name: getattr(config, name) for name in type(config).model_fields}  # type: ignore[attr-defined]
    return {
        name: value
        for name, value in fields.items()
        if value is not None and name not in ("deployment", "explanations")
    }


def test_vllms_defaults_are_not_passed() -> None:
    known = facts()
    config = generate_recommendations(request(), known.metadata, known.gpus, known.gpus[0].total_bytes)
    assert set(passed(config)) <= {"model", "host", "tool_call_parser", "enable_auto_tool_choice"}


def test_a_group_of_gpus_is_used_when_one_is_too_small() -> None:
    known = facts("llama-70b", "A100-SXM4-80GB", 4)
    config = generate_recommendations(request("llama-70b"), known.metadata, known.gpus, 4 * known.gpus[0].total_bytes)
    assert config.tensor_parallel_size in (2, 4)
    assert config.deployment.gpu_count == config.tensor_parallel_size


def test_given_memory_counts_instead_of_the_gpus() -> None:
    known = facts("llama-8b", "RTX 4090")
    small = generate_recommendations(request(), known.metadata, known.gpus, 24 * GIB)
    large = generate_recommendations(request(), known.metadata, known.gpus, 80 * GIB)
    assert small.max_model_len is not None
    assert large.max_model_len is None


@pytest.mark.parametrize("version", ["0.19.0", "0.29.0", "0.33.0"])
def test_every_flag_is_one_of_that_version(version: str) -> None:
    everything = {
        "model": {
            "dtype": "bf16", "kv_cache_dtype": "fp8", "max_model_len": 4096, "revision": "main", "tokenizer": "a/b",
        },
        "hardware": {"tensor_parallel_size": 2},
        "policy": {
            "vllm_version": version, "gpu_memory_utilization": 0.8, "max_num_seqs": 64, "max_num_batched_tokens": 4096,
            "block_size": 32, "enforce_eager": True, "enable_prefix_caching": False, "port": 9000,
            "served_model_name": "mine",
        },
    }  # fmt: skip
    decision = decide(request(**everything), facts(gpus=2))
    config = build_config(decision)
    known = flags_of(version)
    for name, value in passed(config).items():
        if name != "model":
            assert name in known
            assert flag_arguments(name, value, version)
    for section, fields in everything.items():
        for name in fields:
            if (section, name) != ("policy", "vllm_version"):
                assert getattr(config, name) is not None, f"{name} was set by the user"


def a_name_like(pattern: str) -> str:
    """A name that a family's pattern matches: its first alternative, without the optional parts."""
    text = re.sub(r"\(([^|)]*)[^)]*\)", r"\1", pattern).partition("|")[0]
    return re.sub(r"\[(.)[^]]*\]", r"\1", re.sub(r"\.\*|.\?", "", text)).replace("\\.", ".")


@pytest.mark.parametrize(
    "version", [*read_table("wizard_tui.engine", "flags.json")["read"], "0.6.6", "0.8.5", "0.15.0"]
)
def test_every_parser_is_one_of_that_version(version: str) -> None:
    """vLLM does not start with the name of a parser that it lacks. All families that are known, in a plan."""
    known = facts()
    for family in _families():
        name = a_name_like(family.name or "any")
        for model_type in family.types or {"any"}:
            assert family.matches(name, model_type), f"{name} is no example of {family.title}"
            metadata = replace(known.metadata, model_id=f"org/{name}", model_type=model_type)
            box = replace(known, metadata=metadata, installed_vllm=version)
            config = build_config(decide(request(), box))
            for kind in ("tool_call_parser", "reasoning_parser"):
                assert getattr(config, kind) in {None, *parser_names(kind, version)}, f"{name} in {version}"
            assert bool(config.enable_auto_tool_choice) == bool(config.tool_call_parser)


def test_reasons_are_given_only_on_demand() -> None:
    assert build_config(decide(request(), facts())).explanations == {}
    asked = request().model_copy(update={"explain": True})
    assert set(build_config(decide(asked, facts())).explanations) >= {"model", "host"}


def test_latency_makes_use_of_drafting_layers() -> None:
    metadata = load_model_metadata("deepseek-ai/DeepSeek-V3")
    box = Facts(metadata, (get_gpu_by_name("H200"),) * 8, VERSION)
    quick, plain = (decide(request(workload={"batching_mode": mode}), box) for mode in ("latency", "balanced"))
    assert passed(build_config(quick))["speculative_config"] == {"method": "mtp", "num_speculative_tokens": 1}
    assert passed(build_config(quick))["performance_mode"] == "interactivity"
    assert "speculative_config" not in passed(build_config(plain))
    # one layer of 58 with experts beside three without, split over eight GPUs: 11.6 G parameters
    more = quick.estimate.weights.bytes - plain.estimate.weights.bytes
    assert more == pytest.approx(11.6e9 / 8, rel=0.15)
    old = decide(request(workload={"batching_mode": "latency"}, policy={"vllm_version": "0.12.0"}), box)
    assert not {"speculative_config", "performance_mode"} & set(passed(build_config(old)))


def test_a_model_that_cannot_draft_is_not_made_to() -> None:
    decision = decide(request(policy={"speculative_tokens": 2}), facts())
    assert "no layers that draft" in str(decision.problem)


def test_throughput_doubles_the_batches() -> None:
    mode, plain = (decide(request(workload={"batching_mode": m}), facts()) for m in ("throughput", "balanced"))
    assert passed(build_config(mode))["performance_mode"] == "throughput"
    assert mode.estimate.settings.max_num_seqs == 2 * plain.estimate.settings.max_num_seqs
    assert mode.estimate.settings.max_num_batched_tokens == 2 * plain.estimate.settings.max_num_batched_tokens
    assert not {"max_num_seqs", "max_num_batched_tokens"} & set(passed(build_config(mode)))


def test_room_for_adapters_is_counted_by_rank_and_number() -> None:
    plain, one, two = (
        decide(request(policy=policy), facts()).estimate.weights.bytes
        for policy in ({}, {"max_loras": 1, "max_lora_rank": 16}, {"max_loras": 2, "max_lora_rank": 64})
    )
    hidden, kv, inner = 4096, 1024, 14336
    sides = 2 * (hidden + hidden) + 2 * (hidden + kv) + 3 * (hidden + inner)
    assert one - plain == 32 * sides * 16 * 2
    assert two - plain == 8 * (one - plain)
    config = build_config(decide(request(policy={"lora_modules": "a=b/c d=e/f"}), facts()))
    assert (config.enable_lora, config.max_loras, config.max_lora_rank) == (True, 2, 16)
    assert config.lora_modules == ("a=b/c", "d=e/f")
    assert "--lora-modules" in " ".join(flag_arguments("lora_modules", config.lora_modules, "0.33.0"))


def test_smaller_graphs_take_less_memory() -> None:
    whole, small, none = (
        decide(request(policy=policy), facts()).estimate.overhead.cuda_graphs
        for policy in ({}, {"max_cudagraph_capture_size": 64}, {"enforce_eager": True})
    )
    assert whole > small > none == 0


def reasons_of(
    name: str = "llama-8b", gpus: int = 1, gpu: str = "H100 80GB", **sections: dict[str, object]
) -> dict[str, str]:
    asked = request(name, **sections).model_copy(update={"explain": True})
    return build_config(decide(asked, facts(name, gpus=gpus))).explanations


def test_every_flag_the_user_set_is_marked_as_theirs() -> None:
    reasons = reasons_of(
        gpus=8,
        model={
            "dtype": "float16", "kv_cache_dtype": "fp8", "max_model_len": 4096, "revision": "main", "tokenizer": "a/b",
            "quantization": "fp8_per_tensor",
        },
        hardware={"tensor_parallel_size": 2, "pipeline_parallel_size": 2, "data_parallel_size": 2},
        policy={
            "gpu_memory_utilization": 0.8, "max_num_seqs": 64, "max_num_batched_tokens": 4096, "block_size": 32,
            "enforce_eager": True, "enable_prefix_caching": False, "port": 9000, "served_model_name": "mine",
            "host": "0.0.0.0", "kv_cache_memory_bytes": "10G", "max_cudagraph_capture_size": 64,
            "lora_modules": "a=b/c", "max_lora_rank": 32, "max_loras": 1,
        },
    )  # fmt: skip
    yours = {name for name, reason in reasons.items() if reason == "set by you"}
    assert yours == {
        "dtype", "kv_cache_dtype", "max_model_len", "revision", "tokenizer", "quantization", "tensor_parallel_size",
        "pipeline_parallel_size", "data_parallel_size", "gpu_memory_utilization", "max_num_seqs",
        "max_num_batched_tokens", "block_size", "enforce_eager", "enable_prefix_caching", "port", "served_model_name",
        "host", "kv_cache_memory_bytes", "max_cudagraph_capture_size", "lora_modules", "max_lora_rank",
    }  # fmt: skip
    assert reasons["model"] == "the model to serve"


def test_what_the_planner_chose_has_its_reason() -> None:
    asked = request("llama-70b").model_copy(update={"explain": True})
    decision = decide(asked, facts("llama-70b", "A100-SXM4-80GB", 2))
    config, weights = build_config(decision), gib(decision.estimate.weights.bytes)
    length = decision.estimate.settings.max_model_len
    assert config.explanations == {
        "model": "the model to serve",
        "max_model_len": (
            f"the model could take 131,072 tokens, the cache left beside {weights:.1f} GiB of weights holds one "
            f"request of {length:,}"
        ),
        "tensor_parallel_size": (
            f"one GPU keeps {weights:.1f} GiB of weights, 1/2 of the model; 1 in flight can have {length:,} tokens each"
        ),
        "host": "listens on this machine only",
        **{name: reason for name, reason in config.explanations.items() if "tool" in name},
    }
    assert (config.max_model_len, config.tensor_parallel_size) == (length, 2)


def test_tools_are_called_as_the_family_writes_them() -> None:
    qwen = decide(
        request(model={"model": "Qwen/Qwen3-30B-A3B"}).model_copy(update={"explain": True}),
        Facts(load_model_metadata("Qwen/Qwen3-30B-A3B"), facts().gpus, VERSION),
    )
    config = build_config(qwen)
    assert (config.enable_auto_tool_choice, config.tool_call_parser, config.reasoning_parser) == (
        True,
        "hermes",
        "qwen3",
    )
    reasons = config.explanations
    assert reasons["enable_auto_tool_choice"] == "lets the model call tools"
    assert re.fullmatch(r"how .+ writes tool calls", reasons["tool_call_parser"])
    assert re.fullmatch(r"how .+ marks its reasoning", reasons["reasoning_parser"])
    magistral = replace(facts().metadata, model_id="mistralai/Magistral-Small-2507", model_type="mistral")
    asked = request().model_copy(update={"explain": True})
    config = build_config(decide(asked, replace(facts(), metadata=magistral)))
    assert (config.tokenizer_mode, config.reasoning_parser) == ("mistral", "mistral")
    assert config.explanations["tokenizer_mode"] == "the tokenizer format of Magistral"


FILE = "tool_chat_template_llama3.1_json.jinja"
SOURCE = f"add --chat-template with the file examples/{FILE} of vLLM's source"


@pytest.mark.parametrize(
    ("gpu", "image", "in_image", "note"),
    [
        (
            "H100 80GB",
            None,
            f"/vllm-workspace/examples/{FILE}",
            f"vLLM's image has the template for them; elsewhere {SOURCE}",
        ),
        ("MI300X", None, f"/app/vllm/examples/{FILE}", f"vLLM's image has the template for them; elsewhere {SOURCE}"),
        # the contents of a user's own image are unknown, and vLLM does not start when a given file is missing
        ("H100 80GB", "me/vllm:v0.33.0", None, f"for them {SOURCE}"),
    ],
)
def test_tool_calls_get_the_path_of_the_template_they_need(
    gpu: str, image: str | None, in_image: str | None, note: str
) -> None:
    """docker/Dockerfile and docker/Dockerfile.rocm of vllm-project/vllm: where they copy examples/ to."""
    box = facts(gpu=gpu)
    named = replace(box, metadata=replace(box.metadata, model_id="meta-llama/Llama-3.1-8B-Instruct"))
    asked = request(policy={"image": image}).model_copy(update={"explain": True})
    config = build_config(decide(asked, named))
    assert config.chat_template is None
    assert (config.deployment.chat_template, config.deployment.chat_template_in_image) == (FILE, in_image)
    assert config.explanations["tool_call_parser"] == f"how Llama 3 writes tool calls; {note}"


def test_a_share_that_others_force_down_is_explained() -> None:
    box = facts()
    busy = replace(box, gpus=(replace(box.gpus[0], used_bytes=20 * GIB),))
    decision = decide(request().model_copy(update={"explain": True}), busy)
    config = build_config(decision)
    outside = gib(20 * GIB + decision.estimate.overhead.unbudgeted)
    assert config.gpu_memory_utilization == decision.estimate.settings.gpu_memory_utilization
    assert config.explanations["gpu_memory_utilization"] == (
        f"{outside:.1f} GiB are in use or needed outside vLLM's budget"
    )
    # a fixed cache needs no share, unless the user gives one
    fixed = build_config(decide(request(policy={"kv_cache_memory_bytes": "1G"}), busy))
    assert fixed.gpu_memory_utilization is None
    both = build_config(decide(request(policy={"kv_cache_memory_bytes": "1G", "gpu_memory_utilization": 0.5}), busy))
    assert both.gpu_memory_utilization == 0.5


def test_modes_drafts_and_adapters_have_their_reasons() -> None:
    latency = reasons_of(workload={"batching_mode": "latency"})
    assert latency["performance_mode"] == "latency is preferred: a CUDA graph for every small batch"
    assert reasons_of(workload={"batching_mode": "throughput"})["performance_mode"] == (
        "throughput is preferred: batches twice as large"
    )
    adapters = reasons_of(policy={"lora_modules": "a=b/c"})
    # 16 ranks beside every linear matrix: 80 MiB
    assert adapters["enable_lora"] == adapters["max_loras"] == "1 in one batch take 0.08 GiB of a GPU"
    assert adapters["max_lora_rank"] == "vLLM's own"
    box = Facts(load_model_metadata("deepseek-ai/DeepSeek-V3"), (get_gpu_by_name("H200"),) * 8, VERSION)
    asked = request(workload={"batching_mode": "latency"}).model_copy(update={"explain": True})
    decision = decide(asked, box)
    draft = gib(decision.estimate.weights.parts["draft"])
    assert build_config(decision).explanations["speculative_config"] == (
        f"the checkpoint's own layer that drafts may save every other step for {draft:.2f} GiB"
    )


def test_states_that_bound_the_requests_are_named() -> None:
    (gpu,) = facts(gpu="RTX 4090").gpus
    box = Facts(load_model_metadata("state-spaces/mamba-2.8b-hf"), (replace(gpu, total_bytes=8 * GIB),), VERSION)
    decision = decide(request().model_copy(update={"explain": True}), box)
    sequences = decision.estimate.settings.max_num_seqs
    config = build_config(decision)
    assert config.max_num_seqs == sequences
    assert config.explanations["max_num_seqs"] == f"{sequences} states fit into the cache"


def test_where_it_runs() -> None:
    plain = build_config(decide(request(), facts(gpus=2))).deployment
    assert plain == Deployment(
        vllm_version=VERSION,
        image=f"vllm/vllm-openai:v{VERSION}",
        gpu_vendor="nvidia",
        gpu_count=1,
        gpu_indices=None,
        nodes=1,
        api_key_env=None,
        model_is_local=False,
        download_bytes=None,
    )
    asked = request(
        hardware={"tensor_parallel_size": 2, "pipeline_parallel_size": 2, "nodes": 2, "indices": "0,1"},
        policy={"image": "mine:1", "api_key_env": "MY_KEY", "vllm_version": "0.31.0"},
    )
    here = facts(gpus=2)
    local = replace(
        here.metadata, path="/models/llama", repository=replace(here.metadata.repository, checkpoint_bytes=7)
    )
    config = build_config(decide(asked, replace(here, metadata=local)))
    assert config.model == "/models/llama"
    assert config.deployment == Deployment(
        vllm_version="0.31.0",
        image="mine:1",
        gpu_vendor="nvidia",
        gpu_count=2,
        gpu_indices=(0, 1),
        nodes=2,
        api_key_env="MY_KEY",
        model_is_local=True,
        download_bytes=7,
    )
    amd = build_config(decide(request(), facts(gpu="MI300X"))).deployment
    assert (amd.gpu_vendor, amd.image) == ("amd", f"vllm/vllm-openai-rocm:v{VERSION}")


def test_memory_makes_a_gpu_where_none_is_named() -> None:
    metadata = facts().metadata
    with pytest.raises(ValueError, match=r"^vram_total_bytes must be positive$"):
        generate_recommendations(request(), metadata, [], 0)
    manual = generate_recommendations(request(), metadata, [], 24 * GIB)
    assert manual.max_model_len is not None
    assert manual.deployment.gpu_count == 1
    # all of them together
    one = request(hardware={"tensor_parallel_size": 1})
    pair = generate_recommendations(one, metadata, facts(gpus=2).gpus, 48 * GIB)
    assert pair.max_model_len == generate_recommendations(request(), metadata, facts().gpus, 24 * GIB).max_model_len


def test_expert_parallel_and_remote_code_are_passed_on() -> None:
    asked = {
        "hardware": {"enable_expert_parallel": True, "tensor_parallel_size": 2},
        "model": {"trust_remote_code": True},
    }
    config = build_config(decide(request("qwen3-30b-a3b", **asked), facts("qwen3-30b-a3b", gpus=2)))
    assert (config.enable_expert_parallel, config.trust_remote_code) == (True, True)
    reasons = reasons_of("qwen3-30b-a3b", gpus=2, **asked)
    assert reasons["enable_expert_parallel"] == "set by you: whole experts on each GPU"
    assert reasons["trust_remote_code"] == "set by you: vLLM runs code from the repository"
    without = build_config(decide(request(), facts()))
    assert (without.enable_expert_parallel, without.trust_remote_code) == (None, None)


def test_the_rest_of_the_reasons() -> None:
    """Settings that the planner chooses by itself only in some plans."""
    asked = request("llama-70b", hardware={"nodes": 2}).model_copy(update={"explain": True})
    spread = build_config(decide(asked, facts("llama-70b", "RTX 4090", 4)))
    assert spread.pipeline_parallel_size == 2
    assert spread.explanations["pipeline_parallel_size"] == "2 groups of layers, one on each stage"
    assert reasons_of(policy={"port": 9000})["port"] == "set by you"
    few = reasons_of(policy={"max_num_seqs": 4}, model={"max_model_len": 512})
    assert few["max_num_seqs"] == "set by you"
    metadata = facts().metadata
    manual = generate_recommendations(request().model_copy(update={"explain": True}), metadata, [], 80 * GIB)
    assert manual.deployment.gpu_vendor == "nvidia"
