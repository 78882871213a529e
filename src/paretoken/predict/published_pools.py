"""How the pools behind published disaggregated points were served: the settings of InferenceX's recipes.

`data/published_pools.csv` is made by `tools/published_pools.py` from the configurations of InferenceX
(github.com/SemiAnalysisAI/InferenceX) and the recipes that they name (github.com/NVIDIA/srt-slurm), both Apache-2.0. A
row holds for one layout and lengths from the day `since` to the day `until`, for the users that it names; an empty
setting is the engine's default.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from paretoken.predict.deployment import Lengths
from paretoken.predict.pools.layout import Pools
from paretoken.predict.settings import EngineSettings

DATA = Path(__file__).parent / "data" / "published_pools.csv"
LAST_DAY = "2026-07-19"
"""The last day of the runs whose medians over a period are shipped."""
Key = tuple[str, str, str, str, bool, int, int, int, int, int, int]
"""Accelerator, core, model, precision, drafting, ISL, OSL, then workers and GPUs of one, of prefill and of decode."""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Settings of one worker of each pool, and the tokens drafted in a step; None is the engine's default."""

    prefill: EngineSettings
    decode: EngineSettings
    draft_tokens: int | None


@dataclass(frozen=True, slots=True)
class _Recipe:
    since: str
    until: str
    dp_attention: tuple[bool, bool]
    users: tuple[int, ...]
    settings: PoolSettings

    def distance(self, dp_attention: tuple[bool, bool], users: float, day: str | None) -> tuple[float, ...]:
        """How unlike a run is, what matters most first; without a day, that of a median over all runs."""
        ours, theirs = dp_attention[1], self.dp_attention[1]
        away = min(abs(math.log(n / users)) for n in self.users)
        return (ours != theirs, away > 0, dp_attention != self.dp_attention, away, self._days_away(day))

    def _days_away(self, day: str | None) -> int:
        """Days between a run and the settings; of a median, those of its period without them."""
        if day is None:
            return -_days(self.since, min(self.until, LAST_DAY))
        return max(_days(day, self.since), _days(self.until, day), 0)


def published_pools(pools: Pools, lengths: Lengths, users: float) -> PoolSettings | None:
    """How InferenceX serves a layout: by the nearest day to the deployment's, the most usual without one."""
    p, d = pools.prefill, pools.decode
    workers = (pools.prefill_workers, p.gpus, pools.decode_workers, d.gpus)
    key = (d.accelerator, d.engine, d.model, d.precision, d.drafting, lengths.isl, lengths.osl, *workers)
    rows = _by_layout().get(key, [])
    sides = (p.dp_attention, d.dp_attention)
    return min(rows, key=lambda r: r.distance(sides, users, d.date)).settings if rows else None


def _days(since: str, until: str) -> int:
    return (date.fromisoformat(until) - date.fromisoformat(since)).days


@cache
def _by_layout() -> Mapping[Key, list[_Recipe]]:
    out: dict[Key, list[_Recipe]] = {}
    with DATA.open(encoding="utf-8", newline="") as lines:
        for r in csv.DictReader(lines):
            key = (
                r["accelerator"],
                r["engine"],
                r["model"],
                r["precision"],
                r["drafting"] == "True",
                int(r["isl"]),
                int(r["osl"]),
                int(r["prefill_workers"]),
                int(r["prefill_gpus"]),
                int(r["decode_workers"]),
                int(r["decode_gpus"]),
            )
            settings = PoolSettings(_side(r, "prefill"), _side(r, "decode"), _count(r["draft_tokens"]))
            if settings == _NONE:
                continue
            flags = (r["prefill_dp_attention"] == "True", r["decode_dp_attention"] == "True")
            users = tuple(int(n) for n in r["users"].split())
            out.setdefault(key, []).append(_Recipe(r["since"], r["until"] or "9999-12-31", flags, users, settings))
    return out


def _side(r: Mapping[str, str], side: str) -> EngineSettings:
    share = r[f"{side}_memory_utilization"]
    return EngineSettings(
        kv_dtype=r[f"{side}_kv_dtype"] or None,
        memory_utilization=float(share) if share else None,
        max_num_seqs=_count(r[f"{side}_max_num_seqs"]),
        max_batched_tokens=_count(r.get(f"{side}_max_batched_tokens", "")),
        redundant_experts=_count(r[f"{side}_redundant_experts"]) or 0,
    )


def _count(text: str) -> int | None:
    return int(text) if text else None


_NONE = PoolSettings(EngineSettings(), EngineSettings(), None)
