"""A break-even rent in sentences: its range, and at which limits it is withheld or doubtful."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paretoken.answers.breakeven import BreakevenAnswer
from paretoken.answers.currency import IN_USD, Currency
from paretoken.frontier.consistency import SAME_DATE_DAYS
from paretoken.significant import significant

NO_RENT = "never"


def breakeven_words(answer: BreakevenAnswer, money: Currency = IN_USD) -> str:
    """The range of the break-even rents at one stated rent of the other."""
    rent_usd = answer.points[0].rent_against_usd_per_gpu_h
    return (
        f"Break-even rent of {answer.accelerator} when {answer.against} costs {money.amount(rent_usd)} per GPU-hour: "
        f"{_range(answer, money)}"
    )


def breakeven_doubts(answer: BreakevenAnswer) -> Iterator[str]:
    """At which limits the rent is withheld, and where the software of the two is far apart in time."""
    values = answer.values or tuple(p.value for p in answer.points)
    reasons = answer.withheld or tuple(p.withheld for p in answer.points)
    apart = answer.days_apart or tuple(p.days_apart for p in answer.points)
    withheld = [(value, reason) for value, reason in zip(values, reasons, strict=True) if reason]
    if withheld:
        middle = withheld[len(withheld) // 2]
        yield (
            f"Withheld at {len(withheld)} of {len(values)} limits, {_span([v for v, _ in withheld], answer.axis)}; "
            f"at {significant(middle[0], 3)}: {middle[1]}"
        )
    silent = [text for text in answer.acceptance or tuple(p.acceptance for p in answer.points) if text]
    if silent:
        yield f"At {len(silent)} of {len(values)} limits: {silent[len(silent) // 2]}"
    ends = answer.data_end or tuple(p.data_end for p in answer.points)
    beyond = [(value, name) for value, name in zip(values, ends, strict=True) if name]
    if beyond:
        yield (
            f"The data of {beyond[0][1]} end before {_span([v for v, _ in beyond], answer.axis)}, where it counts "
            "as at its last point; the range above leaves these limits out"
        )
    stale = {v: d for v, d in zip(values, apart, strict=True) if d is not None and d > SAME_DATE_DAYS}
    if stale:
        yield (
            f"The software of the two is up to {max(stale.values())} days apart at {len(stale)} of {len(values)} "
            f"limits, {_span(list(stale), answer.axis)}"
        )


def _span(values: Sequence[float], axis: str) -> str:
    unit = "s end to end" if axis == "e2e" else "tok/s/user"
    return f"{significant(min(values), 3)} to {significant(max(values), 3)} {unit}"


def _range(answer: BreakevenAnswer, money: Currency) -> str:
    ends = answer.range_usd_per_gpu_h
    return ends_words(*ends, money) if ends else "withheld"


def ends_words(low: float | None, high: float | None, money: Currency = IN_USD) -> str:
    """The range between two rents; withheld without them."""
    if low is None or high is None:
        return "withheld"
    return NO_RENT if high <= 0 else f"{rent_words(low, 2, money)} – {rent_words(high, 2, money)}"


def rent_words(usd: float, digits: int, money: Currency = IN_USD) -> str:
    """A rent without its currency; `never` where none is low enough."""
    return money.number(usd, f".{digits}f") if usd > 0 else NO_RENT
