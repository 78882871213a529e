"""Figures of a plan as a reader gets them, on the page and on a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from paretoken.answers.plan.result import Bill, LimitOutcome, PlanRow, Range
from paretoken.errors import BadConfig
from paretoken.plural import counted
from paretoken.report.numbers import money, shown
from paretoken.slo import parse_slos
from paretoken.traffic.describe import TrafficSummary
from paretoken.traffic.traffic import DAY_S, HOUR_S

SURE = 0.995
"""Probability from which 100 % would be shown: a prediction is never certain."""
SHORT_COMMAND = 12
"""Most lines of a command that is shown whole."""
_SIMULATED = {
    "closed form": "in closed form, without a simulation",
    "sampled hours": "the busiest part of the hours simulated",
    "busiest hour": "the whole busiest hour simulated",
    "whole period": "the whole period simulated",
}


def certainty(probability: float | None) -> str:
    """Whole percent, `> 99 %` and `< 1 %` at the ends; a dash for None."""
    if probability is None:
        return "–"
    if probability >= SURE:
        return "> 99\u00a0%"
    return "< 1\u00a0%" if probability < 1 - SURE else f"{probability * 100:.0f}\u00a0%"


def usd(value: float | None) -> str:
    """Whole dollars from 100 on, cents from 1 on, else three significant digits."""
    return f"${value:,.0f}" if value is not None and value >= 100 else money(value)


def trimmed(value: float) -> str:
    """Three significant digits without zeros at the end: `24`, `3.4`, `1,250`, `∞`."""
    if value == inf:
        return "∞"
    text = shown(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def between(ends: Range | None) -> str:
    """`$1,020 to $2,310`; a dash for None."""
    return f"{usd(ends[0])} to {usd(ends[1])}" if ends else "–"


def limits_text(text: str) -> str:
    """Limits as they were written, for a reader: `TTFT p95 ≤ 2 s, TPOT p50 ≤ 50 ms`; other words stay."""
    return ", ".join(_limit_text(part) for part in re.split(r",\s*(?=[a-z])", text))


def _limit_text(text: str) -> str:
    limit, space, rest = text.strip().partition(" ")
    try:
        return "".join(slo.words for slo in parse_slos(limit)) + space + rest
    except BadConfig:
        return text


def cheapest(row: PlanRow) -> Bill | None:
    """The first bill of a row; None where no contract has a price."""
    return row.bills[0] if row.bills else None


def fleet_of(row: PlanRow) -> str:
    """`5 replicas of 2 GPUs and 1 spare`; without the GPUs where replicas differ."""
    text = counted(row.replicas, "replica")
    if row.gpus_per_replica:
        text += f" of {counted(row.gpus_per_replica, 'GPU')}"
    return f"{text} and {counted(row.spares, 'spare')}" if row.spares else text


def how_simulated(row: PlanRow) -> str:
    """`the whole busiest hour simulated`."""
    return _SIMULATED.get(row.simulated, row.simulated)


def is_measured(row: PlanRow) -> bool:
    """Whether the prediction rests on measured points of the same deployment."""
    return row.measured_points > 0


def growth(headroom: float) -> str:
    """The growth of the traffic until a limit fails: `+18 %`, or `×3.6`."""
    if headroom == inf:
        return "without bound"
    return f"×{headroom:.1f}" if headroom >= 3 else f"{(headroom - 1) * 100:+.0f}\u00a0%".replace("-", "−")


@dataclass(frozen=True, slots=True)
class LimitWords:
    """A limit with its figures in one unit, milliseconds where the bound is below a second."""

    text: str
    value: str
    interval: str
    bound: str
    share: str
    verdict: str


def limit_words(limit: LimitOutcome) -> LimitWords:
    """The figures of a limit, and whether its whole interval meets it."""
    scale, unit = (1000.0, "ms") if limit.unit == "s" and limit.bound < 1 else (1.0, limit.unit)

    def figure(value: float) -> str:
        return "∞" if value == inf else f"{trimmed(value * scale)}\u00a0{unit}"

    ends = [inf if end is None else end for end in (limit.low, limit.high)]
    verdict = (
        "met"
        if ends[1] <= limit.bound
        else "missed"
        if ends[0] > limit.bound
        else "likely"
        if limit.ratio <= 1
        else "unlikely"
    )
    return LimitWords(
        text=limits_text(limit.text),
        value=figure(limit.value),
        interval=f"{figure(ends[0])} to {figure(ends[1])}",
        bound=figure(limit.bound),
        share="∞" if limit.ratio == inf else f"{limit.ratio * 100:.0f}\u00a0%",
        verdict=verdict,
    )


def span_words(seconds: float) -> str:
    """`24 h`, `7 days`, `12 min`, `15 s`."""
    if seconds < 60:
        return f"{trimmed(seconds)} s"
    if seconds >= 2 * DAY_S:
        return counted(seconds / DAY_S, "day")
    return f"{trimmed(seconds / HOUR_S)} h" if seconds >= HOUR_S else f"{trimmed(seconds / 60)} min"


def traffic_facts(traffic: TrafficSummary) -> list[tuple[str, str]]:
    """What the traffic is, as names and values."""
    reuse, correlation, per_session = traffic.prefix_reuse, traffic.length_correlation, traffic.requests_per_session
    sessions = "none stated"
    if traffic.sessions:
        sessions = counted(traffic.sessions, "session") + (
            f" of {trimmed(per_session)} requests" if per_session else ""
        )
    return [
        ("Read from", traffic.source),
        ("Requests", f"{traffic.requests:,} in {span_words(traffic.span_s)}"),
        (
            "Rate",
            f"{trimmed(traffic.rate_s)}/s; {trimmed(traffic.peak_hour_rate_s)}/s in the busiest hour, "
            f"{trimmed(traffic.peak_minute_rate_s)}/s in the busiest minute",
        ),
        (
            "Burstiness",
            "too few requests to tell"
            if traffic.burstiness is None
            else f"{trimmed(traffic.burstiness)} in windows of {span_words(traffic.burst_window_s)} (Poisson: 1)",
        ),
        ("Sessions", sessions),
        ("Prefix reuse", "not stated" if reuse is None else f"{reuse * 100:.0f}\u00a0% of input tokens at best"),
        *([] if correlation is None else [("Correlation of input and output", f"{round(correlation, 2) + 0.0:+.2f}")]),
    ]


def origin_words(rows: Sequence[PlanRow]) -> str:
    """How many fleets are predicted from measured points; `predicted` if none is."""
    measured = sum(map(is_measured, rows))
    if not measured:
        return "predicted"
    return f"{counted(measured, 'fleet')} of {len(rows)} predicted from measured points"
