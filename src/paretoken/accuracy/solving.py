"""T4: the same items answered by both, compared item by item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from paretoken.accuracy.asking import OnProgress, ask_all
from paretoken.accuracy.servers import ScoringServer
from paretoken.accuracy.statistics import Paired, paired
from paretoken.accuracy.tasks import Item, items
from paretoken.accuracy.verdicts import NA, TierVerdict, judged

# A reference that solves fewer items than this cannot show that a candidate solves them worse.
LEAST_RIGHT = 0.05
ALPHA = 0.05


def solve(
    server: ScoringServer, tasks: Sequence[str], *, n: int, seed: int, on_progress: OnProgress | None = None
) -> tuple[dict[str, tuple[bool, ...]], str | None]:
    """Whether each of n items of every task is answered correctly, and how the server broke off, if it did.

    A task that was broken off has the items up to that point.
    """
    right: dict[str, tuple[bool, ...]] = {}
    todo = {task: items(task, n, seed) for task in tasks}  # an unknown task is refused before the first is generated
    for task, questions in todo.items():
        answers = ask_all(lambda item: _right(server, item), questions, on_progress=on_progress)
        right[task] = tuple(answers.done)
        if answers.stopped:
            return right, answers.stopped
    return right, None


def _right(server: ScoringServer, item: Item) -> bool:
    return item.right(server.text(item.prompt, 16, "\n"))


def against(
    candidate: Mapping[str, Sequence[bool]], reference: Mapping[str, Sequence[bool]] | None, stopped: str | None = None
) -> TierVerdict:
    """T4: each task by McNemar's exact test; the chance of a false alarm is shared among the tasks."""
    shares = {t: {"n": len(r), "candidate": sum(r) / len(r)} for t, r in candidate.items() if r}
    if not reference:
        return TierVerdict("T4", NA, "no reference to compare with", shares, stopped)
    compared = {t: _paired(reference[t], candidate[t]) for t in candidate if reference.get(t) and candidate[t]}
    able = {t: p for t, p in compared.items() if p.reference >= LEAST_RIGHT}
    figures = {t: asdict(p) for t, p in compared.items()}
    if not able:
        return TierVerdict(
            "T4", NA, "the reference itself solves fewer than 1 in 20 items of each task", figures, stopped
        )
    worse = [
        f"{t}: {p.reference:.1%} right by the reference, {p.candidate:.1%} by the candidate "
        f"({p.lost} lost, {p.won} won, p = {p.p_value:.2g})"
        for t, p in able.items()
        if p.lost > p.won and p.p_value < ALPHA / len(able)
    ]
    seen = ", ".join(f"{t} {p.change:+.1%} (a drop of {p.visible:.1%} would have been seen)" for t, p in able.items())
    return judged("T4", worse, seen, figures, stopped)


def _paired(reference: Sequence[bool], candidate: Sequence[bool]) -> Paired:
    n = min(len(reference), len(candidate))
    return paired(reference[:n], candidate[:n])
