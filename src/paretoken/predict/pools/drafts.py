"""How many tokens disaggregated servers of published points draft a step, by their public recipes.

`data/pooled_drafts.csv` is made by `tools/pooled_drafts.py` from the lists of InferenceX and the recipes of srt-slurm
(both Apache-2.0). A row holds for one layout, lengths and number of users.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from paretoken.predict.deployment import Deployment
from paretoken.predict.pools.layout import PooledCase
from paretoken.predict.published_settings import Drafts

DATA = Path(__file__).parent.parent / "data" / "pooled_drafts.csv"
Recipe = tuple[str, ...]
"""Engine, accelerator, model and precision."""


class _DraftRow(NamedTuple):
    """What one recipe drafts; `layout` are the lengths, then workers and GPUs of a worker of either pool."""

    layout: tuple[int, ...]
    users: int
    drafts: Drafts


def pooled_drafts(case: PooledCase) -> Drafts | None:
    """How a recipe of the layout drafts, at the nearest number of users; else most recipes of the deployment.

    None where no recipe serves the model so.
    """
    pools = case.pools
    d = pools.decode
    rows = _by_recipe().get((pools.engine, d.accelerator, d.model, d.precision), ())
    prefill, decode = (pools.prefill_workers, pools.prefill.gpus), (pools.decode_workers, d.gpus)
    layout = (case.lengths.isl, case.lengths.osl, *prefill, *decode)
    if alike := [r for r in rows if r.layout == layout]:
        return min(alike, key=lambda r: (abs(r.users - case.concurrency), r.users)).drafts
    return _most(rows) or _most(_elsewhere(pools.engine, d.model))


def with_published_drafts(case: PooledCase) -> PooledCase:
    """A published case with what its recipe drafts, where its points name a method but no number of tokens."""
    decode = case.pools.decode
    if not decode.drafting or decode.speculative_tokens is not None or (drafts := pooled_drafts(case)) is None:
        return case
    pools = replace(
        case.pools, prefill=_drafting(case.pools.prefill, drafts), decode=_drafting(case.pools.decode, drafts)
    )
    return replace(case, pools=pools)


def _drafting(worker: Deployment, drafts: Drafts) -> Deployment:
    return replace(worker, speculative=drafts.method, speculative_tokens=drafts.tokens) if worker.drafting else worker


def _most(rows: Sequence[_DraftRow]) -> Drafts | None:
    counts = Counter(r.drafts for r in rows)
    return max(counts.items(), key=lambda item: (item[1], -item[0].tokens))[0] if counts else None


def _elsewhere(engine: str, model: str) -> list[_DraftRow]:
    """The recipes of an engine and a model on any accelerator, in any precision."""
    return [r for (e, _, m, _), rows in _by_recipe().items() for r in rows if (e, m) == (engine, model)]


@cache
def _by_recipe() -> Mapping[Recipe, list[_DraftRow]]:
    out: dict[Recipe, list[_DraftRow]] = {}
    layout = ("isl", "osl", "prefill_workers", "prefill_gpus", "decode_workers", "decode_gpus")
    with DATA.open(encoding="utf-8", newline="") as lines:
        for r in csv.DictReader(lines):
            drafts = Drafts(r["speculative"], int(r["speculative_tokens"]))
            row = _DraftRow(tuple(int(r[name]) for name in layout), int(r["users"]), drafts)
            out.setdefault((r["engine"], r["accelerator"], r["model"], r["precision"]), []).append(row)
    return out
