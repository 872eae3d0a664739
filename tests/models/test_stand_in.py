"""A config from a number of parameters."""

from __future__ import annotations

import pytest

from wizard_tui.models.load import metadata_from_count


@pytest.mark.parametrize("params_b", [0.5, 1.2, 3.2, 7.0, 8.0, 13.0, 34.0, 70.0, 123.0, 405.0])
def test_the_number_of_parameters_comes_out(params_b: float) -> None:
    metadata = metadata_from_count("org/unknown", params_b, "nothing is known")
    assert metadata.num_params == pytest.approx(params_b * 1e9, rel=0.02)
    assert metadata.source == "parameter count"
    assert metadata.model_id == "org/unknown"
    assert metadata.warnings == (
        f"nothing is known; the plan is a guess from {params_b:g} billion parameters in the shape of a Llama",
    )


def test_llama_8b_is_what_eight_billions_give() -> None:
    # https://huggingface.co/meta-llama/Llama-3.1-8B: 8.03 billion, width 14336
    metadata = metadata_from_count("m", 8.03, "")
    assert metadata.intermediate_size == 14336
    assert metadata.num_hidden_layers == 32
