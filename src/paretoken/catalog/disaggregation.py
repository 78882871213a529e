"""Disaggregated serving by one engine: which layouts its KV cache transfer supports, and how its pools are launched."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from paretoken.catalog.entries import Accelerator
from paretoken.catalog.pool_recipe import PoolRecipe
from paretoken.errors import BadConfig
from paretoken.plural import counted

Split = Literal["same", "fan-out", "unreplicated", "multiple", "any"]
"""Attention TP of prefill (P) and decode workers (D): the same; D a multiple of P; either a multiple of the other,
where P > D needs a KV head for each GPU of P; either a multiple of the other; any."""
Stages = Literal["none", "prefill", "same or one", "any"]
"""Pipeline stages: in no pool; in prefill workers; as many in decode workers as in prefill workers, or one; any."""


class KvExchange(BaseModel):
    """What a KV cache transfer supports from a day on; an absent key keeps the value of the table before.

    A key that no table sets is not checked, since the documentation does not say.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    since: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    version: str = ""
    source: str
    latent: Split | None = Field(
        None, description="attention TP where each GPU of a worker caches everything: MLA, or one KV head"
    )
    heads: Split | None = Field(None, description="attention TP where the GPUs of a worker share the KV heads")
    windows: Split | None = Field(None, description="the same for layers with a window, where KV heads are shared")
    states: Split | None = Field(None, description="attention TP of models with recurrent layers")
    attention_dp: Literal["same", "any"] | None = Field(
        None, description="attention data parallelism: in both pools or none, or in any"
    )
    stages: Stages | None = None


class Disaggregation(BaseModel):
    """Separate prefill and decode pools of an engine. A part that an orchestrator omits is that of its core."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    exchange: tuple[KvExchange, ...] = Field((), description="oldest first; the first also covers earlier days")
    launch: PoolRecipe | None = None

    @field_validator("exchange")
    @classmethod
    def _in_order(cls, tables: tuple[KvExchange, ...]) -> tuple[KvExchange, ...]:
        days = [t.since for t in tables]
        if days != sorted(set(days)):
            raise ValueError("the tables of the exchange must be in order, one for each day")
        return tables

    def exchange_on(self, date: str | None) -> KvExchange | None:
        """What the transfer supports on a day (ISO), by default the newest; None if nothing is documented."""
        merged: KvExchange | None = None
        for table in self.exchange:
            if merged is None:
                merged = table
            elif date is None or table.since <= date:
                merged = merged.model_copy(update={k: getattr(table, k) for k in table.model_fields_set})
        return merged


def worker_nodes(pool: str, gpus: int, name: str, accelerator: Accelerator) -> int:
    """Nodes of a worker of a pool; BadConfig if it neither shares a node evenly with others nor fills whole ones."""
    node = accelerator.gpus_per_node
    if node % gpus and gpus % node:
        below = max(n for n in range(1, gpus) if node % n == 0 or n % node == 0)
        above = next(n for n in range(gpus, gpus + node + 1) if node % n == 0 or n % node == 0)
        raise BadConfig(
            f"{counted(gpus, 'GPU')} of a {pool} worker do not divide evenly over nodes of {node} GPUs of {name}; "
            f"use {below} or {above}"
        )
    return max(gpus // node, 1)
