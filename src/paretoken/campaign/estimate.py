"""What a cell needs, before it runs: a lower bound of its memory, and how long a point takes.

`Estimate` is the seam: `RuleEstimate` needs only the catalog and the ends of the levels, `PredictedEstimate` asks the
predictor too. Memory is a lower bound on purpose, so that no cell is refused that could run: weights without scales,
an FP8 cache. The predictor (`predict.columns`) counts both in full.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from paretoken.bench.plan import Closed, Load
from paretoken.bench.workload.ladder import Until, parse_until
from paretoken.campaign.config import Campaign
from paretoken.campaign.matrix import MatrixCell
from paretoken.catalog.entries import Model
from paretoken.catalog.loader import Catalog
from paretoken.engines.request import longest_of
from paretoken.errors import ParetokenError
from paretoken.predict.configure import case
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.operations import operations
from paretoken.predict.predictor import predict_cases

BYTES_PER_WEIGHT = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.5, "int4": 0.5}
"""Lower bounds: scales, and layers kept in a higher precision, come on top."""
KV_BYTES = 1.0
"""Bytes of one cached value, at least: FP8."""


class Estimate(Protocol):
    """What a cell needs; None where that is not known."""

    def memory_gb(self, cell: MatrixCell) -> float | None:
        """GB (10^9 bytes) that its server needs at least over all its GPUs: weights and the longest request."""
        ...

    def point_s(self, cell: MatrixCell, load: Load) -> float | None:
        """Seconds that one load level takes, warm-up included."""
        ...


@dataclass(frozen=True, slots=True)
class RuleEstimate:
    """Estimates from the catalog and the ends of the levels alone."""

    campaign: Campaign
    catalog: Catalog

    def memory_gb(self, cell: MatrixCell) -> float | None:
        name, precision = cell.serving.model, cell.serving.precision
        if name not in self.catalog.models or precision not in BYTES_PER_WEIGHT:
            return None
        model = self.catalog.models[name]
        return model.params_total_b * BYTES_PER_WEIGHT[precision] + kv_gb(
            model, longest_of(self.catalog, cell.workload)
        )

    def point_s(self, cell: MatrixCell, load: Load) -> float | None:
        if not isinstance(load, Closed):
            return float(load.due_s[-1]) if len(load.due_s) else 0.0
        return until_of(self.campaign).seconds


@dataclass(frozen=True, slots=True)
class PredictedEstimate(RuleEstimate):
    """The rules, and the predictor for levels that end after a number of requests."""

    def point_s(self, cell: MatrixCell, load: Load) -> float | None:
        seconds = RuleEstimate.point_s(self, cell, load)
        requests = until_of(self.campaign).requests
        if seconds is not None or requests is None or not isinstance(load, Closed):
            return seconds
        s = cell.serving
        try:
            lengths = self.catalog.workload(cell.workload)
            gpus = max(s.tp, s.ep)
            one = case(
                Deployment(
                    accelerator=s.accelerator,
                    model=s.model,
                    precision=s.precision,
                    engine=s.engine,
                    gpus=gpus,
                    tp=s.tp,
                    ep=s.ep,
                    dp_attention=s.dp_attention,
                ),
                Lengths(lengths.isl, lengths.osl, 0.8),
                load.users,
                catalog=self.catalog,
            )
            e2e_s = float(predict_cases([one], catalog=self.catalog).e2e_s[0])
        except ParetokenError:
            return None
        return e2e_s * max(requests / load.users, 1.0)


def kv_gb(model: Model, tokens: int) -> float:
    """GB of keys and values of one request, at least: without layers that look back only a window.

    0 where the catalog lacks the shapes.
    """
    if not (model.mla or model.kv_values_per_token or (model.kv_heads and model.head_dim)):
        return 0.0
    shapes = operations(model)
    return shapes.kv_values * (1 - shapes.windowed) * tokens * KV_BYTES / 1e9


def until_of(campaign: Campaign) -> Until:
    """When each level of a campaign ends; empty where [bench] does not say."""
    until = campaign.bench.get("until")
    return parse_until(str(until)) if until else Until()
