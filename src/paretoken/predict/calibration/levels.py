"""The levels and covariates of cases: what effects are shared by, and what they are weighted with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import cache
from math import log2

from paretoken.catalog.loader import Catalog
from paretoken.predict.deployment import Case

ANY_DAY = "*"
NODE_GPUS = 8
"""GPUs of one server; more share experts and requests over several, or over a rack."""
HIDDEN, EXPERT = 5120, 2048
"""The middle of hidden and expert sizes: effects of size count from there."""
MOST_GPUS = 8
"""GPUs of a stage beyond which effects of its size stay as they are."""
PERIOD = (dt.date(2025, 9, 29), dt.date(2026, 7, 19))
"""The span of published medians over all dates."""
MONTHS = tuple(dt.date(2025 + m // 12, m % 12 + 1, 1) for m in range(9, 23))
"""Starts of the months at which an engine may have become faster, 2025-10 to 2026-11."""

LOAD_LEVELS = {
    "workload+load": "lengths",
    "family+load": "family+curve",
    "recipe+load": "recipe",
    "load": "curve",
    "arch+engine+precision+load": "arch+engine+precision",
    "arch+engine+model+load": "family",
    "cell+load": "cell",
}
"""Levels whose groups are those of another level at one load."""
LOAD_COVARIATES = ("users", "users2")
LENGTH_LEVELS = (
    *("lengths", "cell+lengths", "family+lengths", "recipe+lengths"),
    *("curve", "family+curve", "curve+day", "curve+period"),
)
"""Levels whose groups have lengths of their own."""
LENGTH_COVARIATES = ("isl", "osl")


def groups(case: Case, catalog: Catalog) -> dict[str, str]:
    """The group that a case belongs to at every level but those of its load; "" where it belongs to none."""
    d = case.deployment.stage
    model, chip = catalog.models[d.model], catalog.accelerators[d.accelerator]
    arch, kind = chip.architecture or d.accelerator, model.kind
    attention = "mla" if model.mla else model.attention
    split = f"{d.gpus}/{d.tp}/{d.ep}/{int(d.dp_attention)}"
    cell = f"{d.accelerator} {d.engine} {d.model} {d.precision}"
    lengths = f"{case.lengths.isl}/{case.lengths.osl}"
    family, recipe = f"{arch} {d.engine} {d.model} {d.precision}", f"{d.engine} {d.model} {d.precision}"
    lab = "1" if case.harness == "lab" else ""
    offline = "1" if case.harness == "offline" else ""
    undated = not (d.date or lab or offline)
    dp, ep, drafting = ("1" if x else "" for x in (d.dp_attention, d.ep > 1, d.drafting))
    core, wide = catalog.engines[d.engine].core, "1" if d.gpus > NODE_GPUS else ""
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
        "arch+engine+precision": f"{arch} {d.engine} {d.precision}",
        "arch+engine+model": f"{arch} {d.engine} {d.model}",
        "arch+gpus": f"{arch} {d.gpus}",
        "engine+gpus": f"{d.engine} {d.gpus}",
        "kind+arch+gpus": f"{kind} {arch} {d.gpus}",
        "model+gpus": f"{d.model} {d.gpus}",
        "dp": dp,
        "ep": ep,
        "engine+dp": dp and d.engine,
        "engine+ep": ep and d.engine,
        "core": core,
        "core+model": f"{core} {d.model}",
        "core+dp": dp and core,
        "core+arch": f"{core} {arch}",
        "wide": wide,
        "wide+vendor": wide and chip.vendor,
        "wide+engine": wide and d.engine,
        "wide+arch": wide and arch,
        "wide+family": wide and family,
        "lengths": lengths,
        "cell": cell,
        "cell+split": f"{cell} {split}",
        "cell+lengths": f"{cell} {lengths}",
        "curve": f"{cell} {split} {lengths}",
        "family": family,
        "family+split": f"{family} {split}",
        "family+lengths": f"{family} {lengths}",
        "family+curve": f"{family} {split} {lengths}",
        "recipe": recipe,
        "recipe+split": f"{recipe} {split}",
        "recipe+lengths": f"{recipe} {lengths}",
        "site": f"{d.accelerator} {d.model} {d.precision}",
        "site+split": f"{d.accelerator} {d.model} {d.precision} {split}",
        "cell+day": "" if case.period else f"{cell} {d.date or ANY_DAY}",
        "split+day": "" if case.period or not d.date else f"{cell} {split} {d.date}",
        "curve+day": "" if case.period or not d.date else f"{cell} {split} {lengths} {d.date}",
        "cell+period": cell if case.period else "",
        "split+period": f"{cell} {split}" if undated else "",
        "curve+period": f"{cell} {split} {lengths}" if undated else "",
        "drafting": drafting,
        "drafting+engine": drafting and d.engine,
        "drafting+model": drafting and d.model,
        "drafting+method": drafting and d.speculative,
        "drafting+cell": drafting and cell,
        "lab": lab,
        "lab+kind": lab and kind,
        "lab+engine": lab and d.engine,
        "lab+model": lab and d.model,
        "lab+arch+engine": lab and f"{arch} {d.engine}",
        "lab+cell": lab and cell,
        "offline": offline,
        "offline+kind": offline and kind,
        "offline+model": offline and d.model,
        "engine+version": f"{arch} {d.engine} {d.model} {d.engine_version}" if d.engine_version else "",
    }


def load_groups(case: Case, group: Mapping[str, str]) -> dict[str, str]:
    """The group that a case belongs to at the levels of its load, from its other groups."""
    return {level: f"{group[whole]} {case.concurrency:g}" for level, whole in LOAD_LEVELS.items()}


def covariates(case: Case, catalog: Catalog) -> dict[str, float]:
    """How far the load, the lengths and the sizes are from the middle, in units of about one.

    Effects of sizes were learned from at most `MOST_GPUS` GPUs a stage, and do not go on beyond them.
    """
    d = case.deployment.stage
    gpus, model = min(d.gpus, MOST_GPUS), catalog.models[d.model]
    expert = model.moe.expert_intermediate_size if model.moe else EXPERT
    expert_hidden = (model.moe.latent_size if model.moe else None) or model.hidden_size
    return {
        "age": log2((_age_days(model.date, d.date) + 60) / 365) / 2,
        **load_covariates(case),
        "isl": log2(case.lengths.isl / 1024) / 3,
        "osl": log2(case.lengths.osl / 1024) / 3,
        "gpus": log2(gpus / 4) / 2,
        "width": log2(model.hidden_size**2 / gpus / (HIDDEN**2 / 4)) / 2,
        "expert_width": log2(expert_hidden * expert * max(d.ep / d.gpus, 1 / MOST_GPUS) / (HIDDEN * EXPERT / 4)) / 2,
        "hidden": log2(model.hidden_size / HIDDEN),
        "expert": log2(expert * expert_hidden / (EXPERT * HIDDEN)),
    }


def load_covariates(case: Case) -> dict[str, float]:
    """The covariates of `LOAD_COVARIATES`, in that order: users of a stage, or of `MOST_GPUS` GPUs of a larger one."""
    share = min(1.0, MOST_GPUS / case.deployment.stage_gpus)
    users = (log2(case.concurrency * share) - 4) / 3
    return {"users": users, "users2": users * users}


MIDDLE_AGE_DAYS = 305
"""The age at which the covariate is zero."""


@cache
def _age_days(released: str, date: str | None) -> int:
    """Days since a model's release, the time that engines had for it; in the middle of the published period if undated.

    `released` is an ISO day or month; of a model whose release is not known it is the middle of the scale.
    """
    if not released:
        return MIDDLE_AGE_DAYS
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
