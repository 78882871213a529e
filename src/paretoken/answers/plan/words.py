"""A plan in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.answers.plan.gpu_prices import OWN
from paretoken.answers.plan.result import PlanRow
from paretoken.plural import counted


def availability(spares: int) -> str:
    """N+1 and what it means."""
    return f"N+{spares}: {counted(spares, 'replica')} may fail" if spares else "N: no replica may fail"


def headline(rows: Sequence[PlanRow]) -> str:
    """The decision in a sentence or two."""
    best = rows[0]
    bill = best.bills[0]
    text = (
        f"{counted(best.gpus, 'GPU')} of {best.accelerator} ({best.replicas}+{best.spares} replicas of {best.layout} "
        f"with {best.engine}, {best.precision}) serve this traffic for {bill.usd_per_day:,.0f} USD a day "
        f"({bill.contract}): {bill.usd_per_mtok:.3g} USD per million tokens"
    )
    text += f"; the probability of meeting the SLO is {best.probability:.0%}."
    rented = next((b for b in best.bills if not b.contract.startswith(OWN)), None)
    if rented and rented is not bill:
        text += f" Rented ({rented.contract}), it costs {rented.usd_per_day:,.0f} USD a day."
    other = next((r for r in rows[1:] if r.accelerator != best.accelerator), None)
    if other and other.cheaper is not None:
        more = other.bills[0].usd_per_day / bill.usd_per_day - 1
        text += (
            f" The best of another accelerator, {other.accelerator} with {other.engine}, costs {more:.0%} more; "
            f"the probability that it is cheaper is {other.cheaper:.0%}."
        )
    return text
