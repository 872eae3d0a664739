"""How the weights of each module are stored: read from a checkpoint's quantisation config, or made while it loads."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeGuard

from wizard_tui.models.config_keys import quantization_config
from wizard_tui.models.config_shapes import LARGEST, shown, whole
from wizard_tui.models.metadata import ModelMetadata


class Format(NamedTuple):
    """Storage of a quantised matrix: `bits` a weight, and a scale of `scale_bytes` for every `group` of a row (0: for
    the whole row, with `per_tensor` for the whole matrix) or for every tile of `block` x `block`; `zeros` of the same
    number of bits beside every scale."""

    bits: float
    scale_bytes: float = 0.0
    group: int = 0
    block: int = 0
    zeros: bool = False
    per_tensor: bool = False

    @property
    def bytes_each(self) -> float:
        """Bytes of one weight of a large matrix, with its share of the scale of its group or tile.

        The scales of whole rows or matrices are too few to count.
        """
        weights = self.group or self.block**2
        scale = self.scale_bytes + (self.bits / 8 if self.zeros else 0)
        return self.bits / 8 + (scale / weights if weights else 0)

    def stored_bytes(self, rows: int, columns: int, width: int | None = None) -> float:
        """Bytes of a matrix of `rows` outputs and `columns` inputs.

        `width` is that of an expert on one GPU: where tiles do not divide it, they become smaller.
        """
        size = rows * columns * self.bits / 8
        if self.block:
            side = math.gcd(self.block, width) if width else self.block
            return size + -(-rows // side) * -(-columns // side) * self.scale_bytes
        if self.per_tensor:
            return size + self.scale_bytes
        scales = rows * (-(-columns // self.group) if self.group else 1)
        return size + scales * (self.scale_bytes + (self.bits / 8 if self.zeros else 0))


NVFP4 = Format(4, 1, group=16)
MXFP4 = Format(4, 1, group=32)
MXFP8 = Format(8, 1, group=32)
FP8_TENSOR = Format(8, 8, per_tensor=True)
FP8_CHANNEL = Format(8, 4)
FP8_BLOCK = Format(8, 4, block=128)
INT8_CHANNEL = Format(8, 4)
AWQ = Format(4, 2, group=128, zeros=True)
GPTQ = Format(4, 2, group=128)

# vllm/model_executor/layers/quantization: the format that a name gives an unquantised checkpoint, or its own
_BY_NAME = {
    "fp8_per_tensor": FP8_TENSOR,
    "fp8_per_channel": FP8_CHANNEL,
    "fp8_per_block": FP8_BLOCK,
    "fp8": FP8_TENSOR,
    "ptpc_fp8": FP8_CHANNEL,
    "fbgemm_fp8": FP8_CHANNEL,
    "mxfp8": MXFP8,
    "modelopt_mxfp8": MXFP8,
    "mxfp4": MXFP4,
    "gpt_oss_mxfp4": MXFP4,
    "modelopt": FP8_TENSOR,
    "modelopt_fp4": NVFP4,
    "nvfp4_per_token": NVFP4,
    "experts_int8": INT8_CHANNEL,
    "int8_per_channel_weight_only": INT8_CHANNEL,
    "int8": INT8_CHANNEL,
    "nvfp4": NVFP4,
    "awq": AWQ,
    "auto_awq": AWQ,
    "gptq": GPTQ,
    "auto_gptq": GPTQ,
    "bitsandbytes": Format(4, 4, group=64),
    # differs from file to file; the tensors' headers say how many bits
    "gguf": Format(4.5),
    "online": FP8_TENSOR,
}
_MODELOPT = {
    "FP8": FP8_TENSOR,
    "NVFP4": NVFP4,
    "FP8_PB_WO": FP8_BLOCK,
    "MXFP8": MXFP8,
    "FP8_PER_CHANNEL_PER_TOKEN": FP8_CHANNEL,
}
_EXPERTS_ONLY = frozenset({"mxfp4", "gpt_oss_mxfp4", "experts_int8", "int8_per_channel_weight_only", "nvfp4_per_token"})
# methods whose weights may have a scale for every tile
_BLOCKWISE = frozenset({"fp8", "modelopt", "modelopt_mixed", "deepseek_fp8", "fp8_per_block"})
# least and most of what a checkpoint may state; a group of -1 is a whole row, and nothing has a size of 0
_SIZES = {"bits": (1, 64), "num_bits": (1, 64), "group_size": (-1, LARGEST)}
_IGNORED = ("ignore", "ignored_layers", "modules_to_not_convert", "exclude_modules")
# anybody may write an expression: one that repeats a group, or repeats often, may take for ever to fail
_COSTLY = re.compile(r"\)[*+{]|(?:[*+}][^*+}]*){5}")
_OUTER = re.compile(r"^(model\.|language_model\.|text_model\.|transformer\.|backbone\.|decoder\.)+")


class Quantization:
    """Which format each module of a model is in; None is the model's own precision."""

    def __init__(self, metadata: ModelMetadata, method: str | None = None) -> None:
        stated = quantization_config(metadata.config, metadata.text_config) or {}
        expert_dtype = {"expert_dtype": metadata.text_config.get("expert_dtype")}
        self._stated: Mapping[str, Any] = {**expert_dtype, **stated, **_nested(stated)}
        self._method = metadata.quantization or method
        self._online = metadata.quantization is None
        self._whole = self._default()
        self._exact, self._patterns = _ignored([] if self._online else self._names())
        self._layers = self._mixed()
        self._rest = self._whole if self._method == "fp8" else None
        self.doubts = () if self._online else tuple(self._doubts())

    def format_of(self, module: str, part: str) -> Format | None:
        """The format of a module such as `layers.3.self_attn.q_proj`."""
        if self._method is None:
            return None
        if part == "lm_head" and not self._stated.get("lm_head"):
            return None
        if self._method in _EXPERTS_ONLY and part != "experts":
            return None
        if part == "experts" and self._stated.get("expert_dtype") == "fp4" and not self._layers:
            return MXFP4
        if self._layers:
            # modules not named keep the checkpoint's other format, where it states one besides the mixed ones
            return next((self._layers[name] for name in _module_and_above(module) if name in self._layers), self._rest)
        if module in self._exact or any(pattern.search(module) for pattern in self._patterns):
            return None
        return self._whole

    def _names(self) -> list[str]:
        return [str(name) for key in _IGNORED for name in self._stated.get(key) or ()]

    def _default(self) -> Format | None:
        if self._method is None:
            return None
        stated, method = self._stated, self._method
        if _is_block(block := stated.get("weight_block_size")) and method in _BLOCKWISE:
            return Format(8, 4, block=int(block[0]))
        if method in ("awq", "gptq", "auto-round", "inc", "awq_marlin", "gptq_marlin", "auto_awq", "auto_gptq"):
            zeros = "awq" in method or stated.get("sym") is False
            return Format(_size(stated, "bits", 4), 2, group=max(0, _size(stated, "group_size", 128)), zeros=zeros)
        if method == "compressed-tensors":
            return _compressed(stated)
        if method == "bitsandbytes" and stated.get("load_in_8bit"):
            return INT8_CHANNEL
        algorithm = str(stated.get("quant_algo") or "").upper()
        return _MODELOPT.get(algorithm) or usual_format(method)

    def _doubts(self) -> Iterator[str]:
        """What in the checkpoint's own statements is impossible or not understood; each a sentence."""
        stated, method = self._stated, self._method
        if method is not None and self._whole is None and not self._layers:
            yield f"how {method} stores weights is not said by the checkpoint's config; planned unquantised"
        unread = [name for name in self._names() if name.startswith("re:") and _expression(name) is None]
        if unread:
            yield f"the checkpoint's config leaves modules out by {shown(unread[0])}, which is not read here"
        block = stated.get("weight_block_size")
        if block is not None and not (_is_block(block) and method in _BLOCKWISE):
            yield f"the checkpoint's config says {method} and weight_block_size at once; the latter is ignored"
        for part in (stated, _compressed_weights(stated)):
            for key in _SIZES:
                if part.get(key) is not None and not _possible(key, part[key]):
                    yield f"the checkpoint's config has {key} {shown(part[key])}, which cannot be; the usual is taken"

    def _mixed(self) -> dict[str, Format | None]:
        """ModelOpt's mixed precision: one algorithm for each module that is named."""
        layers = self._stated.get("quantized_layers")
        if not isinstance(layers, Mapping):
            return {}
        return {
            _without_expert(_inner(str(name))): _MODELOPT.get(
                str(entry.get("quant_algo") if isinstance(entry, Mapping) else entry).upper()
            )
            for name, entry in layers.items()
        }


