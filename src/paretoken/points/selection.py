"""Which points take part in a comparison, and which one represents a configuration that several sources hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from paretoken.points.schema import CONFIGURATION_AT_LENGTHS

Axis = Literal["e2e", "interactivity"]
Serving = Literal["single-node", "any"]
Speculative = Literal["none", "any"]
AXES: tuple[Axis, ...] = ("e2e", "interactivity")
AXIS_COLUMN: dict[Axis, str] = {"e2e": "e2e_s", "interactivity": "central_tpot_s"}
"""The latency column of each axis, in seconds; interactivity is 1 / TPOT and is interpolated in TPOT."""

NODE_GPUS = 8
"""The most GPUs of a node, for rows that do not say whether they span several."""

_SAME_IF_UNSTATED = {"speculative": "none", "multinode": False, "disaggregated": False, "dp_attention": False, "ep": 1}
_LOAD = ("load_kind", "concurrency", "request_rate", "origin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Points of one model, precision and pair of nominal lengths.

    `serving` "single-node" keeps one pool on one node (like for like); "any" adds disaggregated and
    multi-node serving. `speculative` "none" leaves speculative decoding out. Fields of None ask for all.
    """

    model: str
    precision: str | None
    isl: int
    osl: int
    serving: Serving = "single-node"
    speculative: Speculative = "none"
    origins: tuple[str, ...] | None = None
    accelerators: tuple[str, ...] | None = None
    engines: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    suspicious: bool = False

    def of_model(self) -> pl.Expr:
        """Rows of the model, precision and lengths, whatever their serving."""
        rows = (pl.col("model") == self.model) & (pl.col("isl") == self.isl) & (pl.col("osl") == self.osl)
        return rows & (pl.col("precision") == self.precision) if self.precision else rows

    def of_serving(self) -> pl.Expr:
        """Rows of the chosen serving.

        A row that does not say is taken as plain, but as multi-node if it has more GPUs than a node.
        """
        keep = pl.lit(True)
        if self.serving == "single-node":
            multinode = pl.coalesce("multinode", (pl.col("n_gpus") > NODE_GPUS).fill_null(False))
            keep &= ~pl.col("disaggregated").fill_null(False) & ~multinode
        if self.speculative == "none":
            keep &= pl.col("speculative").fill_null("none") == "none"
        return keep

    def of_choice(self) -> pl.Expr:
        """Rows of the chosen origins, accelerators, engines and sources, without the suspicious ones."""
        keep = pl.lit(True)
        for column in ("origin", "accelerator", "engine", "source"):
            chosen = getattr(self, f"{column}s")
            if chosen is not None:
                keep &= pl.col(column).is_in(chosen)
        return keep if self.suspicious else keep & pl.col("suspicious").is_null()

    def select(self, points: pl.DataFrame) -> pl.DataFrame:
        """The rows that answer, one for each configuration and load."""
        return one_per_load(points.filter(self.of_model() & self.of_serving() & self.of_choice()))


def one_per_load(points: pl.DataFrame) -> pl.DataFrame:
    """One row for each configuration, load and origin, so that no run counts twice.

    Several sources hold the same runs. Of rows that agree in configuration and load the one with a
    measured E2E latency is kept, then one whose throughput is stated, then the latest.
    """
    plain = [
        (pl.col(c).fill_null(_SAME_IF_UNSTATED[c]) if c in _SAME_IF_UNSTATED else pl.col(c)).alias(f"_{c}")
        for c in (*CONFIGURATION_AT_LENGTHS, *_LOAD)
    ]
    keys = [f"_{c}" for c in (*CONFIGURATION_AT_LENGTHS, *_LOAD)]
    order = [pl.col("e2e_basis") == "measured", pl.col("tput_basis") == "stated", pl.col("date").str.slice(-10)]
    ranked = points.with_columns(*plain).sort(*order, descending=True, nulls_last=True, maintain_order=True)
    return ranked.unique(keys, keep="first", maintain_order=True).drop(keys)
