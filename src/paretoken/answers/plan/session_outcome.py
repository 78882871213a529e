"""The check of a plan's cheapest fleet under sessions whose turns wait for answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from paretoken.answers.plan.bills import bills_of
from paretoken.answers.plan.entries import FleetEntry
from paretoken.answers.plan.result import SessionOutcome
from paretoken.answers.plan.setting import PlanSetting
from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.load_curve import STABLE_LOAD
from paretoken.plan.need import need_of
from paretoken.plan.session_check import check_sessions

ROUNDS = 5
"""Fleets that are replayed at most until the cheapest one has been."""
STEP = 1.02
"""Factor by which the load rises until a fleet has as many replicas as its sessions need."""


def replayed_entries(
    setting: PlanSetting, entries: Sequence[FleetEntry], outcomes: dict[FleetCandidate, SessionOutcome]
) -> list[FleetEntry]:
    """The entries by rising cost, of which the cheapest is replayed; its replay is added to `outcomes`.

    A fleet whose sessions need more replicas gets them, and is ranked again at its new cost. One for which
    twice the replicas are too few stays as it is, marked.
    """
    ranked = list(entries)
    for _ in range(ROUNDS):
        first = ranked[0]
        outcome = None if first.candidate in outcomes else session_outcome(setting, first)
        if outcome is None:
            break
        if outcome.needed and not outcome.met:
            first = _enlarged(setting, first, outcome)
            larger = session_outcome(setting, first)
            outcome = outcome if larger is None else replace(larger, sized_replicas=outcome.sized_replicas)
        outcomes[first.candidate] = outcome
        ranked = sorted([first, *ranked[1:]], key=lambda entry: entry.usd_per_day)
    return ranked


def session_outcome(setting: PlanSetting, entry: FleetEntry) -> SessionOutcome | None:
    """The replay of the busiest hour; None in closed form, without sessions, and of layouts of two pools."""
    if entry.fleet is None:
        return None
    check = check_sessions(
        entry.fleet,
        entry.need.replicas,
        setting.traffic,
        setting.limits,
        setting.catalog,
        prefix_cache=setting.question.prefix_cache,
    )
    if check is None:
        return None
    worst = max(check.ratios, key=check.ratios.__getitem__, default=None)
    return SessionOutcome(
        hour=check.hour,
        replicas=check.replicas,
        sized_replicas=check.replicas,
        share=check.share,
        sessions=check.sessions,
        calls=check.calls,
        hit_share=check.hit_share,
        assumed_hit_share=entry.fleet.hit_share,
        median_session_s=check.session_s[0],
        p99_session_s=check.session_s[1],
        worst=0.0 if worst is None else check.ratios[worst],
        first_to_fail=STABLE_LOAD if worst is None else worst.text,
        met=check.met,
        needed=check.needed,
    )


def _enlarged(setting: PlanSetting, entry: FleetEntry, outcome: SessionOutcome) -> FleetEntry:
    """The fleet with the replicas that its sessions need in the busiest hour, and more in the others in proportion."""
    question, fleet = setting.question, entry.fleet
    if fleet is None or outcome.needed is None:
        return entry
    factor, need = entry.planned_for, entry.need
    while need.replicas[outcome.hour] < outcome.needed:
        factor *= STEP
        need = need_of(fleet, question.spares, question.cold_start_s, factor)
    prices = setting.prices[entry.candidate.accelerator]
    return replace(
        entry,
        need=need,
        planned_for=factor,
        bills=bills_of(need, prices, setting.work, entry.size_factors / factor),
    )
