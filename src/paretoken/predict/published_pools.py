"""How the pools behind published disaggregated points were served: the settings of InferenceX's recipes.

`data/published_pools.csv` is made by `tools/published_pools.py` from the configurations of InferenceX
(github.com/SemiAnalysisAI/InferenceX) and the recipes that they name (github.com/NVIDIA/srt-slurm), both Apache-2.0. A
row holds for one layout and lengths from the day `since` to the day `until`, for the users that it names; an empty
setting is the engine's default. `speculative` is the method that a recipe drafts by, whatever its published rows call
it: those of MiniMax M3 say MTP and run EAGLE-3.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from paretoken.predict.deployment import Lengths
from paretoken.predict.pools.layout import Pools
from paretoken.predict.published_settings import Drafts
from paretoken.predict.settings import EngineSettings

DATA = Path(__file__).parent / "data" / "published_pools.csv"
LAST_DAY = "2026-07-19"
"""The last day of the runs whose medians over a period are shipped."""
Served = tuple[str, str, str, str, bool]
"""Accelerator, core, model, precision and drafting."""
Layout = tuple[int, ...]
"""ISL, OSL, then workers and GPUs of one, of prefill and of decode."""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Settings of one worker of each pool, and how both draft; None where no recipe drafts."""

    prefill: EngineSettings
    decode: EngineSettings
    drafts: Drafts | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Recipe:
    since: str
    until: str
    dp_attention: tuple[bool, bool]
    users: tuple[int, ...]
    settings: tuple[EngineSettings, EngineSettings]
    drafts: Drafts | None

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


def published_pools(pools: Pools, lengths: Lengths, users: float) -> PoolSettings:
    """How InferenceX serves a layout: by the nearest day to the deployment's, the most usual without one.

    Settings are the engine's defaults where no recipe of the layout states any. Where none drafts, the workers draft as
    most recipes of the same accelerator, core, model and precision do.
    """
    p, d = pools.prefill, pools.decode
    served = (d.accelerator, d.engine, d.model, d.precision, d.drafting)
    layout = (lengths.isl, lengths.osl, pools.prefill_workers, p.gpus, pools.decode_workers, d.gpus)
    sides = (p.dp_attention, d.dp_attention)
    recipes = _by_layout().get(served, {}).get(layout, ())
    nearest = sorted(recipes, key=lambda r: r.distance(sides, users, d.date))
    prefill, decode = next((r.settings for r in nearest if r.settings != _DEFAULTS), _DEFAULTS)
    drafts = next((r.drafts for r in nearest if r.drafts), None)
    return PoolSettings(prefill, decode, drafts or _usual_drafts(served))


def _days(since: str, until: str) -> int:
    return (date.fromisoformat(until) - date.fromisoformat(since)).days


@cache
def _usual_drafts(served: Served) -> Drafts | None:
    """How most recipes draft; of two as usual, the fewer tokens."""
    recipes = [r for rows in _by_layout().get(served, {}).values() for r in rows]
    counts = Counter(r.drafts for r in recipes if r.drafts)
    return max(counts, key=lambda drafts: (counts[drafts], -drafts.tokens), default=None)


@cache
def _by_layout() -> Mapping[Served, Mapping[Layout, list[_Recipe]]]:
    out: dict[Served, dict[Layout, list[_Recipe]]] = {}
    layout = ("isl", "osl", "prefill_workers", "prefill_gpus", "decode_workers", "decode_gpus")
    with DATA.open(encoding="utf-8", newline="") as lines:
        for r in csv.DictReader(lines):
            served = (r["accelerator"], r["engine"], r["model"], r["precision"], r["drafting"] == "True")
            rows = out.setdefault(served, {}).setdefault(tuple(int(r[name]) for name in layout), [])
            rows.append(_recipe(r))
    return out


def _recipe(r: Mapping[str, str]) -> _Recipe:
    tokens = _count(r["speculative_tokens"])
    return _Recipe(
        since=r["since"],
        until=r["until"] or "9999-12-31",
        dp_attention=(r["prefill_dp_attention"] == "True", r["decode_dp_attention"] == "True"),
        users=tuple(int(n) for n in r["users"].split()),
        settings=(_side(r, "prefill"), _side(r, "decode")),
        drafts=Drafts(r["speculative"], tokens) if tokens else None,
    )


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


_DEFAULTS = (EngineSettings(), EngineSettings())
