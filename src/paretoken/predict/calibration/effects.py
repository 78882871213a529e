"""What may differ from the base constants, and between which cases: the design of the calibration.

ln(multiplier of a term) is a sum of effects, each shared by all cases that agree in one *level* (all of them,
those of an architecture, of an engine, of an engine on a model, …) and weighted by a *covariate* (1, or how far
the load, the lengths or the GPU count are from a middle). Every effect has a prior deviation around zero: what
the data do not tell apart stays with the wider level, and a level never seen contributes nothing. Two more sums
stretch all times alike (`pace`) and the first token alone (`first`). The age of an engine enters as steps at
the months since the published runs began; a row that spans months gets the share that lies behind each step.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from math import log2

from paretoken.catalog import Catalog
from paretoken.predict.deployment import Case

PACE, FIRST = "pace", "first"
PERIOD = (dt.date(2025, 9, 29), dt.date(2026, 7, 19))
"""The span of published medians over all dates."""
MONTHS = tuple(dt.date(2025 + m // 12, m % 12 + 1, 1) for m in range(9, 23))
"""Starts of the months at which an engine may have become faster, 2025-10 to 2026-11."""

_MACHINE = (
    ("one", 0.7), ("vendor", 0.25), ("arch", 0.25), ("accelerator", 0.1), ("engine", 0.3), ("precision", 0.25),
    ("kind", 0.25), ("attention", 0.2), ("model", 0.15), ("arch+precision", 0.2), ("arch+engine", 0.2),
    ("engine+kind", 0.2), ("arch+kind", 0.15), ("engine+precision", 0.15), ("engine+model", 0.15),
    ("arch+model", 0.15), ("accelerator+engine", 0.1),
)  # fmt: skip
_HOST = (
    ("one", 0.7), ("vendor", 0.3), ("engine", 0.4), ("arch", 0.2), ("kind", 0.2), ("arch+engine", 0.2),
    ("engine+kind", 0.2), ("engine+model", 0.15),
)  # fmt: skip
_LINK = (
    ("one", 0.7), ("vendor", 0.5), ("engine", 0.3), ("arch", 0.3), ("arch+engine", 0.2), ("engine+kind", 0.15),
    ("arch+gpus", 0.15), ("engine+gpus", 0.15),
)  # fmt: skip

EFFECTS: dict[str, tuple[tuple[str, float], ...]] = {
    "dense_memory": _MACHINE,
    "expert_memory": (*_MACHINE, ("ep", 0.2), ("engine+ep", 0.2), ("dp", 0.1)),
    "compute": (*_MACHINE, ("drafting", 0.3)),
    "kv": _MACHINE,
    "layer": (*_MACHINE, ("arch+engine@date", 0.05), ("engine+model@date", 0.05), ("cell@date", 0.1)),
    "step": _HOST,
    "sequence": _HOST,
    "link_latency": _LINK,
    "link_bandwidth": _LINK,
    "prompt_compute": _MACHINE,
    "prompt_attention": _MACHINE,
    "prompt_overhead": _HOST,
    "queueing": _HOST,
    PACE: (
        ("dp", 0.15), ("ep", 0.1), ("engine+dp", 0.15), ("engine+ep", 0.1), ("model", 0.1), ("accelerator", 0.05),
        ("arch+engine", 0.05), ("arch+engine+model", 0.1), ("cell", 0.12), ("cell+split", 0.06), ("cell+lengths", 0.04),
        ("kind+arch+gpus", 0.05), ("model+gpus", 0.05), ("cell+period", 0.08), ("cell+day", 0.1), ("cell+day*users", 0.05), ("engine+version", 0.05),
        ("one*users", 0.1), ("engine*users", 0.05), ("arch+engine*users", 0.05), ("arch+engine+model*users", 0.05),
        ("cell*users", 0.05), ("cell+split*users", 0.04), ("cell*users2", 0.04), ("arch+engine+model*users2", 0.04),
        ("engine*isl", 0.05), ("engine+model*isl", 0.04), ("cell*isl", 0.04), ("engine*osl", 0.05),
        ("engine+model*osl", 0.04), ("cell*osl", 0.04), ("cell*gpus", 0.04),
        ("drafting", 0.5), ("drafting+engine", 0.2), ("drafting+model", 0.2), ("drafting+cell", 0.15),
        ("drafting*users", 0.1), ("drafting+model*users", 0.05),
        ("harness", 0.2), ("engine+harness", 0.1), ("cell+harness", 0.1),
        ("engine@date", 0.02), ("arch+engine@date", 0.02), ("engine+model@date", 0.02),
        ("arch+engine+model@date", 0.03), ("cell@date", 0.05),
    ),
    FIRST: (
        ("one", 0.5), ("engine", 0.3), ("arch", 0.2), ("model", 0.15), ("arch+engine", 0.2), ("cell", 0.15),
        ("cell+split", 0.1), ("cell+lengths", 0.1), ("harness", 0.5), ("engine+harness", 0.3), ("cell+harness", 0.2),
        ("one*users", 0.3), ("engine*users", 0.2), ("cell*users", 0.1), ("one*isl", 0.3), ("engine*isl", 0.2),
        ("engine+harness*users", 0.2),
    ),
}  # fmt: skip
"""Per term the effects and their prior deviations: `level`, `level*covariate` or `level@date`."""


@dataclass(frozen=True, slots=True)
class Key:
    """One effect: the term, the level with its covariate, and which of the level's groups."""

    term: str
    effect: str
    group: str


