"""The advice for a buyer segment in sentences: what to choose, by how much, and what would change that."""

from __future__ import annotations

from collections.abc import Iterator

from paretoken.answers.buyers import Advice, BreakEvenPrice, Choice
from paretoken.answers.currency import IN_USD, Currency
from paretoken.answers.doubts import doubts
from paretoken.frontier.compare import size_title
from paretoken.plural import quantity


def advice_words(advice: Advice, money: Currency = IN_USD) -> Iterator[str]:
    """What to choose, by how much, and what makes that doubtful."""
    best = advice.best
    if best is None:
        yield f"no recommendation, {advice.withheld}"
        return
    release = "" if best.origin == "predicted" else f" {best.software}"
    interpolated = (
        f", {money.amount(best.usd_per_mtok_total, '.4g')} interpolated at the limit" if best.interpolated else ""
    )
    yield (
        f"{best.accelerator} with {best.engine}{release}, {choice_run(best)}, {best.procurement}: "
        f"{money.amount(best.usd_per_mtok_recommended, '.4g')} per million tokens as run{interpolated}"
    )
    yield _margin(advice, money)
    if other := advice.cheaper_as_run:
        yield (
            f"as run, {other.accelerator} with {other.engine}, {choice_run(other)}, {other.procurement} is cheaper: "
            f"{money.amount(other.usd_per_mtok_recommended, '.4g')} per million tokens"
        )
    yield from doubts(advice)


def _margin(advice: Advice, money: Currency) -> str:
    second = advice.runner_up
    if second is None or advice.margin is None:
        return "no other candidate"
    name = f"{second.accelerator} ({second.procurement})"
    if advice.margin < 0:
        return f"{name} is cheaper where it is available at {money.amount(second.usd_per_gpu_h)} per GPU-hour"
    return f"{advice.margin:+.1%} over {name}, {advice.confidence}"


def change_words(change: BreakEvenPrice, money: Currency = IN_USD) -> str:
    now = None if change.usd_now is None else money.amount(change.usd_now)
    if change.already_cheaper:
        return f"is cheaper where it is available at {now} per GPU-hour"
    by = "no price" if change.by is None else f"{-change.by:+.0%} from {now}"
    return f"breaks even at {money.amount(change.usd_needed)} per GPU-hour ({by})"


def choice_run(choice: Choice) -> str:
    """`TP8, 64 users`, or `P4/D8, 512 users`."""
    users = choice.recommended["concurrency"]
    return size_title(choice.recommended) + ("" if users is None else f", {quantity(users, 'user')}")