def usual_format(method: str) -> Format | None:
    """How a method stores weights where no config says more: by its name, or by the name's first word (`awq_marlin`
    stores them like `awq`). None where it is not known."""
    return _BY_NAME.get(method) or _BY_NAME.get(method.partition("_")[0])


def _is_block(value: object) -> TypeGuard[Sequence[int]]:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(whole(side, 1) for side in value)


def _size(stated: Mapping[str, Any], key: str, usual: int) -> int:
    return _possible(key, stated.get(key)) or usual


def _possible(key: str, value: object) -> int:
    """A size that a checkpoint states, where it is possible; else 0."""
    least, most = _SIZES[key]
    size = whole(value, least) or 0
    return size if size <= most else 0


@lru_cache(maxsize=128)
def quantization_of(metadata: ModelMetadata, method: str | None = None) -> Quantization:
    """The quantisation of a checkpoint, or `method` applied while an unquantised one loads."""
    return Quantization(metadata, method)


class Grain(NamedTuple):
    """The smallest pieces into which tensor parallel can split a width; 0 where it does not matter: `block` for a
    checkpoint in blocks, `expert_block` for its experts, or `group` for one where only weights are quantised."""

    block: int = 0
    expert_block: int = 0
    group: int = 0


def grain(metadata: ModelMetadata) -> Grain:
    """How finely the checkpoint's quantisation lets its matrices be split."""
    stated = quantization_config(metadata.config, metadata.text_config)
    if stated is None:
        return Grain()
    blocks = stated.get("weight_block_size")
    if isinstance(blocks, (list, tuple)) and blocks and isinstance(blocks[0], int):
        # four-bit experts inside an fp8 checkpoint (DeepSeek-V4) have no such block
        return Grain(blocks[0], 0 if metadata.text_config.get("expert_dtype") == "fp4" else blocks[0])
    group = stated.get("group_size")
    if group is None and isinstance(schemes := stated.get("config_groups"), Mapping):
        weights = [scheme.get("weights") for scheme in schemes.values() if isinstance(scheme, Mapping)]
        group = next((weight.get("group_size") for weight in weights if isinstance(weight, Mapping)), None)
    return Grain(group=group if isinstance(group, int) and group > 0 else 0)