def groups(case: Case, catalog: Catalog) -> dict[str, str]:
    """The group that a case belongs to at every level; "" where it belongs to none."""
    d = case.deployment
    model, chip = catalog.models[d.model], catalog.accelerators[d.accelerator]
    arch, kind = chip.architecture or d.accelerator, model.kind
    attention = "mla" if model.mla else model.attention
    split = f"{d.gpus}/{d.tp}/{d.ep}/{int(d.dp_attention)}"
    cell = f"{d.accelerator} {d.engine} {d.model} {d.precision}"
    lengths = f"{case.lengths.isl}/{case.lengths.osl}"
    dp, ep, drafting = str(int(d.dp_attention)), str(int(d.ep > 1)), "1" if d.drafting else ""
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
        "engine+dp": f"{d.engine} {dp}",
        "engine+ep": f"{d.engine} {ep}",
        "cell": cell,
        "cell+split": f"{cell} {split}",
        "cell+lengths": f"{cell} {lengths}",
        "cell+day": f"{cell} {d.date}" if d.date else "",
        "cell+period": cell if case.period else "",
        "drafting": drafting,
        "drafting+engine": drafting and d.engine,
        "drafting+model": drafting and d.model,
        "drafting+cell": drafting and cell,
        "harness": case.harness,
        "engine+harness": f"{d.engine} {case.harness}",
        "cell+harness": f"{cell} {case.harness}",
        "engine+version": f"{arch} {d.engine} {d.model} {d.engine_version}" if d.engine_version else "",
    }


def covariates(case: Case) -> dict[str, float]:
    """How far the load, the lengths and the size are from the middle, in units of about one."""
    users = (log2(case.concurrency) - 4) / 3
    return {
        "users": users,
        "users2": users * users,
        "isl": log2(case.lengths.isl / 1024) / 3,
        "osl": log2(case.lengths.osl / 1024) / 3,
        "gpus": log2(case.deployment.gpus / 4) / 2,
    }


def behind(date: str | None) -> tuple[float, ...]:
    """For each month start the share of the case's time that lies after it; the published period without a date."""
    if date:
        day = dt.date.fromisoformat(date)
        return tuple(float(day >= m) for m in MONTHS)
    first, last = PERIOD
    return tuple(min(max((last - m).days / (last - first).days, 0.0), 1.0) for m in MONTHS)


def active(term: str, case: Case, group: dict[str, str], covariate: dict[str, float]) -> Iterator[tuple[Key, float]]:
    """The effects of a term that bear on a case, each with its weight."""
    for effect, _ in EFFECTS[term]:
        level, dated, _ = effect.partition("@")
        level, _, by = level.partition("*")
        if not group[level]:
            continue
        if not dated:
            yield Key(term, effect, group[level]), covariate[by] if by else 1.0
            continue
        for month, share in zip(MONTHS, behind(case.deployment.date), strict=True):
            if share:
                yield Key(term, effect, f"{group[level]} {month:%Y-%m}"), share


def prior(key: Key) -> float:
    """The prior deviation of an effect."""
    return dict(EFFECTS[key.term])[key.effect]
