"""Predictions for cases: TPOT, E2E, TTFT and throughput of a closed loop, each with its 90 % interval.

The medians come from the closed loop's fixed point (`steady`) under the calibrated multipliers. Throughput is
that of the whole run where lengths are drawn as the public harness draws them (published figures count ramp and
tail), else of the steady state. The interval is the spread that cross-validation found for cases as new as this
one; where a case is new in several ways the widths add in quadrature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.bearing import BOUND, log_sums
from paretoken.predict.calibration.effects import FACTORS, FIRST, PACE, RUN, STRETCHED, EffectKey
from paretoken.predict.calibration.file import Calibration, SeenCase, seen_case, shipped_calibration
from paretoken.predict.calibration.sample import OUTCOMES, case_columns
from paretoken.predict.deployment import Case, Deployment, node_gpus
from paretoken.predict.steady import TIMES, SteadyState, kv_slots, steady

DATA_SHEET = {"tpot": (-0.9, 0.9), "e2e": (-0.9, 0.9), "ttft": (-1.5, 1.5), "mean_ttft": (-1.5, 1.5)}
"""ln of the band where nothing at all was learned of a kind: a factor of 2.5 either way, 4.5 for TTFT."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Predictions:
    """Arrays of shape (n,); `log_band` of shape (n, 4, 2) is added to the logarithm of the OUTCOMES."""

    cases: Sequence[Case]
    tpot_s: Floats
    e2e_s: Floats
    ttft_s: Floats
    batch: Floats
    total_tput_per_gpu: Floats
    output_tput_per_gpu: Floats
    novelty: list[tuple[str, ...]]
    log_band: Floats

    def band(self, outcome: str) -> tuple[Floats, Floats]:
        """Lower and upper end of an outcome's 90 % interval, in its own unit."""
        i = OUTCOMES.index({"tput": "e2e"}.get(outcome, outcome))
        if outcome == "tput":
            return self.total_tput_per_gpu / np.exp(self.log_band[:, i, 1]), self.total_tput_per_gpu / np.exp(
                self.log_band[:, i, 0]
            )
        middle = getattr(self, f"{outcome}_s")
        return middle * np.exp(self.log_band[:, i, 0]), middle * np.exp(self.log_band[:, i, 1])


def predict_cases(
    cases: Sequence[Case], *, calibration: Calibration | None = None, catalog: Catalog | None = None
) -> Predictions:
    """Predict cases whose deployments were resolved and checked; the TPOT of single tokens is NaN.

    Of several replicas, latencies and the batch are those of one that has users.
    """
    catalog = catalog or load_catalog()
    calibration = calibration or shipped_calibration()
    whole = [_placed(x, calibration) for x in cases]
    cases = [x.each for x in whole]
    log_terms, factors = log_multipliers(cases, calibration, catalog)
    columns, load = case_columns(cases, catalog)
    slots = kv_slots(columns, load)
    s = steady(columns, np.exp(log_terms), load, slots=slots)
    s = stretched(s, factors)
    per_gpu = load.users / (s.run_s * columns.layout.gpus) * np.array([x.busy_replicas / x.replicas for x in whole])
    kinds = [_news(x, calibration, catalog) for x in cases]
    tpot_s = np.where([x.lengths.osl > 1 for x in cases], s.tpot_s, np.nan)
    return Predictions(
        cases=whole,
        tpot_s=tpot_s,
        e2e_s=s.e2e_s,
        ttft_s=s.ttft_s,
        batch=s.batch,
        total_tput_per_gpu=per_gpu * (load.isl + load.osl),
        output_tput_per_gpu=per_gpu * load.osl,
        novelty=kinds,
        log_band=np.array([log_band(k, calibration) for k in kinds]).reshape(-1, len(OUTCOMES), 2),
    )


def _placed(case: Case, calibration: Calibration) -> Case:
    """The case among laboratory runs if it has their equal lengths and they measured its cell; else as it is."""
    lab = case.lengths.ratio == 1 and EffectKey(PACE, "lab+cell", _cell(case.deployment)) in calibration.effects
    return replace(case, harness="lab") if lab else case


