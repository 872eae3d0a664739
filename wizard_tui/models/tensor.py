"""One tensor of a model, as the sharding and quantisation rules need to know it."""

from __future__ import annotations

from typing import NamedTuple


class Tensor(NamedTuple):
    """`rows` (outputs) x `columns` (inputs), `times` over.

    `split` is how tensor parallel divides it: `column` (its rows), `row` (its columns), `vocabulary` (its rows, padded
    to 64), `heads` (its rows, in `heads` pieces that are repeated when there are more GPUs than pieces), `experts_in`
    and `experts_out` (the rows or columns of every expert, or whole experts with expert parallel), `experts_whole` (not
    divided except with expert parallel), empty for a copy on every GPU. `linear` says that it may be quantised. `part`
    names its share of the weights' memory. `bytes_each` is set where the precision is fixed, `copied` where
    vLLM holds the same tensor of the checkpoint a second time, `absorbed` where latent attention needs it unquantised
    as well (mla_attention.py:process_weights_after_loading).
    """

    name: str
    part: str
    rows: int
    columns: int
    split: str = ""
    linear: bool = False
    times: int = 1
    heads: int = 0
    bytes_each: int | None = None
    copied: bool = False
    absorbed: bool = False
