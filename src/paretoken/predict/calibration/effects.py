"""What may differ from the base constants, and between which cases: the design of the calibration.

ln(multiplier of a term) is a sum of effects, each shared by all cases that agree in one *level* (all of them,
those of an architecture, of an engine, of an engine on a model, …) and weighted by a *covariate* (1, or how far
the load, the lengths or the GPU count are from a middle). Every effect has a prior deviation around zero: what
the data do not tell apart stays with the wider level, and a level never seen contributes nothing. Two more sums
stretch all times alike (`pace`), and a whole run (`run`: a public harness draws the same lengths every time, so each
workload and load has a mean of its own). Which effects there are, and how far each is expected to be from zero, is
`data/deviations.toml`, made by `tools/tune_deviations.py`.
The age of an engine enters as steps at the months since the published runs began; a row that spans months gets
the share that lies behind each step. A median over all runs of a configuration sits where most of its runs were,
early or late, so each has effects of its own besides (`…+period`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from paretoken.predict.calibration.levels import (
    ANY_DAY,
    LENGTH_COVARIATES,
    LENGTH_LEVELS,
    LOAD_COVARIATES,
    LOAD_LEVELS,
    MONTHS,
    behind,
)
from paretoken.predict.deployment import Case
from paretoken.predict.steady import TIMES

OWN = ("site", "cell", "split", "curve", "load")
"""Levels whose groups lie within one accelerator."""
KEPT = 0.1
UNLEARNED = {"accelerator": 1.0, "arch": 1.0, "engine": 0.5, "model": 0.5}
"""Prior deviations of terms without runs in the base: a prediction from data sheets may be off by a factor of 3."""
OF_A_RUN = {"start": 2.0, "ahead": 3.0}
"""Prior deviations, in a user's own cells, of what a server does once and of what is before its scheduler: runs in a
steady state have none of the first, and a client beside the server little of the second."""
PACE, RUN = FACTORS = ("pace", "run")
"""The sums beside those of the terms: ln of factors on times."""
STRETCHED = np.array([[1, name == "run"] for name in TIMES], dtype=float)
"""Which of the factors stretch a time of the steady state, shape (times, factors)."""

_MONTH_NAMES = tuple(f"{m:%Y-%m}" for m in MONTHS)
DEVIATIONS = Path(__file__).parent.parent / "data" / "deviations.toml"


@cache
def deviations() -> Mapping[str, Mapping[str, float]]:
    """Per term the effects and their prior deviations: `level`, `level*covariate` or `level@date`."""
    return tomllib.loads(DEVIATIONS.read_text(encoding="utf-8"))


class EffectKey(NamedTuple):
    """One effect: the term, the level with its covariate, and which of the level's groups."""

    term: str
    effect: str
    group: str


class _Effect(NamedTuple):
    name: str
    level: str
    covariate: str
    dated: bool

    @property
    def varies_with(self) -> str:
        """What tells cases of a deployment apart: the effect ("load", "lengths"), the covariate's name, or nothing."""
        if self.level in LOAD_LEVELS:
            return "load"
        if self.covariate in LOAD_COVARIATES:
            return self.covariate
        return "lengths" if self.level in LENGTH_LEVELS or self.covariate in LENGTH_COVARIATES else ""


def _parsed(name: str) -> _Effect:
    level, _, date = name.partition("@")
    level, _, covariate = level.partition("*")
    return _Effect(name, level, covariate, bool(date))


@cache
def _effects(term: str, varying_with: str) -> tuple[_Effect, ...]:
    return tuple(effect for effect in map(_parsed, deviations()[term]) if effect.varies_with == varying_with)


def active(
    term: str, case: Case, group: dict[str, str], covariate: dict[str, float], varying_with: str
) -> Iterator[tuple[EffectKey, float]]:
    """The effects of a term that bear on a case, each with its weight: those that vary so (see `varies_with`)."""
    for name, level, weight, dated in _effects(term, varying_with):
        name_of_group = group[level]
        if not name_of_group:
            continue
        if not dated:
            yield EffectKey(term, name, name_of_group), covariate[weight] if weight else 1.0
            continue
        yield from _by_month(term, name, name_of_group, case.deployment.date)


