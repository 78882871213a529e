"""What may differ from the base constants, and between which cases: the design of the calibration.

ln(multiplier of a term) is a sum of effects, each shared by all cases that agree in one *level* (all of them,
those of an architecture, of an engine, of an engine on a model, …) and weighted by a *covariate* (1, or how far
the load, the lengths or the GPU count are from a middle). Every effect has a prior deviation around zero: what
the data do not tell apart stays with the wider level, and a level never seen contributes nothing. Three more sums
stretch all times alike (`pace`), the first token alone (`first`), and a whole run (`run`: a public harness draws the
same lengths every time, so each workload and load has a mean of its own). Which effects there are, and how far each
is expected to be from zero, is `data/deviations.toml`, made by `tools/tune_deviations.py`.
The age of an engine enters as steps at the months since the published runs began; a row that spans months gets
the share that lies behind each step. A median over all runs of a configuration stands where most of its runs were,
early or late, so each has effects of its own besides (`…+period`).
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from math import log2
from pathlib import Path
from typing import NamedTuple

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.predict.deployment import Case
from paretoken.predict.steady import TIMES

OWN = ("site", "cell", "split", "curve", "load")
"""Levels whose groups lie within one accelerator."""
KEPT = 0.1
PACE, FIRST, RUN = FACTORS = ("pace", "first", "run")
"""The sums beside those of the terms: ln of factors on times."""
STRETCHED = np.array([[1, "ttft" in name, name == "run"] for name in TIMES], dtype=float)
"""Which of the factors stretch a time of the steady state, shape (times, factors)."""
ANY_DAY = "*"
HIDDEN, EXPERT = 5120, 2048
"""The middle of hidden and expert sizes: effects of size count from there."""
PERIOD = (dt.date(2025, 9, 29), dt.date(2026, 7, 19))
"""The span of published medians over all dates."""
MONTHS = tuple(dt.date(2025 + m // 12, m % 12 + 1, 1) for m in range(9, 23))
"""Starts of the months at which an engine may have become faster, 2025-10 to 2026-11."""
_MONTH_NAMES = tuple(f"{m:%Y-%m}" for m in MONTHS)

DEVIATIONS = Path(__file__).parent.parent / "data" / "deviations.toml"


@cache
def deviations() -> Mapping[str, Mapping[str, float]]:
    """Per term the effects and their prior deviations: `level`, `level*covariate` or `level@date`."""
    return tomllib.loads(DEVIATIONS.read_text(encoding="utf-8"))


class Key(NamedTuple):
    """One effect: the term, the level with its covariate, and which of the level's groups."""

    term: str
    effect: str
    group: str


