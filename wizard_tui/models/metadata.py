"""A model's facts, and where they are loaded from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wizard_tui.models import address, catalog, config_shapes
from wizard_tui.models import config_keys as keys
from wizard_tui.models.architecture import text_config
from wizard_tui.models.local import read_model_config, read_tensor_headers
from wizard_tui.models.stand_in import llama_config
from wizard_tui.models.tensors import count_parameters

# a tensor's type as safetensors writes it (`BF16`, `F8_E4M3`, `U8`) and its shape
Header = tuple[str, tuple[int, ...]]

# Mamba and RWKV models have no attention heads to state (vllm/config/model.py:is_attention_free)
_ATTENTION_FREE = frozenset({"mamba", "mamba2", "falcon_mamba", "rwkv", "rwkv7"})


@dataclass(frozen=True)
class Repository:
    """What surrounds a model's config: how it may be used, and how large it is. None: not known.

    `checkpoint_bytes` is what a download of the weights takes, `pipeline_tag` the Hub's word for the task,
    `gated` whether the licence has to be accepted on the Hub first.
    """

    license: str | None = None
    gated: bool | None = None
    pipeline_tag: str | None = None
    checkpoint_bytes: int | None = None
    has_chat_template: bool | None = None
    has_generation_config: bool | None = None
    source: str | None = None


@dataclass(frozen=True, eq=False)
class ModelMetadata:
    """What the planner knows of a model; config-derived, immutable, hashable by identity.

    `config` is the checkpoint's config.json as plain data, `text_config` the part of it that describes the language
    model (the same object where nothing is nested). `dtype` is what vLLM's `--dtype auto` makes of the checkpoint.
    `headers` has every tensor of the checkpoint by name, where its safetensors headers were read. `path` is set for a
    local directory. `source` is `tensor headers`, `config`, `catalogue` or `parameter count`, best first.
    """

    model_id: str
    source: str
    architecture: str
    model_type: str
    num_hidden_layers: int
    hidden_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    max_position_embeddings: int
    intermediate_size: int | None = None
    num_experts: int = 0
    num_experts_per_tok: int = 0
    moe_intermediate_size: int | None = None
    tie_word_embeddings: bool = False
    dtype: str = "bfloat16"
    quantization: str | None = None
    revision: str | None = None
    path: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    text_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    headers: Mapping[str, Header] = field(default_factory=dict, repr=False)
    repository: Repository = Repository()
    warnings: tuple[str, ...] = ()

    @property
    def num_params(self) -> int:
        """All parameters of the architecture."""
        return count_parameters(self)[0]

    @property
    def active_params(self) -> int:
        """The parameters that one token passes through."""
        return count_parameters(self)[1]

    @property
    def params_billions(self) -> float:
        """All parameters in billions."""
        return self.num_params / 1e9


def metadata_from_config(
    config: Mapping[str, Any],
    *,
    model_id: str,
    source: str,
    revision: str | None = None,
    path: str | None = None,
    headers: Mapping[str, Header] | None = None,
    repository: Repository | None = None,
    warnings: tuple[str, ...] = (),
) -> ModelMetadata:
    """Read the facts out of a config.json.

    Raises ValueError that names the key when one is missing or cannot be, such as zero layers.
    """
    where = f"config.json of {model_id}"
    config_shapes.check(config, where)
    text = text_config(config)
    layers = keys.num_hidden_layers(text, where)
    hidden = keys.needed(text, "hidden_size", where)
    model_type = str(text.get("model_type") or config.get("model_type") or "")
    heads = 1 if model_type in _ATTENTION_FREE else keys.needed(text, "num_attention_heads", where)
    experts = keys.num_experts(text, where)
    intermediate = keys.intermediate_size(text, where)
    vocabulary = keys.needed(text, "vocab_size", where)
    made = ModelMetadata(
        model_id=model_id,
        source=source,
        architecture=keys.architecture_name(config, text),
        model_type=str(config.get("model_type") or model_type),
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=heads,
        num_key_value_heads=keys.num_key_value_heads(text, heads, where),
        head_dim=keys.optional(text, "head_dim", where) or hidden // heads,
        vocab_size=vocabulary,
        max_position_embeddings=keys.max_length(config, text),
        intermediate_size=intermediate,
        num_experts=experts,
        num_experts_per_tok=(keys.optional(text, "num_experts_per_tok", where) or 0) if experts else 0,
        moe_intermediate_size=(keys.optional(text, "moe_intermediate_size", where) or intermediate)
        if experts
        else None,
        tie_word_embeddings=keys.tied_embeddings(config, text),
        dtype=keys.dtype(config, text),
        quantization=keys.quantization_method(config, text),
        revision=revision,
        path=path,
        config=config,
        text_config=text,
        headers=headers or {},
        repository=repository or Repository(),
        warnings=warnings,
    )
    count_parameters(made)  # reads all layers once, and says what the config lacks for them
    return made


def load_model_metadata(
    model_id_or_path: str,
    revision: str | None = None,
    trust_remote_code: bool = False,
    params_b: float | None = None,
) -> ModelMetadata:
    """A model's facts: of a local directory or GGUF file, else from the caches or the catalogue, else from the Hub.

    A Hub model may be given by the address of its page, and a GGUF file of it as `org/name/file.gguf`.

    `trust_remote_code` is vLLM's business: code of a repository is never run here. `params_b` (billions) stands in for
    a model of which nothing can be read, and is ignored otherwise. Raises FileNotFoundError for a local directory
    without config.json or a path that does not exist, ValueError with the cure for a repository that cannot be read.
    """
    name = model_id_or_path.strip()
    if not name:
        raise ValueError("the model is empty; give a Hub id such as Qwen/Qwen3-8B or a local directory")
    place = Path(name).expanduser()
    if place.is_dir():
        return metadata_from_directory(place)
    if place.is_file():
        from wizard_tui.models.gguf import metadata_from_gguf

        return metadata_from_gguf(place)
    name, its_revision, file = address.parse(name)
    revision = revision or its_revision
    if _looks_like_a_path(name):
        raise FileNotFoundError(f"{name} does not exist; give a directory with config.json or a Hub id")
    from wizard_tui.models import disk_cache, hub

    if file is not None and file.lower().endswith(".gguf"):
        return hub.fetch_gguf(name, file, revision)
    entry = catalog.find(name)
    # a file that is here already comes first, then what needs no network
    known = hub.cached(entry.id if entry else name, revision) or disk_cache.load(name, revision)
    if known is not None:
        return known
    if entry is not None and revision is None:
        return metadata_from_catalog(entry)
    try:
        found = hub.fetch(name, revision)
        disk_cache.save(name, revision, found)
        return found
    except ValueError as error:
        if (old := disk_cache.load(name, revision, however_old=True)) is not None:
            return old
        if params_b is not None:
            return metadata_from_count(name, params_b, str(error))
        near = ", ".join(catalog.near_names(name))
        raise ValueError(f"{error}{f'; near names in the catalogue: {near}' if near else ''}") from None


def metadata_from_directory(folder: Path) -> ModelMetadata:
    """The facts of a model directory on this machine."""
    config = read_model_config(folder)
    headers = read_tensor_headers(folder)
    return metadata_from_config(
        config,
        model_id=str(folder),
        source="tensor headers" if headers else "config",
        path=str(folder.resolve()),
        headers=headers,
    )


def metadata_from_catalog(entry: catalog.Entry) -> ModelMetadata:
    """The facts of a built-in model."""
    about = Repository(
        license=entry.license,
        gated=entry.gated,
        pipeline_tag=entry.pipeline_tag,
        checkpoint_bytes=entry.checkpoint_bytes,
        source=entry.source,
    )
    return metadata_from_config(entry.config, model_id=entry.id, source="catalogue", repository=about)


def metadata_from_count(name: str, params_b: float, why: str) -> ModelMetadata:
    """A stand-in for a model of which only the number of parameters (billions) is known: Llama's shape of that size.

    `why` says why nothing better is known.
    """
    return metadata_from_config(
        llama_config(params_b),
        model_id=name,
        source="parameter count",
        warnings=(f"{why}; the plan is a guess from {params_b:g} billion parameters in the shape of a Llama",),
    )


def _looks_like_a_path(name: str) -> bool:
    return name.startswith(("/", "./", "../", "~")) or name in (".", "..") or name.count("/") > 1
