"""The verdict of `compare` in sentences: who leads, by how much, and what makes that doubtful."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from paretoken.answers.compare import CompareAnswer
from paretoken.answers.doubts import doubts
from paretoken.answers.newer_releases import NewerRelease
from paretoken.answers.priced import PricedCandidate
from paretoken.frontier.compare import number_text, size_title
from paretoken.plural import quantity
from paretoken.points.acceptance import acceptance_of

HEADS = {
    "usd_per_mtok_total": "Cheapest tokens",
    "tok_s_per_utility_mw": "Most tokens per MW",
    "profit_usd_per_mw_year": "Highest profit per MW",
}
SAME_RANKING = "No other serving was measured; the ranking is the same."


def verdict_words(answer: CompareAnswer) -> Iterator[str]:
    """Who leads, by how much, and what makes that doubtful."""
    if answer.withheld:
        yield f"No verdict, {answer.withheld}"
    elif answer.winner:
        alone = answer.confidence == "uncontested"
        word = "no other accelerator meets the limit" if alone else answer.confidence
        yield f"{HEADS[answer.ranked_by]}: {answer.winner}{_margin(answer)} ({word})"
    as_run = [(c.usd_per_mtok_recommended, c.accelerator) for c in answer.candidates if c.usd_per_mtok_recommended]
    by_cost = answer.ranked_by == "usd_per_mtok_total"
    if by_cost and answer.winner and as_run and (cheapest := min(as_run)[1]) != answer.winner:
        yield f"As run, without interpolation, {cheapest} is cheaper"
    if answer.winner:
        yield from doubts(answer)


def _margin(answer: CompareAnswer) -> str:
    """By how much the winner leads the next one that has the figure; nothing if it is alone."""
    second = next((c for c in answer.candidates if c.accelerator != answer.winner and c.usd_per_mtok_total), None)
    if second is None or answer.margin is None:
        return ""
    if answer.ranked_by == "profit_usd_per_mw_year":
        spare = answer.margin / (1 + answer.margin)
        return f", until its throughput falls {spare:.1%}; then {second.accelerator} earns as much"
    return f", {answer.margin:+.1%} over {second.accelerator}"


def newer_words(releases: Iterable[NewerRelease]) -> Iterator[str]:
    """What newer releases reach that are not ranked: they have too few loads, or no stated throughput."""
    for n in releases:
        best = max(n.points, key=lambda point: point["tput_per_gpu"])
        loads = sorted({point["concurrency"] for point in n.points if point["concurrency"]})
        yield (
            f"newer release, not ranked: {n.accelerator} {n.engine} {n.software}, Pareto points at "
            f"{', '.join(f'{load:g}' for load in loads)} users, up to {number_text(best['tput_per_gpu'])} tok/s/GPU; "
            f"{n.instead_of} is ranked instead"
        )


def run_words(c: PricedCandidate) -> str:
    """The run that a candidate recommends: `TP8, 64 users, MTP K=3, 2.9 tokens a step`."""
    users, drafting = c.recommended["concurrency"], acceptance_of(c.recommended)
    load = "" if users is None else f", {quantity(users, 'user')}"
    if c.session and c.session.users:
        load = f", {quantity(c.session.users, 'session')}"
    return size_title(c.recommended) + load + (f", {drafting.text}" if drafting else "")