def groups(case: Case, catalog: Catalog) -> dict[str, str]:
    """The group that a case belongs to at every level; "" where it belongs to none."""
    d = case.deployment.stage
    model, chip = catalog.models[d.model], catalog.accelerators[d.accelerator]
    arch, kind = chip.architecture or d.accelerator, model.kind
    attention = "mla" if model.mla else model.attention
    split = f"{d.gpus}/{d.tp}/{d.ep}/{int(d.dp_attention)}"
    cell = f"{d.accelerator} {d.engine} {d.model} {d.precision}"
    lengths = f"{case.lengths.isl}/{case.lengths.osl}"
    family, recipe = f"{arch} {d.engine} {d.model} {d.precision}", f"{d.engine} {d.model} {d.precision}"
    lab = "1" if case.harness == "lab" else ""
    undated = not (d.date or lab)
    dp, ep, drafting = ("1" if x else "" for x in (d.dp_attention, d.ep > 1, d.drafting))
    return {
        "one": "1",
        "vendor": chip.vendor,
        "arch": arch,
        "accelerator": d.accelerator,
        "engine": d.engine,
        "precision": d.precision,
        "kind": kind,
        "attention": attention,
        "model": d.model,
        "arch+precision": f"{arch} {d.precision}",
        "arch+engine": f"{arch} {d.engine}",
        "engine+kind": f"{d.engine} {kind}",
        "arch+kind": f"{arch} {kind}",
        "vendor+kind": f"{chip.vendor} {kind}",
        "kind+precision": f"{kind} {d.precision}",
        "vendor+kind+precision": f"{chip.vendor} {kind} {d.precision}",
        "vendor+precision": f"{chip.vendor} {d.precision}",
        "engine+precision": f"{d.engine} {d.precision}",
        "engine+model": f"{d.engine} {d.model}",
        "arch+model": f"{arch} {d.model}",
        "accelerator+engine": f"{d.accelerator} {d.engine}",
        "arch+engine+model": f"{arch} {d.engine} {d.model}",
        "arch+gpus": f"{arch} {d.gpus}",
        "engine+gpus": f"{d.engine} {d.gpus}",
        "kind+arch+gpus": f"{kind} {arch} {d.gpus}",
        "model+gpus": f"{d.model} {d.gpus}",
        "dp": dp,
        "ep": ep,
        "engine+dp": dp and d.engine,
        "engine+ep": ep and d.engine,
        "cell": cell,
        "cell+split": f"{cell} {split}",
        "cell+lengths": f"{cell} {lengths}",
        "curve": f"{cell} {split} {lengths}",
        "workload+load": f"{lengths} {case.concurrency:g}",
        "family": family,
        "family+split": f"{family} {split}",
        "family+lengths": f"{family} {lengths}",
        "family+curve": f"{family} {split} {lengths}",
        "family+load": f"{family} {split} {lengths} {case.concurrency:g}",
        "recipe": recipe,
        "recipe+split": f"{recipe} {split}",
        "recipe+lengths": f"{recipe} {lengths}",
        "recipe+load": f"{recipe} {case.concurrency:g}",
        "site": f"{d.accelerator} {d.model} {d.precision}",
        "site+split": f"{d.accelerator} {d.model} {d.precision} {split}",
        "load": f"{cell} {split} {lengths} {case.concurrency:g}",
        "arch+engine+precision+load": f"{arch} {d.engine} {d.precision} {case.concurrency:g}",
        "arch+engine+model+load": f"{arch} {d.engine} {d.model} {d.precision} {case.concurrency:g}",
        "cell+load": f"{cell} {case.concurrency:g}",
        "cell+day": "" if case.period else f"{cell} {d.date or ANY_DAY}",
        "split+day": "" if case.period or not d.date else f"{cell} {split} {d.date}",
        "curve+day": "" if case.period or not d.date else f"{cell} {split} {lengths} {d.date}",
        "cell+period": cell if case.period else "",
        "split+period": f"{cell} {split}" if undated else "",
        "curve+period": f"{cell} {split} {lengths}" if undated else "",
        "drafting": drafting,
        "drafting+engine": drafting and d.engine,
        "drafting+model": drafting and d.model,
        "drafting+cell": drafting and cell,
        "lab": lab,
        "lab+kind": lab and kind,
        "lab+engine": lab and d.engine,
        "lab+model": lab and d.model,
        "lab+arch+engine": lab and f"{arch} {d.engine}",
        "lab+cell": lab and cell,
        "engine+version": f"{arch} {d.engine} {d.model} {d.engine_version}" if d.engine_version else "",
    }


def covariates(case: Case, catalog: Catalog) -> dict[str, float]:
    """How far the load, the lengths and the sizes are from the middle, in units of about one."""
    d = case.deployment.stage
    model = catalog.models[d.model]
    expert = model.moe.expert_intermediate_size if model.moe else EXPERT
    expert_hidden = (model.moe.latent_size if model.moe else None) or model.hidden_size
    users = (log2(case.concurrency) - 4) / 3
    return {
        "age": log2((_age_days(model.date, d.date) + 60) / 365) / 2,
        "users": users,
        "users2": users * users,
        "isl": log2(case.lengths.isl / 1024) / 3,
        "osl": log2(case.lengths.osl / 1024) / 3,
        "gpus": log2(d.gpus / 4) / 2,
        "width": log2(model.hidden_size**2 / d.gpus / (HIDDEN**2 / 4)) / 2,
        "expert_width": log2(expert_hidden * expert * d.ep / d.gpus / (HIDDEN * EXPERT / 4)) / 2,
        "hidden": log2(model.hidden_size / HIDDEN),
        "expert": log2(expert * expert_hidden / (EXPERT * HIDDEN)),
    }


