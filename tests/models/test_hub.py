"""The Hub, by its real client against a server on loopback."""

from __future__ import annotations

import json
import threading

import pytest

from tests.models.hub_server import SHA, Hub, Repo, safetensors
from tests.planning.conftest import LLAMA_8B
from wizard_tui.models import hub as reading
from wizard_tui.models.load import load_model_metadata

CONFIG = json.dumps(LLAMA_8B).encode()
TENSORS = {"model.norm.weight": ("BF16", [4096]), "lm_head.weight": ("BF16", [128256, 4096])}


def test_config_headers_and_surroundings_are_read_without_weights(hub: Hub) -> None:
    hub.repos["org/model"] = Repo(
        {"config.json": CONFIG, "model.safetensors": safetensors(TENSORS), "chat_template.jinja": b"{{ x }}"},
        gated="auto",
    )
    metadata = load_model_metadata("org/model")
    assert metadata.model_id == "org/model"
    assert metadata.source == "tensor headers"
    assert metadata.revision == SHA
    assert metadata.num_hidden_layers == 32
    assert metadata.headers == {"model.norm.weight": ("BF16", (4096,)), "lm_head.weight": ("BF16", (128256, 4096))}
    assert metadata.repository.license == "apache-2.0"
    assert metadata.repository.gated is True
    assert metadata.repository.has_chat_template is True
    ranges = [span for method, path, span in hub.asked if path.endswith(".safetensors") and method == "GET"]
    assert ranges
    assert all(ranges), "never the whole file"


def test_modelopt_states_its_quantisation_in_a_file_of_its_own(hub: Hub) -> None:
    quantised = json.dumps({"quantization": {"quant_algo": "FP8"}}).encode()
    hub.repos["org/model"] = Repo({"config.json": CONFIG, "hf_quant_config.json": quantised})
    assert load_model_metadata("org/model").quantization == "modelopt"


def test_a_second_look_needs_no_network(hub: Hub) -> None:
    hub.repos["org/model"] = Repo({"config.json": CONFIG})
    first = load_model_metadata("org/model")
    hub.repos.clear()
    hub.asked.clear()
    again = load_model_metadata("org/model")
    assert again.num_params == first.num_params
    assert hub.asked == []


@pytest.mark.parametrize(
    ("repo", "said"),
    [
        (None, r"not on the Hub, or is private: check the name"),
        (Repo(refuses=(401, "GatedRepo")), r"is gated: accept its licence at https://huggingface.co/org/model"),
        (Repo(refuses=(403, "GatedRepo")), r"is gated"),
        (Repo(refuses=(401, "")), r"not on the Hub, or is private|refuses the token"),
        (Repo(refuses=(403, "")), r"does not let you read"),
        (Repo(refuses=(429, "")), r"too many requests"),
        (Repo(refuses=(500, "")), r"answers 500"),
        (Repo({"adapter_config.json": b"{}"}), r"is a LoRA adapter"),
        (Repo({"model-Q4_K_M.gguf": b""}), r"has GGUF files"),
        (Repo({"README.md": b""}), r"has no config\.json"),
        (Repo({"config.json": b"{"}), r"config\.json of org/model is not valid JSON"),
        (Repo({"config.json": b"[]"}), r"holds no JSON object"),
        (Repo({"config.json": b'{"model_type": "llama"}'}), r"config\.json of org/model"),
    ],
)  # fmt: skip
def test_each_refusal_has_its_sentence_and_its_cure(hub: Hub, repo: Repo | None, said: str) -> None:
    if repo is not None:
        hub.repos["org/model"] = repo
    with pytest.raises(ValueError, match=said) as caught:
        load_model_metadata("org/model")
    assert "\n" not in str(caught.value)


def test_an_unknown_revision_is_named(hub: Hub) -> None:
    hub.repos["org/model"] = Repo({"config.json": CONFIG})
    with pytest.raises(ValueError, match="has no such revision"):
        load_model_metadata("org/model", revision="v9")


def test_a_line_that_is_cut_says_what_still_works(hub: Hub) -> None:
    hub.cuts_connections = True
    with pytest.raises(ValueError, match=r"cannot be reached .* give a local directory or params_b"):
        load_model_metadata("org/model")


