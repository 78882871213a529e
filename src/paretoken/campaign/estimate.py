"""What is known of a cell before it runs: the memory it needs at least, and how long a point takes.

`Estimate` is the seam: `Rules` needs nothing but the catalog and the ends of the levels; a simulator answers more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from paretoken.bench.plan import Closed, Load
from paretoken.bench.workload.ladder import Until, parse_until
from paretoken.campaign.config import Campaign
from paretoken.campaign.matrix import Cell
from paretoken.campaign.serve import longest_of
from paretoken.catalog.entries import Model
from paretoken.catalog.loader import Catalog
from paretoken.errors import ParetokenError
from paretoken.predict.configure import case
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.predictor import predict_cases

BYTES_PER_WEIGHT = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.5, "int4": 0.5}
"""At least: scales, and layers kept in a higher precision, come on top."""
KV_BYTES = 1.0
"""Per element of a key or value, at least: fp8."""


class Estimate(Protocol):
    """What can be said of a cell beforehand; None where nothing can."""

    def memory_gb(self, cell: Cell) -> float | None:
        """GB (10^9 bytes) that its server needs at least over all its GPUs: weights and one longest request."""

    def point_s(self, cell: Cell, load: Load) -> float | None:
        """Seconds that one load level takes, warm-up included."""


@dataclass(frozen=True, slots=True)
class Rules:
    """From the catalog and the ends of the levels alone."""

    campaign: Campaign
    catalog: Catalog

    def memory_gb(self, cell: Cell) -> float | None:
        name, precision = cell.serving.model, cell.serving.precision
        if name not in self.catalog.models or precision not in BYTES_PER_WEIGHT:
            return None
        model = self.catalog.models[name]
        return model.params_total_b * BYTES_PER_WEIGHT[precision] + kv_gb(
            model, longest_of(self.catalog, cell.workload)
        )

    def point_s(self, cell: Cell, load: Load) -> float | None:
        if not isinstance(load, Closed):
            return float(load.due_s[-1]) if len(load.due_s) else 0.0
        text = self.campaign.bench.get("until")
        until = parse_until(text) if text else Until()
        return until.seconds


@dataclass(frozen=True, slots=True)
class Simulated(Rules):
    """The rules, and where they are silent the predictor: how long the requests of a level take."""

    def point_s(self, cell: Cell, load: Load) -> float | None:
        known = Rules.point_s(self, cell, load)
        text = self.campaign.bench.get("until")
        requests = parse_until(text).requests if text else None
        if known is not None or requests is None or not isinstance(load, Closed):
            return known
        s = cell.serving
        try:
            lengths = self.catalog.workload(cell.workload)
            gpus = max(s.tp, s.ep)
            asked = case(
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
            e2e_s = float(predict_cases([asked], catalog=self.catalog).e2e_s[0])
        except ParetokenError:
            return None
        return e2e_s * max(requests / load.users, 1.0)


def kv_gb(model: Model, tokens: int) -> float:
    """GB of keys and values of one request, at least; 0 where the catalog lacks the shapes."""
    full = model.layers - (model.linear_attention_layers or 0)
    if model.mla is not None:
        per_token = full * (model.mla.kv_lora_rank + model.mla.qk_rope_head_dim)
    elif model.kv_heads and model.head_dim:
        per_token = (full - (model.sliding_layers or 0)) * 2 * model.kv_heads * model.head_dim
    else:
        return 0.0
    return per_token * tokens * KV_BYTES / 1e9
