"""How published points were served: the settings of InferenceX's recipes, and of offline maxima by their pages.

`data/published_settings.csv` is made by `tools/published_settings.py` from the recipes of InferenceX
(github.com/SemiAnalysisAI/InferenceX, Apache-2.0). A row holds from the day `since` on, for the lengths, parallelism
and users that it names; an empty cell is any, an empty setting the engine's default. Batched tokens are rounded down to
1,024. `speculative` is the method that a recipe drafts by, whatever its published rows call it: those of MiniMax M3 say
MTP and run EAGLE-3.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.settings import EngineSettings, recipe_kv_dtype

DATA = Path(__file__).parent / "data" / "published_settings.csv"
Key = tuple[str, str, str, str, bool]
"""Accelerator, engine, model, precision, and whether tokens are drafted."""
MATCHED = ("isl", "osl", "tp", "ep", "dp_attention")


class OfflineSource(NamedTuple):
    """A page of maximum throughputs: requests of a run by its lengths, and the most sequences of its engines."""

    requests: Mapping[tuple[int, int], int]
    max_num_seqs: int
    most_batched_tokens: int


OFFLINE: Mapping[str, OfflineSource] = {
    "trtllm-perf-overview": OfflineSource(
        {
            (128, 128): 30000,
            (128, 2048): 3000,
            (128, 4096): 1500,
            (500, 2000): 3000,
            (1000, 1000): 3000,
            (1000, 2000): 1500,
            (1024, 1024): 3000,
            (1024, 8192): 1500,
            (1024, 32768): 1000,
            (2048, 128): 3000,
            (2048, 2048): 1500,
            (5000, 500): 1500,
            (8192, 1024): 1500,
            (20000, 2000): 1000,
            (32768, 1024): 1000,
        },
        max_num_seqs=4096,
        most_batched_tokens=32768,
    )
}
"""The performance overview of TensorRT-LLM 1.0 and 1.2 (Apache-2.0): its table of requests, and the bounds that
trtllm-bench sets itself. MoE models run with attention data and expert parallelism on all GPUs (its `llm_options`)."""


class Drafts(NamedTuple):
    """How a recipe drafts: the method, and the tokens a step."""

    method: str
    tokens: int


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the table; None is any."""

    since: str
    conditions: tuple[int | None, ...]
    users: int | None
    settings: EngineSettings
    drafts: Drafts | None

    def matches(self, run: Sequence[int]) -> bool:
        return all(c is None or c == x for c, x in zip(self.conditions, run, strict=True))


@lru_cache(maxsize=32768)
def published_settings(deployment: Deployment, lengths: Lengths, users: float) -> EngineSettings:
    """How InferenceX serves a configuration of one node; else as it serves the same model elsewhere, or by default.

    That of the deployment's date, the newest without one. By default the cache is that of most of its recipes.
    """
    d = deployment
    if recipe := _recipe_of(d, lengths, users):
        return recipe.settings
    return _elsewhere(d.engine, d.model, d.precision) or _usual(d.precision)


@lru_cache(maxsize=32768)
def published_drafts(deployment: Deployment, lengths: Lengths, users: float) -> Drafts | None:
    """How InferenceX drafts for a configuration of one node that drafts; None where no recipe says."""
    recipe = _recipe_of(deployment, lengths, users)
    return recipe.drafts if recipe else None


@lru_cache(maxsize=1024)
def recipe_tokens(engine: str, core: str, model: str, method: str) -> tuple[int, ...]:
    """Tokens drafted a step in the recipes of a model and a method: with the engine, or else with its core."""
    rows = [(e, row.drafts) for (_, e, m, _, _), rows in _by_recipe().items() for row in rows if m == model]
    by_engine = {
        e: tuple(d.tokens for name, d in rows if name == e and d and d.method == method) for e in (engine, core)
    }
    return by_engine[engine] or by_engine[core]


def _recipe_of(d: Deployment, lengths: Lengths, users: float) -> _Row | None:
    run = (lengths.isl, lengths.osl, d.tp if d.tp > 1 else d.gpus, d.ep, int(d.dp_attention))
    return _of_recipe((d.accelerator, d.engine, d.model, d.precision, d.drafting), run, users, d.date)


def offline_settings(source: str, precision: str, isl: int, osl: int) -> EngineSettings:
    """How the engines of an offline maximum ran: at most `max_num_seqs`, in steps of as many tokens as these bring."""
    page = OFFLINE[source]
    tokens = min(page.max_num_seqs * (1 + isl / osl), page.most_batched_tokens)
    return EngineSettings(
        kv_dtype=recipe_kv_dtype(precision),
        max_num_seqs=page.max_num_seqs,
        max_batched_tokens=int(max(tokens, isl + page.max_num_seqs)),
    )


def offline_requests() -> list[tuple[str, int, int, float]]:
    """Requests of each offline run: source, lengths, number."""
    return [(name, isl, osl, float(n)) for name, page in OFFLINE.items() for (isl, osl), n in page.requests.items()]


def _of_recipe(key: Key, run: tuple[int, ...], users: float, date: str | None) -> _Row | None:
    """That of the last version by the date that matches, or else of the first; of the nearest load, upwards first."""
    versions = _matching(key, run)
    if not versions:
        return None
    since = max((day for day in versions if date is None or day <= date), default=min(versions))
    return min(
        versions[since], key=lambda r: (r.users is not None and r.users < users, abs((r.users or users) - users))
    )


@lru_cache(maxsize=16384)
def _matching(key: Key, run: tuple[int, ...]) -> Mapping[str, Sequence[_Row]]:
    """The rows of a recipe that hold for lengths and parallelism, by the day since."""
    versions: dict[str, list[_Row]] = {}
    for row in _by_recipe().get(key, ()):
        if row.matches(run):
            versions.setdefault(row.since, []).append(row)
    return versions


def _usual(precision: str) -> EngineSettings:
    return EngineSettings(kv_dtype=recipe_kv_dtype(precision))


@lru_cache(maxsize=4096)
def _elsewhere(engine: str, model: str, precision: str) -> EngineSettings | None:
    """What most recipes of a model under an engine tell the cache, whatever the accelerator."""
    types = [
        row.settings.kv_dtype
        for (_, e, m, p, _), rows in _by_recipe().items()
        for row in rows
        if (e, m, p) == (engine, model, precision)
    ]
    return EngineSettings(kv_dtype=max(set(types), key=lambda t: (types.count(t), str(t)))) if types else None


@cache
def _by_recipe() -> Mapping[Key, list[_Row]]:
    out: dict[Key, list[_Row]] = {}
    with DATA.open(encoding="utf-8", newline="") as lines:
        for r in csv.DictReader(lines):
            key = (r["accelerator"], r["engine"], r["model"], r["precision"], r["drafting"] == "True")
            conditions = tuple(_number(r[name]) for name in MATCHED)
            settings = EngineSettings(
                kv_dtype=r["kv_dtype"] or None,
                memory_utilization=float(r["memory_utilization"]) if r["memory_utilization"] else None,
                max_num_seqs=_number(r["max_num_seqs"]),
                max_batched_tokens=_number(r["max_batched_tokens"]),
                receive_interval=_number(r["receive_interval"]) or 1,
                batch_wait=_number(r["batch_wait"]) or 0,
            )
            tokens = _number(r["speculative_tokens"])
            drafts = Drafts(r["speculative"], tokens) if tokens else None
            out.setdefault(key, []).append(_Row(r["since"], conditions, _number(r["users"]), settings, drafts))
    return out


def _number(text: str) -> int | None:
    return {"True": 1, "False": 0}[text] if text in ("True", "False") else int(text) if text else None
