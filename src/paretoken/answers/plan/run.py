"""The plan: traffic to candidates, candidates to fleets, fleets to bills, bills to a decision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf

import numpy as np

from paretoken.answers.market import Market
from paretoken.answers.plan.bills import is_fixed, probability_cheaper
from paretoken.answers.plan.commands import start_commands
from paretoken.answers.plan.entries import FleetEntry, coarse_entries, promising, simulated
from paretoken.answers.plan.gpu_prices import DRAWS
from paretoken.answers.plan.question import PlanQuestion
from paretoken.answers.plan.result import LeftOut, PlanAnswer, PlanRow, SessionOutcome
from paretoken.answers.plan.rows import name_of, plan_row
from paretoken.answers.plan.session_outcome import replayed_entries
from paretoken.answers.plan.setting import PlanSetting
from paretoken.answers.plan.split import joined_row
from paretoken.answers.plan.words import availability, headline
from paretoken.answers.prediction import PredictionData
from paretoken.answers.takes import takes
from paretoken.errors import NoData
from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.candidates import fleet_candidates
from paretoken.plan.coarse import CoarseCapacity, coarse_capacities
from paretoken.plan.lengths import split_by_length
from paretoken.plan.parallel import Progress
from paretoken.plan.replica import mean_lengths
from paretoken.plan.unmet import nearest_met, shortfall, why_unmet
from paretoken.predict.arrays import Floats
from paretoken.slo import Slo, parse_slos

NEAREST = 4
"""Candidates to simulate for the nearest SLO, where none meets the limits in closed form."""


@takes(PlanQuestion)
def plan(
    question: PlanQuestion,
    data: PredictionData | None = None,
    market: Market | None = None,
    on_progress: Progress = lambda done, total: None,
) -> PlanAnswer:
    """Size every candidate for the traffic, price the fleets, rank them; NoData where none meets the limits."""
    setting = PlanSetting.of(question, data, market)
    entries, left_out = _entries(setting, on_progress)
    if not entries:
        raise NoData(_none_meets(left_out, setting))
    entries, outcomes = _replayed(setting, entries, left_out)
    shown = entries[: question.top]
    rows = [
        replace(row, sessions=outcomes.get(e.candidate))
        for row, e in zip(_rows(setting, shown, entries[0].bills.draws), shown, strict=True)
    ]
    if question.split_tokens:
        rows = _with_split(setting, question.split_tokens, rows, entries[0].bills.draws, on_progress)
    return PlanAnswer(
        headline=headline(rows),
        slo=question.slo,
        availability=availability(question.spares),
        task=setting.task,
        traffic=setting.summary,
        rows=tuple(rows),
        left_out=tuple(left_out),
        notes=setting.without_price,
    )


def _replayed(
    setting: PlanSetting, entries: list[FleetEntry], left_out: list[LeftOut]
) -> tuple[list[FleetEntry], dict[FleetCandidate, SessionOutcome]]:
    """The entries by rising cost, the cheapest replayed; those that a replay makes too large join `left_out`."""
    outcomes = dict[FleetCandidate, SessionOutcome]()
    while True:
        entries, too_large = _within_size(setting, replayed_entries(setting, entries, outcomes))
        left_out += too_large
        if not entries:
            raise NoData(_none_meets(left_out, setting))
        if not too_large:
            return entries, outcomes


def _entries(setting: PlanSetting, on_progress: Progress) -> tuple[list[FleetEntry], list[LeftOut]]:
    """Every candidate that meets the limits, by rising cost, and those that do not."""
    question, limits = setting.question, setting.limits
    candidates, excluded = fleet_candidates(
        question.choices(tuple(setting.prices), setting.catalog),
        mean_lengths(setting.traffic),
        limits,
        setting.calibration,
        setting.catalog,
    )
    capacities = coarse_capacities(
        candidates,
        setting.traffic,
        limits,
        calibration=setting.calibration,
        catalog=setting.catalog,
        computed_share=setting.computed_share,
    )
    left_out = [LeftOut(name=x.name, reason=x.reason, nearest=None) for x in excluded]
    able = [c for c in capacities if c.capacity_s]
    unable = sorted((c for c in capacities if c.unmet), key=lambda c: shortfall(c.unmet))
    left_out += [LeftOut(name=name_of(c.candidate), reason=c.problem, nearest=None) for c in capacities if c.problem]
    entries = coarse_entries(setting, able)
    if question.coarse:
        left_out += [_left_out(c, limits) for c in unable]
    else:
        chosen = promising(entries, question.most_candidates)
        tried = 0 if chosen else NEAREST
        left_out += [_left_out(c, limits) for c in unable[tried:]]
        entries, unsized = simulated(setting, [*chosen, *(c.candidate for c in unable[:tried])], on_progress)
        left_out += [LeftOut(name=name_of(s.candidate), reason=s.reason, nearest=s.nearest) for s in unsized]
    kept, too_large = _within_size(setting, entries)
    return sorted(kept, key=lambda e: e.usd_per_day), left_out + too_large


def _left_out(capacity: CoarseCapacity, limits: Sequence[Slo]) -> LeftOut:
    """A candidate that misses limits by the closed form."""
    nearest = nearest_met(limits, capacity.unmet)
    return LeftOut(name=name_of(capacity.candidate), reason=why_unmet(capacity.unmet), nearest=nearest)


def _within_size(setting: PlanSetting, entries: Sequence[FleetEntry]) -> tuple[list[FleetEntry], list[LeftOut]]:
    """The entries within the confidence, GPUs and power that the question allows; the others with the reason."""
    kept, left_out = list[FleetEntry](), list[LeftOut]()
    for e in entries:
        if reason := _too_large(setting, e):
            left_out.append(LeftOut(name=name_of(e.candidate), reason=reason, nearest=None))
        else:
            kept.append(e)
    return kept, left_out


def _too_large(setting: PlanSetting, entry: FleetEntry) -> str:
    """Why a fleet is beyond what the question allows; empty if it is not."""
    question, gpus = setting.question, entry.gpus
    if entry.planned_for == inf:
        best = float(np.isfinite(entry.size_factors).mean())
        return f"no size meets the SLO with a probability of {question.confidence:.0%}; at most {best:.0%} is possible"
    if question.most_gpus is not None and gpus > question.most_gpus:
        return f"it needs {gpus:,} GPUs, more than {question.most_gpus:,}"
    if question.mw is None:
        return ""
    kw = setting.kw_per_gpu.get(entry.candidate.accelerator)
    if kw is None:
        return f"the power of {entry.candidate.accelerator} is unknown; leave --mw out"
    if gpus * kw <= question.mw * 1000:
        return ""
    return f"it draws {gpus * kw / 1000:.3g} MW of utility power, more than {question.mw:g}"


def _with_split(
    setting: PlanSetting, tokens: int, rows: Sequence[PlanRow], first: Floats, on_progress: Progress
) -> list[PlanRow]:
    """The rows, with one more for the cheapest fleets of short and long requests, ranked again."""
    parts: list[PlanRow] = []
    draws, met = np.zeros(DRAWS), np.ones(DRAWS, dtype=bool)
    for traffic in split_by_length(setting.traffic, tokens):
        part = setting.of_part(traffic)
        entries, left_out = _entries(part, on_progress)
        if not entries:
            raise NoData(_none_meets(left_out, part))
        parts += _rows(part, entries[:1], entries[0].bills.draws)
        draws = draws + entries[0].bills.draws
        met &= entries[0].size_factors <= parts[-1].headroom
    split = joined_row(parts[0], parts[1], tokens, draws, float(met.mean()), setting.work)
    cheaper = probability_cheaper(draws, first)
    ranked = sorted([*rows, replace(split, cheaper=cheaper)], key=_usd_per_day)
    if ranked[0].name == split.name:
        ranked = [replace(r, cheaper=0.5 if r.name == split.name else None) for r in ranked]
    return [replace(r, rank=i) for i, r in enumerate(ranked, 1)]


def _usd_per_day(row: PlanRow) -> float:
    return row.bills[0].usd_per_day if row.bills else inf


def _rows(setting: PlanSetting, entries: Sequence[FleetEntry], first: Floats) -> Iterator[PlanRow]:
    """Rows of entries by rising cost; `first` are the draws of the cheapest."""
    for rank, e in enumerate(entries, 1):
        yield plan_row(
            setting, e, rank=rank, cheaper=probability_cheaper(e.bills.draws, first), commands=_commands(setting, e)
        )


def _commands(setting: PlanSetting, entry: FleetEntry) -> tuple[str, ...]:
    """How to start the fleet of the cheapest bill."""
    fleet, bills = entry.fleet, entry.bills.bills
    users = fleet.curve.batch_at(fleet.curve.capacity_s(setting.limits)) if fleet else None
    return start_commands(entry.need, users, setting.catalog, fixed=not bills or is_fixed(bills[0].contract))


def _none_meets(left_out: Sequence[LeftOut], setting: PlanSetting) -> str:
    """The error without a fleet: the limit that binds, and the nearest SLO that is met."""
    met = [x for x in left_out if x.nearest]
    if met:
        x = min(met, key=lambda x: _loosened(x.nearest or "", setting.limits))
        return f"no fleet meets {setting.question.slo}: the nearest, {x.name}, {x.reason}; it meets {x.nearest}"
    if not left_out:
        return f"no fleet meets {setting.question.slo}"
    return (
        f"no fleet is within the limits, {setting.question.slo} among them: {left_out[-1].name}: {left_out[-1].reason}"
    )


def _loosened(nearest: str, limits: Sequence[Slo]) -> float:
    """The largest factor between two SLOs of the same limits."""
    return max(near.bound_s / slo.bound_s for near, slo in zip(parse_slos(nearest), limits, strict=True))
