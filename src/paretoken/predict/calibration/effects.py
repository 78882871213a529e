"""What may differ from the base constants, and between which cases: the design of the calibration.

ln(multiplier of a term) is a sum of effects, each shared by all cases that agree in one *level* (all of them,
those of an architecture, of an engine, of an engine on a model, …) and weighted by a *covariate* (1, or how far
the load, the lengths or the GPU count are from a middle). Every effect has a prior deviation around zero: what
the data do not tell apart stays with the wider level, and a level never seen contributes nothing. Two more sums
stretch all times alike (`pace`) and the first token alone (`first`). A last one (`local`) is fitted after all
others are fixed: it takes up what a cell, a curve or a day has of its own, so that what is shared stays shared.
The age of an engine enters as steps at the months since the published runs began; a row that spans months gets
the share that lies behind each step.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from math import log2
from typing import NamedTuple

from paretoken.catalog import Catalog
from paretoken.predict.deployment import Case

PACE, LOCAL, FIRST = "pace", "local", "first"
ANY_DAY = "*"
HIDDEN, EXPERT = 5120, 2048
"""The middle of hidden and expert sizes: effects of size count from there."""
PERIOD = (dt.date(2025, 9, 29), dt.date(2026, 7, 19))
"""The span of published medians over all dates."""
MONTHS = tuple(dt.date(2025 + m // 12, m % 12 + 1, 1) for m in range(9, 23))
"""Starts of the months at which an engine may have become faster, 2025-10 to 2026-11."""
_MONTH_NAMES = tuple(f"{m:%Y-%m}" for m in MONTHS)

_LAB = (("lab", 0.8), ("lab+kind", 0.8), ("lab+engine", 0.6), ("lab+arch+engine", 0.4))
_BROAD = (
    ("one", 0.7), ("vendor", 0.25), ("arch", 0.25), ("accelerator", 0.03), ("engine", 0.3), ("precision", 0.25),
    ("kind", 0.25), ("attention", 0.2), ("model", 0.15),
)  # fmt: skip
_PAIRED = (
    ("arch+precision", 0.14), ("arch+engine", 0.14), ("engine+kind", 0.14), ("arch+kind", 0.1),
    ("engine+precision", 0.1), ("engine+model", 0.1), ("arch+model", 0.1), ("accelerator+engine", 0.02),
)  # fmt: skip
_MACHINE = (*_BROAD, *_PAIRED, *_LAB)
_HOST = (
    ("one", 0.7), ("vendor", 0.3), ("engine", 0.4), ("arch", 0.2), ("kind", 0.2), ("arch+engine", 0.14),
    ("engine+kind", 0.14), ("engine+model", 0.1), *_LAB,
)  # fmt: skip
_LINK = (
    ("one", 0.7), ("vendor", 0.5), ("engine", 0.3), ("arch", 0.3), ("arch+engine", 0.14), ("engine+kind", 0.1),
    ("arch+gpus", 0.1), ("engine+gpus", 0.1), *_LAB,
)  # fmt: skip


def _narrow(effects: tuple[tuple[str, float], ...], by: float) -> tuple[tuple[str, float], ...]:
    """The same effects with narrower priors, for a term whose constant is well known from kernels measured alone."""
    return tuple((name, round(deviation * by, 4)) for name, deviation in effects)


EFFECTS: dict[str, tuple[tuple[str, float], ...]] = {
    "dense_memory": _narrow(_MACHINE, 0.5),
    "expert_memory": _narrow((*_MACHINE, ("one*expert", 0.2), ("ep", 0.2), ("engine+ep", 0.14), ("dp", 0.1)), 0.7),
    "compute": (*_MACHINE, ("drafting", 0.3)),
    "kv": _narrow(_MACHINE, 0.5),
    "layer": (
        *_MACHINE, ("one*hidden", 0.3), ("attention*hidden", 0.15), ("arch+engine@date", 0.035),
        ("engine+model@date", 0.035), ("cell@date", 0.1),
    ),
    "step": _HOST,
    "sequence": _HOST,
    "link_latency": _LINK,
    "link_bandwidth": _narrow(_LINK, 0.6),
    "prompt_compute": _narrow(_MACHINE, 0.4),
    "prompt_attention": _narrow(_MACHINE, 0.4),
    "prompt_overhead": (*_HOST, ("one*hidden", 0.2)),
    "queueing": _HOST,
    PACE: (
        ("dp", 0.15), ("ep", 0.1), ("engine+dp", 0.15), ("engine+ep", 0.1), ("model", 0.036), ("accelerator", 0.015),
        ("arch+engine", 0.05), ("arch+engine+model", 0.06), ("cell", 0.048), ("cell+split", 0.024),
        ("cell+lengths", 0.016), ("kind+arch+gpus", 0.05), ("model+gpus", 0.03), ("cell+period", 0.032),
        ("cell+day", 0.05), ("cell+day*users", 0.033), ("cell+day*isl", 0.033), ("engine+version", 0.05),
        ("curve", 0.02), ("curve*users", 0.02), ("curve*users2", 0.012),
        ("arch+engine+precision+load", 0.015), ("arch+engine+model+load", 0.015), ("one*users", 0.1),
        ("engine*users", 0.05), ("arch+engine*users", 0.05), ("arch+engine+model*users", 0.03),
        ("cell*users", 0.02), ("cell+split*users", 0.016), ("cell*users2", 0.016), ("arch+engine+model*users2", 0.024),
        ("engine*isl", 0.05), ("engine+model*isl", 0.024), ("cell*isl", 0.016), ("engine*osl", 0.05),
        ("engine+model*osl", 0.024), ("cell*osl", 0.016), ("cell*gpus", 0.016),
        ("drafting", 0.5), ("drafting+engine", 0.2), ("drafting+model", 0.12), ("drafting+cell", 0.15),
        ("drafting*users", 0.1), ("drafting+model*users", 0.03),
        ("lab", 0.8), ("lab+engine", 0.5), ("lab+model", 0.4), ("lab+arch+engine", 0.4), ("lab+cell", 0.15),
        ("lab*users", 0.2), ("lab+engine*users", 0.15), ("lab+cell*users", 0.1), ("lab*isl", 0.1), ("lab*osl", 0.2),
        ("lab+engine*osl", 0.1), ("lab*gpus", 0.15), ("lab+cell*gpus", 0.1),
        ("engine@date", 0.02), ("arch+engine@date", 0.02), ("engine+model@date", 0.012),
        ("arch+engine+model@date", 0.018), ("cell@date", 0.02),
    ),
    LOCAL: (
        ("cell", 0.1), ("cell+split", 0.08), ("cell+lengths", 0.08), ("curve", 0.06), ("cell*users", 0.06),
        ("cell+split*users", 0.05), ("cell+lengths*users", 0.05), ("curve*users", 0.05), ("cell*users2", 0.05),
        ("curve*users2", 0.05), ("cell+day", 0.1), ("cell+day*users", 0.06), ("cell+day*isl", 0.08),
        ("cell+period", 0.05), ("cell+load", 0.02), ("load", 0.01),
    ),
    FIRST: (
        ("one", 0.5), ("engine", 0.3), ("arch", 0.2), ("model", 0.15), ("arch+engine", 0.2), ("cell", 0.15),
        ("cell+split", 0.1), ("cell+lengths", 0.1), ("lab", 0.5), ("lab+engine", 0.3), ("lab+cell", 0.2),
        ("one*users", 0.3), ("engine*users", 0.2), ("cell*users", 0.1), ("one*isl", 0.05), ("engine*isl", 0.05),
        ("lab+engine*users", 0.3), ("lab*isl", 0.1), ("lab+engine*isl", 0.1),
    ),
}  # fmt: skip
"""Per term the effects and their prior deviations: `level`, `level*covariate` or `level@date`."""


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
    lab = "1" if case.harness == "lab" else ""
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
        "load": f"{cell} {split} {lengths} {case.concurrency:g}",
        "arch+engine+precision+load": f"{arch} {d.engine} {d.precision} {case.concurrency:g}",
        "arch+engine+model+load": f"{arch} {d.engine} {d.model} {d.precision} {case.concurrency:g}",
        "cell+load": f"{cell} {case.concurrency:g}",
        "cell+day": "" if case.period else f"{cell} {d.date or ANY_DAY}",
        "cell+period": cell if case.period else "",
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
    case = replace(case, deployment=case.deployment.stage)
    model = catalog.models[case.deployment.model]
    expert = model.moe.expert_intermediate_size if model.moe else EXPERT
    users = (log2(case.concurrency) - 4) / 3
    return {
        "users": users,
        "users2": users * users,
        "isl": log2(case.lengths.isl / 1024) / 3,
        "osl": log2(case.lengths.osl / 1024) / 3,
        "gpus": log2(case.deployment.gpus / 4) / 2,
        "hidden": log2(model.hidden_size / HIDDEN),
        "expert": log2(expert * model.hidden_size / (EXPERT * HIDDEN)),
    }


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


_PARSED = {term: tuple(_parsed(name) for name, _ in some) for term, some in EFFECTS.items()}
_PRIOR = {(term, name): deviation for term, some in EFFECTS.items() for name, deviation in some}


def active(term: str, case: Case, group: dict[str, str], covariate: dict[str, float]) -> Iterator[tuple[Key, float]]:
    """The effects of a term that bear on a case, each with its weight."""
    for name, level, by, dated in _PARSED[term]:
        its = group[level]
        if not its:
            continue
        if not dated:
            yield Key(term, name, its), covariate[by] if by else 1.0
            continue
        for month, share in zip(_MONTH_NAMES, behind(case.deployment.date), strict=True):
            if share:
                yield Key(term, name, f"{its} {month}"), share


def typical_days(known: Mapping[Key, float]) -> dict[Key, float]:
    """For each cell the mean effect of the days, and of the published period, that it was measured on.

    It is what a day stands on that is not among them. The mean is drawn to zero as if one more day had none.
    """
    sums: dict[Key, list[float]] = {}
    for key, value in known.items():
        if key.effect.startswith("cell+day") and not key.group.endswith(ANY_DAY):
            sums.setdefault(any_day(key), []).append(value)
        elif key.effect == "cell+period":
            sums.setdefault(Key(key.term, "cell+day", f"{key.group} {ANY_DAY}"), []).append(value)
    return {key: sum(values) / (len(values) + 1) for key, values in sums.items()}


def any_day(key: Key) -> Key:
    """The key of the typical day in the place of a key's own day."""
    return key._replace(group=f"{key.group.rpartition(' ')[0]} {ANY_DAY}")


def prior(key: Key) -> float:
    """The prior deviation of an effect."""
    return _PRIOR[key.term, key.effect]
