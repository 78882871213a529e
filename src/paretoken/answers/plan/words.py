"""A plan in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.answers.plan.gpu_prices import OWN
from paretoken.answers.plan.result import PlanRow, SessionOutcome
from paretoken.plural import counted


def availability(spares: int) -> str:
    """N+1 and what it means."""
    return f"N+{spares}: {counted(spares, 'replica')} may fail" if spares else "N: no replica may fail"


def headline(rows: Sequence[PlanRow], per_usd: float = 1.0, code: str = "USD") -> str:
    """The decision in a sentence or two, in a currency of which a USD buys `per_usd`."""
    best = rows[0]
    bill = best.bills[0]
    text = (
        f"{best.gpus:,} {best.accelerator} ({best.replicas:,}+{best.spares} replicas of {best.layout} with "
        f"{best.engine} in {best.precision}) serve this traffic for {_money(bill.usd_per_day * per_usd)} {code} a day "
        f"({bill.contract}), {_money(bill.usd_per_mtok * per_usd)} {code} per million tokens. They meet the SLO with a "
        f"probability of {_share(best.probability)}."
    )
    rented = next((b for b in best.bills if not b.contract.startswith(OWN)), None)
    if rented and rented is not bill:
        text += f" Rented ({rented.contract}), they cost {_money(rented.usd_per_day * per_usd)} {code} a day."
    if best.sessions and not best.sessions.met:
        text += f" But a replay of its sessions misses {best.sessions.first_to_fail}."
    other = next((r for r in rows[1:] if r.accelerator != best.accelerator), None)
    if other and other.cheaper is not None:
        more = other.bills[0].usd_per_day / bill.usd_per_day - 1
        text += (
            f" The best fleet of another accelerator, {other.accelerator} with {other.engine}, costs {more:.0%} more; "
            f"it is cheaper with a probability of {_share(other.cheaper)}."
        )
    return text


def session_words(outcome: SessionOutcome) -> str:
    """The replay of the sessions in a sentence or two."""
    text = (
        f"Replay of {counted(outcome.calls, 'call')} of sessions in the busiest hour on "
        f"{counted(outcome.replicas, 'replica')}, each turn after its answer: "
    )
    if outcome.hit_share:
        text += f"the prefix cache finds {_share(outcome.hit_share)} of prompt tokens"
        if outcome.assumed_hit_share is not None:
            text += f" (the sizing assumed {_share(outcome.assumed_hit_share)})"
        text += ", "
    text += f"the median session takes {_money(outcome.median_session_s)} s, p99 {_money(outcome.p99_session_s)} s."
    if outcome.met and outcome.sized_replicas < outcome.replicas:
        return f"{text} All limits hold; with the {outcome.sized_replicas:,} of the sizing they do not."
    if outcome.met:
        return f"{text} All limits hold."
    needed = (
        f"{outcome.needed:,} replicas would meet all limits"
        if outcome.needed
        else f"not even {2 * outcome.replicas:,} replicas meet all limits"
    )
    return f"{text} It misses {outcome.first_to_fail}: {outcome.worst:.2f} times the limit; {needed}."


def _money(value: float) -> str:
    """A whole amount from 100 on, two decimals from 1 on, else three significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}" if value >= 1 else f"{value:.3g}"


def _share(probability: float) -> str:
    """Whole percent: nothing predicted is certain."""
    if probability >= 0.995:
        return "more than 99 %"
    return "less than 1 %" if probability < 0.005 else f"{probability:.0%}".replace("%", " %")