def activation_format(metadata: ModelMetadata) -> str:
    """Type of a compressed-tensors checkpoint's activations: `fp8`, `fp4`, `int8`, or `half` if not quantised."""
    stated = quantization_config(metadata.config, metadata.text_config)
    groups = stated.get("config_groups") if stated is not None else None
    for group in groups.values() if isinstance(groups, Mapping) else ():
        inputs = group.get("input_activations") if isinstance(group, Mapping) else None
        if isinstance(inputs, Mapping):
            known = {"float8": "fp8", "float4": "fp4", "int8": "int8"}
            return known.get(f"{inputs.get('type')}{inputs.get('num_bits')}", "half")
    return "half"


def kv_cache_scheme(metadata: ModelMetadata) -> str | None:
    """The cache type that a quantised checkpoint asks for, `fp8` or `nvfp4` (ModelOpt's or llm-compressor's scheme)."""
    stated = quantization_config(metadata.config, metadata.text_config)
    if stated is None:
        return None
    for place in (stated, _nested(stated)):
        scheme = place.get("kv_cache_scheme") or place.get("kv_cache_quant_algo")
        if isinstance(scheme, Mapping):
            return "nvfp4" if scheme.get("num_bits") == 4 else "fp8"
        if isinstance(scheme, str):
            return {"FP8": "fp8", "NVFP4": "nvfp4"}.get(scheme.upper())
    return None


def _nested(stated: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = stated.get("quantization")
    return inner if isinstance(inner, Mapping) else {}


def _compressed(stated: Mapping[str, Any]) -> Format | None:
    weights = _compressed_weights(stated)
    if not weights:
        return None
    bits, strategy, group = _size(weights, "num_bits", 8), weights.get("strategy"), _size(weights, "group_size", 0)
    if weights.get("type") == "float" and bits == 4:
        return MXFP4 if group == 32 else NVFP4
    if strategy == "block" and (block := weights.get("block_structure")):
        return Format(bits, 4, block=int(block[0]))
    if strategy == "tensor":
        return Format(bits, 8, per_tensor=True)
    scale = 4 if bits == 8 and not group else 2
    return Format(
        bits, scale, group=max(0, group) if strategy == "group" else 0, zeros=weights.get("symmetric") is False
    )


def _compressed_weights(stated: Mapping[str, Any]) -> Mapping[str, Any]:
    """How the first group of modules stores weights, as compressed-tensors states it; empty where it does not."""
    groups = stated.get("config_groups")
    first = next(iter(groups.values()), None) if isinstance(groups, Mapping) else None
    weights = first.get("weights") if isinstance(first, Mapping) else None
    return weights if isinstance(weights, Mapping) else {}


def _ignored(names: Sequence[str]) -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    """Modules that stay as they are: those named in full, and expressions for the others."""
    exact: set[str] = set()
    patterns = []
    for name in names:
        if name.startswith("re:"):
            if (pattern := _expression(name)) is not None:
                patterns.append(pattern)
        elif "*" in name:
            patterns.append(re.compile(fnmatch.translate(_inner(name)).replace(r"\Z", "").replace(r"\z", "")))
        elif re.search(r"\.\d+\.", name):
            exact.add(_without_expert(_inner(name)))
        else:
            patterns.append(re.compile(rf"(^|\.){re.escape(_inner(name))}($|\.)"))
    return frozenset(exact), tuple(patterns)


def _expression(name: str) -> re.Pattern[str] | None:
    """The regular expression behind `re:`; None where it is not one, or one that is not run here."""
    if _COSTLY.search(name):
        return None
    try:
        return re.compile(name.removeprefix("re:"))
    except (re.error, RecursionError, OverflowError):
        return None


def _inner(name: str) -> str:
    """A module's name without the parts around the decoder."""
    return _OUTER.sub("", name).replace("block_sparse_moe", "mlp").replace(".ffn.", ".mlp.")


def _module_and_above(module: str) -> Iterator[str]:
    """A module's name, then those of the modules that it is a part of."""
    while module:
        yield module
        module = module.rpartition(".")[0]


def _without_expert(name: str) -> str:
    return re.sub(r"\.experts\.\d+\..*$", ".experts", name)
