"""The plan: traffic to candidates, candidates to fleets, fleets to bills, bills to a decision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf

import numpy as np

from paretoken.answers.market import Market
from paretoken.answers.plan.bills import DRAWS, FIXED, bills_of, normals, probability_cheaper
from paretoken.answers.plan.commands import start_commands
from paretoken.answers.plan.gpu_prices import GpuPrice
from paretoken.answers.plan.question import PlanQuestion
from paretoken.answers.plan.result import LeftOut, PlanAnswer, PlanRow
from paretoken.answers.plan.rows import FleetEntry, name_of, plan_row
from paretoken.answers.plan.setting import PlanSetting
from paretoken.answers.plan.split import joined_row
from paretoken.answers.plan.words import availability, headline
from paretoken.answers.prediction import PredictionData
from paretoken.errors import NoData
from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.candidates import fleet_candidates
from paretoken.plan.coarse import CoarseCapacity, coarse_capacities
from paretoken.plan.lengths import split_by_length
from paretoken.plan.need import FleetNeed, coarse_need, need_of
from paretoken.plan.parallel import Progress, map_all
from paretoken.plan.replica import mean_lengths
from paretoken.plan.sized import SizedFleet, SizingJob, Unsized, size_fleet
from paretoken.plan.sizes import size_factors
from paretoken.plan.uncertainty import TPOT, TTFT, LatencyError, latency_errors
from paretoken.plan.unmet import nearest_met, shortfall, why_unmet
from paretoken.predict.arrays import Floats
from paretoken.predict.deployment import Deployment
from paretoken.slo import Slo, parse_slos

KEPT_OF_A_KIND = 2
"""Sizes of an accelerator, engine and precision that are simulated, of those that the closed form finds cheapest."""
NEAREST = 4
"""Candidates that are simulated to say which SLO is met, where the closed form finds none that meets the limits."""
USERS = 64.0
"""Concurrent requests of a replica at which errors are taken before a simulation."""


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
    rows = list(_rows(setting, entries[: question.top], entries[0].bills.draws))
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
        notes=(),
    )


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
        candidates, setting.traffic, limits, calibration=setting.calibration, catalog=setting.catalog
    )
    left_out = [LeftOut(name=x.name, reason=x.reason, nearest=None) for x in excluded]
    able = [c for c in capacities if c.capacity_s]
    unable = sorted((c for c in capacities if c.unmet), key=lambda c: shortfall(c.unmet))
    left_out += [LeftOut(name=name_of(c.candidate), reason=c.problem, nearest=None) for c in capacities if c.problem]
    entries = _coarse_entries(setting, able)
    if question.coarse:
        left_out += [_left_out(c, limits) for c in unable]
    else:
        chosen = [e.candidate for e in _promising(entries, question.most_candidates)]
        simulated = 0 if chosen else NEAREST
        left_out += [_left_out(c, limits) for c in unable[simulated:]]
        chosen += [c.candidate for c in unable[:simulated]]
        entries, unsized = _simulated(setting, chosen, on_progress)
        left_out += unsized
    kept, too_large = _within_size(setting, entries)
    return sorted(kept, key=lambda e: e.usd_per_day), left_out + too_large


def _left_out(capacity: CoarseCapacity, limits: Sequence[Slo]) -> LeftOut:
    """A candidate that misses limits by the closed form."""
    nearest = nearest_met(limits, capacity.unmet)
    return LeftOut(name=name_of(capacity.candidate), reason=why_unmet(capacity.unmet), nearest=nearest)


def _coarse_entries(setting: PlanSetting, capacities: Sequence[CoarseCapacity]) -> list[FleetEntry]:
    """Fleets by the closed form."""
    question = setting.question
    needs = [coarse_need(c, setting.traffic, question.spares, question.cold_start_s) for c in capacities]
    errors = _errors(setting, needs, [USERS] * len(needs))
    entries = []
    for c, need, error in zip(capacities, needs, errors, strict=True):
        factors = error.factors(TPOT, _normals(need, TPOT))
        planned_for = _planned_for(setting, factors)
        if 1 < planned_for < inf:
            slower = replace(c, capacity_s=c.capacity_s / planned_for)
            need = coarse_need(slower, setting.traffic, question.spares, question.cold_start_s)
        entries.append(
            FleetEntry(
                need=need,
                size_factors=factors,
                planned_for=planned_for,
                error=error,
                bills=bills_of(need, _prices(setting, need), setting.work, factors / planned_for),
                first_to_fail=c.first_to_fail,
            )
        )
    return entries


def _planned_for(setting: PlanSetting, size_factors: Floats) -> float:
    """How many times the predicted size gives the confidence of the question; inf where no size does."""
    if setting.question.confidence <= 0.5:
        return 1.0
    return max(float(np.quantile(size_factors, setting.question.confidence, method="lower")), 1.0)


def _promising(entries: Sequence[FleetEntry], most: int) -> list[FleetEntry]:
    """The cheapest entries: the best of each accelerator first, then others, few of each kind."""
    ranked = sorted(entries, key=lambda e: e.usd_per_day)
    of_kind, kept = dict[tuple[object, ...], int](), list[FleetEntry]()
    for e in ranked:
        kind = _kind(e.need)
        of_kind[kind] = of_kind.get(kind, 0) + 1
        if of_kind[kind] <= KEPT_OF_A_KIND:
            kept.append(e)
    first = list({e.candidate.accelerator: e for e in reversed(kept)}.values())
    rest = [e for e in kept if e not in first]
    return [*sorted(first, key=lambda e: e.usd_per_day), *rest][:most]


def _simulated(
    setting: PlanSetting, chosen: Sequence[FleetCandidate], on_progress: Progress
) -> tuple[list[FleetEntry], list[LeftOut]]:
    """The chosen candidates simulated; with `replay`, the cheapest of them over the whole period."""
    whole = int(setting.question.replay)
    jobs = [_job(setting, candidate, whole=False) for candidate in chosen]
    total = len(jobs) + whole
    sized = map_all(size_fleet, jobs, progress=lambda done, _: on_progress(done, total))
    entries = _sized_entries(setting, [s for s in sized if isinstance(s, SizedFleet)])
    if whole and entries:
        cheapest = min(entries, key=lambda e: e.usd_per_day)
        again = size_fleet(_job(setting, cheapest.candidate, whole=True))
        if isinstance(again, SizedFleet):
            entries = [e for e in entries if e is not cheapest] + _sized_entries(setting, [again])
        on_progress(total, total)
    unsized = [
        LeftOut(name=name_of(s.candidate), reason=s.reason, nearest=s.nearest) for s in sized if isinstance(s, Unsized)
    ]
    return entries, unsized


def _job(setting: PlanSetting, candidate: FleetCandidate, *, whole: bool) -> SizingJob:
    return SizingJob(
        candidate=candidate,
        traffic=setting.traffic,
        slos=setting.limits,
        spares=setting.question.spares,
        cold_start_s=setting.question.cold_start_s,
        calibration=setting.calibration,
        catalog=setting.catalog,
        whole=whole,
        prefix_cache=setting.question.prefix_cache,
    )


def _sized_entries(setting: PlanSetting, fleets: Sequence[SizedFleet]) -> list[FleetEntry]:
    """Simulated fleets with their errors and bills."""
    question = setting.question
    needs = [need_of(fleet, question.spares, question.cold_start_s) for fleet in fleets]
    users = [max(f.curve.batch_at(f.size.rate_each_s(f.size.checks[0].group.first)), 1.0) for f in fleets]
    errors = _errors(setting, needs, users)
    entries = []
    for fleet, need, error in zip(fleets, needs, errors, strict=True):
        factors = size_factors(fleet.curve, setting.limits, error, _normals(need, TTFT), _normals(need, TPOT))
        planned_for = _planned_for(setting, factors)
        if 1 < planned_for < inf:
            need = need_of(fleet, question.spares, question.cold_start_s, planned_for)
        entries.append(
            FleetEntry(
                need=need,
                size_factors=factors,
                planned_for=planned_for,
                error=error,
                bills=bills_of(need, _prices(setting, need), setting.work, factors / planned_for),
                fleet=fleet,
            )
        )
    return entries


def _errors(setting: PlanSetting, needs: Sequence[FleetNeed], users: Sequence[float]) -> list[LatencyError]:
    candidates, lengths = [need.candidate for need in needs], mean_lengths(setting.traffic)
    return latency_errors(candidates, lengths, users, setting.calibration, setting.catalog)


def _prices(setting: PlanSetting, need: FleetNeed) -> Sequence[GpuPrice]:
    return setting.prices[need.candidate.accelerator]


def _kind(need: FleetNeed) -> tuple[str, str, str, bool]:
    """What errs together: accelerator, engine, precision, and whether it is disaggregated."""
    d = need.candidate.deployment
    one = d if isinstance(d, Deployment) else d.decode
    return need.candidate.accelerator, d.engine, one.precision, isinstance(d, Deployment)


def _normals(need: FleetNeed, metric: str) -> Floats:
    """Draws of an error, the same for every size of a kind."""
    return normals(f"{' '.join(map(str, _kind(need)))} {metric}")


def _within_size(setting: PlanSetting, entries: Sequence[FleetEntry]) -> tuple[list[FleetEntry], list[LeftOut]]:
    """The entries that the confidence and the most GPUs leave, and the others with the reason."""
    most, kept, left_out = setting.question.most_gpus, list[FleetEntry](), list[LeftOut]()
    for e in entries:
        gpus = (max(e.need.replicas) + e.need.spares) * e.candidate.gpus
        reason = ""
        if e.planned_for == inf:
            reason = f"no size meets the SLO with a probability of {setting.question.confidence:.0%}"
        elif most is not None and gpus > most:
            reason = f"it needs {gpus:,} GPUs, more than {most:,}"
        elif over := _over_power(setting, e.candidate.accelerator, gpus):
            reason = over
        if reason:
            left_out.append(LeftOut(name=name_of(e.candidate), reason=reason, nearest=None))
        else:
            kept.append(e)
    return kept, left_out


def _over_power(setting: PlanSetting, accelerator: str, gpus: int) -> str:
    """Why a fleet is above the utility power of the question; empty if it is not."""
    mw, kw = setting.question.mw, setting.kw_per_gpu.get(accelerator)
    if mw is None:
        return ""
    if kw is None:
        return f"the power of {accelerator} is unknown; leave --mw out"
    return f"it draws {gpus * kw / 1000:.3g} MW of utility power" if gpus * kw > mw * 1000 else ""


def _with_split(
    setting: PlanSetting, tokens: int, rows: Sequence[PlanRow], first: Floats, on_progress: Progress
) -> list[PlanRow]:
    """The rows with that of the cheapest fleets for short and for long requests, ranked anew."""
    parts: list[PlanRow] = []
    draws = np.zeros(DRAWS)
    for traffic in split_by_length(setting.traffic, tokens):
        part = setting.of_part(traffic)
        entries, left_out = _entries(part, on_progress)
        if not entries:
            raise NoData(_none_meets(left_out, part))
        parts += _rows(part, entries[:1], entries[0].bills.draws)
        draws = draws + entries[0].bills.draws
    split = joined_row(parts[0], parts[1], tokens, draws, setting.work)
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
            e,
            rank,
            setting.limits,
            setting.traffic,
            0.5 if rank == 1 else probability_cheaper(e.bills.draws, first),
            setting.calibration,
            _commands(setting, e),
            setting.kw_per_gpu.get(e.candidate.accelerator),
        )


def _commands(setting: PlanSetting, entry: FleetEntry) -> tuple[str, ...]:
    """How to start the fleet of the cheapest bill."""
    fleet, fixed = entry.fleet, entry.bills.bills[0].contract.endswith(FIXED) if entry.bills.bills else True
    users = fleet.curve.batch_at(fleet.curve.capacity_s(setting.limits)) if fleet else None
    return start_commands(entry.need, users, setting.catalog, fixed=fixed)


def _none_meets(left_out: Sequence[LeftOut], setting: PlanSetting) -> str:
    """Which limit binds, and the nearest SLO that is met."""
    met = [x for x in left_out if x.nearest]
    if met:
        x = min(met, key=lambda x: _loosened(x.nearest or "", setting.limits))
        return f"no fleet meets {setting.question.slo}: the nearest, {x.name}, {x.reason}; it meets {x.nearest}"
    reasons = f": {left_out[0].name}: {left_out[0].reason}" if left_out else ""
    return f"no fleet meets {setting.question.slo}{reasons}"


def _loosened(nearest: str, limits: Sequence[Slo]) -> float:
    """The largest factor between two SLOs of the same limits."""
    return max(near.bound_s / slo.bound_s for near, slo in zip(parse_slos(nearest), limits, strict=True))