def _cell(d: Deployment) -> str:
    return f"{d.accelerator} {d.engine} {d.model} {d.precision}"


def log_multipliers(cases: Sequence[Case], calibration: Calibration, catalog: Catalog) -> tuple[Floats, Floats]:
    """ln of the multipliers (n, terms) and of the factors (n, factors) of each case."""
    terms, factors = log_sums(cases, calibration.effects, catalog)
    return np.clip(np.array(terms, dtype=float), -BOUND, BOUND), np.array(factors, dtype=float)


def stretched(s: SteadyState, factors: Floats) -> SteadyState:
    """The steady state with its times stretched by the factors, given as logarithms."""
    stretch = np.exp(factors @ STRETCHED.T)
    return replace(s, **{f"{name}_s": getattr(s, f"{name}_s") * stretch[:, i] for i, name in enumerate(TIMES)})


@dataclass(frozen=True, slots=True)
class _SeenNames:
    """What a calibration has learned from: names of each kind, and each cell's sizes and lengths."""

    accelerators: frozenset[str]
    engines: frozenset[str]
    models: frozenset[str]
    cells: Mapping[tuple[str, str, str, str], tuple[frozenset[str], frozenset[str]]]


@cache
def _seen_names(cases: frozenset[SeenCase]) -> _SeenNames:
    cells: dict[tuple[str, str, str, str], list[SeenCase]] = {}
    for c in cases:
        cells.setdefault((c.accelerator, c.engine, c.model, c.precision), []).append(c)
    return _SeenNames(
        frozenset(c.accelerator for c in cases),
        frozenset(c.engine for c in cases),
        frozenset(c.model for c in cases),
        {
            cell: (frozenset(c.size for c in members), frozenset(c.lengths for c in members))
            for cell, members in cells.items()
        },
    )


def novelty(case: Case, calibration: Calibration) -> tuple[str, ...]:
    """In which ways a case is new to the calibration, as names of splits; ("random half",) if in none.

    A pipeline that was not seen is new as its stage is, and a "pipeline": as no split tells how far off those are, they
    get the band of a kind without data.
    """
    if seen_case(case) in calibration.seen and not case.deployment.drafting:
        return ("random half",)
    if case.deployment.pp > 1:
        alone = novelty(replace(case, deployment=case.deployment.stage), calibration)
        return (*(way for way in alone if way != "random half"), "pipeline")
    d, seen = case.deployment, _seen_names(calibration.seen)
    names = (
        ("accelerator", d.accelerator, seen.accelerators),
        ("engine", d.engine, seen.engines),
        ("model", d.model, seen.models),
    )
    if new := tuple(split for split, name, seen_names in names if name not in seen_names):
        return new
    cell = seen.cells.get((d.accelerator, d.engine, d.model, d.precision))
    if cell is None:
        return ("cell",)
    sizes, seen_lengths = cell
    lengths = f"{case.lengths.isl}/{case.lengths.osl}"
    ways = [*(["tp"] if str(d.gpus) not in sizes else []), *(["workload"] if lengths not in seen_lengths else [])]
    if d.drafting and EffectKey(PACE, "drafting+cell", _cell(d)) not in calibration.effects:
        ways.append("cell" if EffectKey(PACE, "drafting+model", d.model) in calibration.effects else "speculation")
    return tuple(ways) or ("random half",)


def _news(case: Case, calibration: Calibration, catalog: Catalog) -> tuple[str, ...]:
    """The novelty, with that layers are shared over several nodes: links within one are taken for those between."""
    ways = novelty(case, calibration)
    if case.deployment.stage_gpus <= node_gpus(case.deployment.accelerator, catalog):
        return ways
    return (*(way for way in ways if way != "random half"), "several nodes")


def log_band(kinds: Sequence[str], calibration: Calibration) -> list[list[float]]:
    """The band of a case that is new in these ways, per outcome: ends added in quadrature."""
    out = []
    for outcome in OUTCOMES:
        bands = [calibration.bands.get(k, {}).get(outcome, DATA_SHEET[outcome]) for k in kinds]
        out.append([-float(np.hypot.reduce([b[0] for b in bands])), float(np.hypot.reduce([b[1] for b in bands]))])
    return out