def test_offline_is_respected(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.repos["org/model"] = Repo({"config.json": CONFIG})
    with pytest.raises(ValueError, match="cannot be reached"):
        load_model_metadata("org/model")


def test_only_the_size_known_is_enough_for_a_guess(hub: Hub) -> None:
    metadata = load_model_metadata("org/model", params_b=7)
    assert metadata.source == "parameter count"
    assert "not on the Hub" in metadata.warnings[0]


@pytest.mark.parametrize("name", ["a b", "org/na me", "-x/y", "org//x"])
def test_what_is_no_name_is_said(hub: Hub, name: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=r"is no Hub id|does not exist"):
        load_model_metadata(name)


def test_the_token_is_in_no_sentence(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.repos["org/model"] = Repo(refuses=(401, ""))
    with pytest.raises(ValueError, match="org/model") as caught:
        load_model_metadata("org/model")
    assert "hf_secret" not in str(caught.value)


def tensor_file(*names: str) -> bytes:
    return safetensors({name: ("BF16", [64, 64]) for name in names})


def test_a_cold_model_takes_three_requests_and_one_for_each_further_shard(hub: Hub) -> None:
    hub.repos["org/one"] = Repo({"config.json": CONFIG, "model.safetensors": tensor_file("a.weight")})
    load_model_metadata("org/one")
    assert len(hub.asked) == 3
    hub.asked.clear()
    shards = {f"model-{number:05}-of-00004.safetensors": tensor_file(f"{number}.weight") for number in range(1, 5)}
    hub.repos["org/four"] = Repo(
        {
            "config.json": CONFIG,
            **shards,
            "model.safetensors.index.json": b"{}",
            "consolidated.safetensors": b"xxxxxxxxx",
        }
    )
    found = load_model_metadata("org/four")
    assert len(hub.asked) == 3 + 3
    assert sorted(found.headers) == ["1.weight", "2.weight", "3.weight", "4.weight"]


def test_a_header_longer_than_the_first_range_is_read_on(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "HEAD_BYTES", 1024)
    hub.repos["org/model"] = Repo(
        {"config.json": CONFIG, "model.safetensors": tensor_file(*(f"{number}.weight" for number in range(100)))}
    )
    assert len(load_model_metadata("org/model").headers) == 100
    assert len(hub.asked) == 4


def test_a_tensor_file_that_is_listed_but_absent_leaves_the_config(hub: Hub) -> None:
    hub.repos["org/model"] = Repo({"config.json": CONFIG, "model.safetensors": tensor_file("a")}, absent="safetensors")
    found = load_model_metadata("org/model")
    assert (found.source, found.headers) == ("config", {})


def test_a_config_that_is_listed_but_absent_is_said(hub: Hub) -> None:
    hub.repos["org/model"] = Repo({"config.json": CONFIG}, absent="config.json")
    with pytest.raises(ValueError, match="lists a file that is not there"):
        load_model_metadata("org/model")


@pytest.mark.parametrize("size", ["x", "12", None, True, -5, 1.5, 10**400, [1], {}])
def test_a_size_that_is_none_counts_for_nothing(hub: Hub, size: object) -> None:
    hub.repos["org/model"] = Repo({"config.json": CONFIG, "model.safetensors": tensor_file("a")}, size=size)
    assert load_model_metadata("org/model").repository.checkpoint_bytes is None


@pytest.mark.parametrize("data", [b"", b"\xff" * 64, b"\x10\0\0\0\0\0\0\0{broken", tensor_file("a.weight")[:-5]])
def test_a_broken_tensor_file_leaves_the_config(hub: Hub, data: bytes) -> None:
    hub.repos["org/model"] = Repo({"config.json": CONFIG, "model.safetensors": data})
    found = load_model_metadata("org/model")
    assert (found.source, found.headers) == ("config", {})


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("feature-extraction", "an embedding model: vLLM serves it with --runner pooling"),
        ("text-classification", "a classifier or reward model"),
        ("automatic-speech-recognition", "/v1/audio/transcriptions"),
        ("text-to-image", "vLLM's own server does not serve"),
    ],
)
def test_models_that_write_no_text_are_told(hub: Hub, task: str, words: str) -> None:
    hub.repos["org/model"] = Repo({"config.json": CONFIG, "model.safetensors": tensor_file("a")}, pipeline_tag=task)
    (warning,) = load_model_metadata("org/model").warnings
    assert words in warning


def test_pickled_weights_and_pipelines_are_told(hub: Hub) -> None:
    hub.repos["org/old"] = Repo({"config.json": CONFIG, "pytorch_model.bin": b"x"})
    (warning,) = load_model_metadata("org/old").warnings
    assert "pytorch_model.bin: loading it runs code" in warning
    hub.repos["org/paints"] = Repo({"model_index.json": b"{}"})
    with pytest.raises(ValueError, match="diffusion pipeline"):
        load_model_metadata("org/paints")


def test_a_config_without_end_is_not_read_to_its_end(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "JSON_LIMIT_BYTES", 4096)
    monkeypatch.setattr("wizard_tui.models.local.JSON_LIMIT_BYTES", 4096)
    hub.repos["org/model"] = Repo({"config.json": b'{"a": "' + b"x" * (1 << 20) + b'"}'})
    with pytest.raises(ValueError, match="which no model config is"):
        load_model_metadata("org/model")


def test_files_that_lie_elsewhere_are_followed(hub: Hub) -> None:
    files = {"config.json": CONFIG, "model.safetensors": tensor_file("a.weight")}
    hub.repos["org/model"] = Repo(files, redirects=True)
    assert load_model_metadata("org/model").source == "tensor headers"
    assert [path for _, path, _ in hub.asked].count(f"/org/model/resolve/{SHA}/model.safetensors") == 2


def test_a_hub_that_does_not_answer_costs_its_time_and_one_sentence(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "TIMEOUT_S", 0.2)
    hub.answers = threading.Event()
    try:
        with pytest.raises(ValueError, match=r"the Hub did not answer within 0\.2 s for org/model"):
            load_model_metadata("org/model")
    finally:
        hub.answers.set()


def test_an_address_on_a_mirror_is_read_from_there(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setenv("HF_ENDPOINT", constants.ENDPOINT)
    hub.repos["org/model"] = Repo({"config.json": CONFIG})
    assert load_model_metadata(f"{constants.ENDPOINT}/org/model/tree/main").model_id == "org/model"
