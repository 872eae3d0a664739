"""How checkpoints say that they are quantised, and what is made of words that cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.quantized import FP8_BLOCK, MXFP4, NVFP4, Format, Quantization, quantization_of

SHAPE = {
    "model_type": "llama",
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 512,
}


def quantization(**stated: Any) -> Quantization:
    return quantization_of(
        metadata_from_config({**SHAPE, "quantization_config": stated}, model_id="m", source="config")
    )


@pytest.mark.parametrize(
    ("stated", "form"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, FP8_BLOCK),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, Format(4, 2, group=128, zeros=True)),
        ({"quant_method": "gptq", "bits": 8, "group_size": 32}, Format(8, 2, group=32)),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, Format(4, 4, group=64)),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, Format(8, 4)),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, NVFP4),
    ],
)
def test_formats(stated: dict[str, Any], form: Format) -> None:
    found = quantization(**stated)
    assert found.format_of("layers.0.mlp.up_proj", "mlp") == form
    assert found.format_of("lm_head", "lm_head") is None
    assert found.doubts == ()


def compressed(**weights: Any) -> dict[str, Any]:
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 8, **weights}}}}


# bytes of a matrix of 4096 x 4096: https://docs.vllm.ai (quantisation) and the files of such checkpoints
@pytest.mark.parametrize(
    ("form", "size"),
    [
        (Format(4, 2, group=128, zeros=True), 8_388_608 + 131_072 * 2 + 131_072 // 2),
        (FP8_BLOCK, 16_777_216 + 32 * 32 * 4),
        (NVFP4, 8_388_608 + 4096 * 256),
        (MXFP4, 8_388_608 + 4096 * 128),
        (Format(8, 4), 16_777_216 + 4096 * 4),
    ],
)
def test_sizes(form: Format, size: int) -> None:
    assert form.stored_bytes(4096, 4096) == size


@pytest.mark.parametrize(
    ("stated", "doubt"),
    [
        ({"quant_method": "awq", "bits": 4, "weight_block_size": [128, 128]}, "awq and weight_block_size at once"),
        ({"quant_method": "fp8", "weight_block_size": [128]}, "weight_block_size"),
        ({"quant_method": "fp8", "weight_block_size": [0, 0]}, "weight_block_size"),
        ({"quant_method": "gptq", "bits": "four"}, "bits 'four', which cannot be; the usual is taken"),
        ({"quant_method": "gptq", "bits": -4}, "bits -4, which cannot be"),
        ({"quant_method": "awq", "bits": True}, "bits True, which cannot be"),
        ({"quant_method": "awq", "bits": 10**400}, "bits 1000"),
        ({"quant_method": "gptq", "group_size": 0}, "group_size 0, which cannot be"),
        ({"quant_method": "gptq", "group_size": -128}, "group_size -128, which cannot be"),
        (compressed(num_bits=-8), "num_bits -8, which cannot be"),
        (compressed(strategy="group", group_size="x"), "group_size 'x', which cannot be"),
        ({"quant_method": "compressed-tensors"}, "how compressed-tensors stores weights"),
        ({"quant_method": "never_seen"}, "how never_seen stores weights"),
    ],
)
def test_words_that_cannot_be_are_told(stated: dict[str, Any], doubt: str) -> None:
    found = quantization(**stated)
    assert any(doubt in line for line in found.doubts)
    form = found.format_of("layers.0.mlp.up_proj", "mlp")
    assert form is None or form.stored_bytes(4096, 4096) > 0


def test_a_group_of_minus_one_is_a_whole_row() -> None:
    found = quantization(quant_method="gptq", bits=8, group_size=-1)
    assert found.doubts == ()
    assert found.format_of("layers.0.mlp.up_proj", "mlp") == Format(8, 2)


def test_no_checkpoint_of_the_catalogue_is_doubted() -> None:
    from wizard_tui.models import catalog

    doubted = {entry.id: quantization_of(load_model_metadata(entry.id)).doubts for entry in catalog.entries()}
    assert {name: lines for name, lines in doubted.items() if lines} == {}