@cache
def _by_month(term: str, name: str, group: str, date: str | None) -> tuple[tuple[EffectKey, float], ...]:
    """The effects of a group in the months that lie in a case's time, with their shares: the same for many cases."""
    shares = zip(_MONTH_NAMES, behind(date), strict=True)
    return tuple((EffectKey(term, name, f"{group} {month}"), share) for month, share in shares if share)


def typical_days(effects: Mapping[EffectKey, float]) -> dict[EffectKey, float]:
    """The effects of a case without a date in each cell: of the published period, or else of its measured days.

    Of days they are the mean effect, drawn to zero as if one more day had none.
    """
    days: dict[EffectKey, list[float]] = {}
    period: dict[EffectKey, float] = {}
    for key, value in effects.items():
        if key.effect == "cell+period":
            period[EffectKey(key.term, "cell+day", f"{key.group} {ANY_DAY}")] = value
        elif key.effect.startswith("cell+day") and not key.group.endswith(ANY_DAY):
            cell = key.group.rpartition(" ")[0]
            days.setdefault(key._replace(group=f"{cell} {ANY_DAY}"), []).append(value)
    return {key: sum(values) / (len(values) + 1) for key, values in days.items()} | period


def without_medians(effects: Mapping[EffectKey, float], newer: Mapping[EffectKey, float]) -> dict[EffectKey, float]:
    """The effects without those of medians over the period in cells for which `newer` has days.

    A user who has measured a cell wants it as measured, not as the median over months of others.
    """
    dated = tuple({f"{key.group.rpartition(' ')[0]} " for key in newer if key.effect.startswith("cell+day")})
    return {
        key: value
        for key, value in effects.items()
        if not (key.effect.startswith(("split+period", "curve+period")) and key.group.startswith(dated))
    }


def prior(key: EffectKey) -> float:
    """The prior deviation of an effect."""
    return deviations()[key.term][key.effect]


def priors_on_top(keys: Sequence[EffectKey], base: Mapping[EffectKey, float]) -> Iterator[float]:
    """How far a user's own runs may be expected to move each effect, beside those of the base.

    An effect of the base that covers more than their own cell moves by a tenth of its prior; the cell instead as far as
    elsewhere a whole architecture's. So a slow server moves its own cell and what the base does not have, and not every
    machine with the same engine. For an accelerator, an engine or a model without runs in the base, only data sheets
    exist: the deviations of `UNLEARNED` let its terms follow the runs.
    """
    groups = {(key.effect, key.group) for key in base}
    for key in keys:
        deviation = deviations()[key.term]
        if key.effect.startswith(OWN):
            widest = deviation.get(key.effect.replace("cell", "family", 1), 0.0)
            yield max(deviation[key.effect], widest, OF_A_RUN.get(key.term, 0.0))
        elif key.term not in FACTORS and (key.effect, key.group) not in groups:
            yield max(deviation[key.effect], UNLEARNED.get(key.effect, 0.0))
        else:
            yield deviation[key.effect] * (KEPT if key in base else 1.0)


def of_its_day(effects: Mapping[EffectKey, float], day: str) -> dict[EffectKey, float]:
    """The effects of undated cases, for cases of a day: runs of one day tell both alike."""
    days = {"cell+day": "cell+day", "split+period": "split+day", "curve+period": "curve+day"}
    dated: dict[EffectKey, float] = {}
    for key, value in effects.items():
        effect, _, covariate = key.effect.partition("*")
        name = days.get(effect, "") + ("*" + covariate if covariate else "")
        if name in deviations()[key.term]:
            dated[EffectKey(key.term, name, f"{key.group.removesuffix(f' {ANY_DAY}')} {day}")] = value
    return dated
