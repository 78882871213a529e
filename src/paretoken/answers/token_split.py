"""One hour of a GPU split between input and output tokens: at a ratio of prices, or by the GPU time they take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig, ParetokenError, quoted
from paretoken.predict.phases import PREDICTED_TIME, PhaseShares, shares_of_point
from paretoken.prices.cost import cached_usd_per_mtok, phase_usd_per_mtok, split_usd_per_mtok

COMPUTE = "compute"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSplit:
    """USD per million tokens of each kind; input and output tokens together pay for the hour exactly.

    `prefill_share` is the share of the hour that input tokens pay. `cached_input_usd_per_mtok` is what an input token
    read from the cache still costs, its KV entries in decode: a part of what output tokens pay, None where unknown.
    """

    prefill_share: float
    input_usd_per_mtok: float
    output_usd_per_mtok: float
    cached_input_usd_per_mtok: float | None
    basis: str

    @property
    def predicted(self) -> bool:
        """Whether the shares of input and output tokens are predicted, whatever the origin of the point."""
        return self.basis.startswith(PREDICTED_TIME)


def price_ratio(split: str) -> float | None:
    """The ratio of `ratio:4`, output to input; None for `compute`. BadConfig for anything else."""
    if split == COMPUTE:
        return None
    kind, _, number = split.partition(":")
    try:
        ratio = float(number)
    except ValueError:
        ratio = 0.0
    if kind != "ratio" or not 0 < ratio < inf:
        raise BadConfig(
            f"split {quoted(split)} is not one; write compute, or the price of an output token over that of an input "
            "token, as in ratio:4"
        )
    return ratio


def splittable(point: Mapping[str, Any], split: str, catalog: Catalog) -> PhaseShares | float | str:
    """What a prepared point is split by: shares of GPU time, or a ratio of prices; else the reason why it cannot be."""
    ratio = price_ratio(split)
    if ratio is not None:
        return ratio
    try:
        return shares_of_point(point, catalog)
    except ParetokenError as e:
        return str(e)


def token_split(
    point: Mapping[str, Any], usd_per_gpu_h: float, by: PhaseShares | float, serving_load: float = 1.0
) -> TokenSplit:
    """The split of a prepared point at a price, by the shares of its phases or at a ratio of prices."""
    isl, osl = point["mean_isl"] or point["isl"], point["mean_osl"] or point["osl"]
    inputs, outputs, by_lengths = _throughputs(point, isl, osl)
    if not isinstance(by, PhaseShares):
        input_usd, output_usd = split_usd_per_mtok(usd_per_gpu_h, inputs, outputs, by, serving_load)
        return TokenSplit(
            prefill_share=inputs / (inputs + by * outputs),
            input_usd_per_mtok=input_usd,
            output_usd_per_mtok=output_usd,
            cached_input_usd_per_mtok=None,
            basis=f"an output token costs {by:g} input tokens{by_lengths}",
        )
    input_usd, output_usd = phase_usd_per_mtok(usd_per_gpu_h, inputs, outputs, by.prefill_share, serving_load)
    return TokenSplit(
        prefill_share=by.prefill_share,
        input_usd_per_mtok=input_usd,
        output_usd_per_mtok=output_usd,
        cached_input_usd_per_mtok=by.kv_share and cached_usd_per_mtok(output_usd, by.kv_share, isl, osl),
        basis=f"{by.basis}{by_lengths}",
    )


def _throughputs(point: Mapping[str, Any], isl: float, osl: float) -> tuple[float, float, str]:
    """(input tok/s/GPU, output tok/s/GPU, a word on where they come from): stated, or the total by the lengths."""
    inputs, outputs, total = (point[f"{side}tput_per_gpu"] for side in ("input_", "output_", ""))
    if inputs and outputs:
        return inputs, outputs, ""
    return total * isl / (isl + osl), total * osl / (isl + osl), "; total throughput divided by the lengths"
