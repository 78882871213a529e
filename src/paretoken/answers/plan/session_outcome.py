"""The check of a plan's cheapest fleet under sessions whose turns wait for answers."""

from __future__ import annotations

from paretoken.answers.plan.entries import FleetEntry
from paretoken.answers.plan.result import SessionOutcome
from paretoken.answers.plan.setting import PlanSetting
from paretoken.plan.load_curve import STABLE_LOAD
from paretoken.plan.session_check import check_sessions


def session_outcome(setting: PlanSetting, entry: FleetEntry) -> SessionOutcome | None:
    """The replay of the busiest hour; None in closed form, without sessions, and of layouts of two pools."""
    if entry.fleet is None:
        return None
    check = check_sessions(
        entry.fleet, setting.traffic, setting.limits, setting.catalog, prefix_cache=setting.question.prefix_cache
    )
    if check is None:
        return None
    worst = max(check.ratios, key=check.ratios.__getitem__, default=None)
    return SessionOutcome(
        hour=check.hour,
        replicas=check.replicas,
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