@cache
def _age_days(released: str, date: str | None) -> int:
    """Days since a model's release, the time that engines had for it; in the middle of the published period if undated.

    `released` is an ISO day or month.
    """
    first = dt.date.fromisoformat(released if len(released) > len("2026-01") else f"{released}-01")
    day = dt.date.fromisoformat(date) if date else PERIOD[0] + (PERIOD[1] - PERIOD[0]) / 2
    return max((day - first).days, 0)


@cache
def behind(date: str | None) -> tuple[float, ...]:
    """For each month start the share of the case's time that lies after it; the published period without a date."""
    if date:
        day = dt.date.fromisoformat(date)
        return tuple(float(day >= m) for m in MONTHS)
    first, last = PERIOD
    return tuple(min(max((last - m).days / (last - first).days, 0.0), 1.0) for m in MONTHS)


class _Effect(NamedTuple):
    name: str
    level: str
    covariate: str
    dated: bool


def _parsed(name: str) -> _Effect:
    level, _, date = name.partition("@")
    level, _, covariate = level.partition("*")
    return _Effect(name, level, covariate, bool(date))


@cache
def _effects(term: str) -> tuple[_Effect, ...]:
    return tuple(map(_parsed, deviations()[term]))


def active(term: str, case: Case, group: dict[str, str], covariate: dict[str, float]) -> Iterator[tuple[Key, float]]:
    """The effects of a term that bear on a case, each with its weight."""
    for name, level, by, dated in _effects(term):
        its = group[level]
        if not its:
            continue
        if not dated:
            yield Key(term, name, its), covariate[by] if by else 1.0
            continue
        yield from _by_month(term, name, its, case.deployment.date)


@cache
def _by_month(term: str, name: str, group: str, date: str | None) -> tuple[tuple[Key, float], ...]:
    """The effects of a group in the months that lie in a case's time, with their shares: the same for many cases."""
    shares = zip(_MONTH_NAMES, behind(date), strict=True)
    return tuple((Key(term, name, f"{group} {month}"), share) for month, share in shares if share)


def typical_days(known: Mapping[Key, float]) -> dict[Key, float]:
    """What a case without a date stands on in each cell: the published period, or else the days it was measured on.

    Of days it is the mean effect, drawn to zero as if one more day had none.
    """
    days: dict[Key, list[float]] = {}
    period: dict[Key, float] = {}
    for key, value in known.items():
        if key.effect == "cell+period":
            period[Key(key.term, "cell+day", f"{key.group} {ANY_DAY}")] = value
        elif key.effect.startswith("cell+day") and not key.group.endswith(ANY_DAY):
            cell = key.group.rpartition(" ")[0]
            days.setdefault(key._replace(group=f"{cell} {ANY_DAY}"), []).append(value)
    return {key: sum(values) / (len(values) + 1) for key, values in days.items()} | period


def without_medians(known: Mapping[Key, float], newer: Mapping[Key, float]) -> dict[Key, float]:
    """The known effects, but not those of medians over the period in cells that newer points tell days of.

    Who has measured a cell wants it as measured, not as the median over months that others had.
    """
    told = tuple({f"{key.group.rpartition(' ')[0]} " for key in newer if key.effect.startswith("cell+day")})
    return {
        key: value
        for key, value in known.items()
        if not (key.effect.startswith(("split+period", "curve+period")) and key.group.startswith(told))
    }


def prior(key: Key) -> float:
    """The prior deviation of an effect."""
    return deviations()[key.term][key.effect]


def prior_on_top(key: Key, known: Mapping[Key, float]) -> float:
    """How far a user's own runs may be expected to move an effect.

    What is known already and tells more than their own cell moves by a tenth of its prior; the cell instead as far as
    elsewhere a whole architecture's. So a slow server moves its own cell and what nothing else is known of, and not
    every machine with the same engine.
    """
    some = deviations()[key.term]
    if key.effect.startswith(OWN) or key.effect == "engine+version":
        return max(some[key.effect], some.get(key.effect.replace("cell", "family", 1), 0.0))
    return some[key.effect] * (KEPT if key in known else 1.0)
