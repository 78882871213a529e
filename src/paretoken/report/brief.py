"""The answer of a study in a few lines: who wins, with plain and with the best known serving, and how firmly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from paretoken.answers.study.result import StudyResult
from paretoken.emulated import EMULATED
from paretoken.frontier.consistency import TIE
from paretoken.plural import counted, listed
from paretoken.report.contests import Contest, contests, wins
from paretoken.report.numbers import percent
from paretoken.report.summary import MarkCell, cells, panels_of, verdict_of
from paretoken.report.text import BOUNDS

MOST_PLACES = 4
"""Places of a vendor's wins that are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class Wins:
    """One vendor's (or accelerator's) wins clear of a tie, with their median margin."""

    name: str
    count: int
    margin: float


@dataclass(frozen=True, slots=True)
class Place:
    """A model and precision: how many of its comparisons a vendor wins."""

    title: str
    wins: int
    comparisons: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefBound:
    """The comparisons of one kind of serving; those withheld or predicted are not among `comparisons`.

    `places` are those of the vendors that do not lead, by vendor, most wins first.
    """

    scenario: str
    comparisons: int
    wins: tuple[Wins, ...]
    ties: int = 0
    fragile: int = 0
    withheld: int = 0
    predicted: int = 0
    places: dict[str, tuple[Place, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """A study's answer within limits of E2E latency at its first tariff. `between` says what is compared."""

    between: str
    price: str
    e2e_s: tuple[float, ...]
    bounds: tuple[BriefBound, ...]
    n_points: int
    n_flagged: int
    n_gaps: int


def brief(result: StudyResult) -> Brief:
    """The counts of the report's headline; between accelerators where no two vendors meet."""
    tariff = result.tariffs[0]
    met = {name: contests(result, name, "e2e", tariff.tier) for name in result.study.scenarios}
    vendors = any(c.counts for of_bound in met.values() for c in of_bound)
    bounds = (_of_contests(*bound) if vendors else _of_marks(result, bound[0], tariff.tier) for bound in met.items())
    return Brief(
        between="vendors" if vendors else "accelerators",
        price=f"{tariff.name} ({tariff.price_set})",
        e2e_s=tuple(sorted(result.study.e2e_s)),
        bounds=tuple(bounds),
        n_points=result.n_points - result.n_predicted,
        n_flagged=sum(result.n_flagged.values()),
        n_gaps=len(result.gaps),
    )


def _of_contests(scenario: str, met: list[Contest]) -> BriefBound:
    counting = [c for c in met if c.counts]
    won = tuple(Wins(*w) for w in wins(counting))
    return BriefBound(
        scenario=scenario,
        comparisons=len(counting),
        wins=won,
        ties=sum(c.tie for c in counting),
        fragile=sum(c.fragile is not None for c in counting),
        withheld=sum(c.withheld is not None and not c.predicted for c in met),
        predicted=sum(c.withheld is None and c.predicted for c in met),
        places={w.name: _places(counting, w.name) for w in won[1:]},
    )


def _places(counting: Sequence[Contest], vendor: str) -> tuple[Place, ...]:
    everyone = Counter(map(_cell, counting))
    own = Counter(_cell(c) for c in counting if c.vendor == vendor and not c.tie)
    return tuple(Place(cell, n, everyone[cell]) for cell, n in own.most_common())


def _cell(contest: Contest) -> str:
    return f"{contest.panel.model} {str(contest.panel.selection.precision).upper()}"


def _of_marks(result: StudyResult, scenario: str, tier: str) -> BriefBound:
    """Accelerators against each other: where one vendor is alone."""
    verdicts = (verdict_of(panel, "e2e", tier) for panel in panels_of(result, scenario))
    contested = [c for v in verdicts for c in cells(v, result.study.e2e_s) if c.margin is not None]
    predicted = [c for c in contested if "predicted" in c.confidence or EMULATED in c.confidence]
    counting = [c for c in contested if c.withheld is None and c not in predicted]
    return BriefBound(
        scenario=scenario,
        comparisons=len(counting),
        wins=tuple(_wins_of_marks(counting)),
        ties=sum(_margin(c) < TIE for c in counting),
        fragile=sum(c.fragile is not None for c in counting),
        withheld=sum(c.withheld is not None for c in contested),
        predicted=sum(c.withheld is None for c in predicted),
        places={},
    )


def _wins_of_marks(counting: Iterable[MarkCell]) -> list[Wins]:
    margins: dict[str, list[float]] = {}
    for cell in counting:
        if _margin(cell) >= TIE:
            margins.setdefault(str(cell.winner), []).append(_margin(cell))
    return sorted((Wins(k, len(m), median(m)) for k, m in margins.items()), key=lambda w: (-w.count, w.name))


def _margin(cell: MarkCell) -> float:
    return cell.margin or 0.0


def brief_lines(answer: Brief) -> list[str]:
    """Headline, each bound, where the others win, what is fragile, and the basis: four to six lines for two vendors."""
    with_data = [bound for bound in answer.bounds if bound.comparisons]
    return [
        _headline(answer, with_data),
        *(_bound_line(bound) for bound in with_data),
        *_places_line(with_data),
        *([_fragile_line(with_data)] if with_data else []),
        _basis_line(answer, with_data),
    ]


def _headline(answer: Brief, bounds: Sequence[BriefBound]) -> str:
    """`NVIDIA has the cheapest tokens in 33 of 60 comparisons between vendors with …, and in 52 of 63 with …`."""
    if not bounds:
        return "No limit of end-to-end latency has data of two accelerators that can be compared."
    first, *others = bounds
    head = f"{_leader(first)} in {_most(first)} comparisons between {answer.between} with {_the(first)}"
    for bound in others:
        again = "in" if _leader(bound) == _leader(first) else f"{_leader(bound)} in"
        head += f", and {again} {_most(bound)} with {_the(bound)}"
    return f"{head}."


def _most(bound: BriefBound) -> str:
    return f"{bound.wins[0].count if bound.wins else bound.ties} of {bound.comparisons}"


def _leader(bound: BriefBound) -> str:
    if not bound.wins:
        return "Tokens cost the same"
    level = [w.name for w in bound.wins if w.count == bound.wins[0].count]
    return f"{listed(level)} each have the cheapest tokens" if len(level) > 1 else f"{level[0]} has the cheapest tokens"


def _bound_line(bound: BriefBound) -> str:
    """`Plain serving: NVIDIA wins 33 by 48 % (median), AMD 24 by 30 %; 3 ties.`."""
    parts = [
        f"{w.name} {'wins ' if i == 0 else ''}{w.count} by {percent(w.margin)}{' (median)' if i == 0 else ''}"
        for i, w in enumerate(bound.wins)
    ]
    ties = [counted(bound.ties, "tie")] if bound.ties else []
    return f"{BOUNDS[bound.scenario]}: {'; '.join([', '.join(parts), *ties] if parts else ties)}."


def _places_line(bounds: Sequence[BriefBound]) -> list[str]:
    """`Where AMD wins: DeepSeek V3/R1 FP8 (8 of 10), … with plain serving; …`, a line for each vendor that trails."""
    vendors = dict.fromkeys(vendor for bound in bounds for vendor in bound.places)
    return [
        f"Where {vendor} wins: "
        + "; ".join(f"{_places_words(b.places[vendor])} with {_the(b)}" for b in bounds if vendor in b.places)
        + "."
        for vendor in vendors
    ]


def _places_words(places: Sequence[Place]) -> str:
    words = [f"{p.title} ({p.wins} of {p.comparisons})" for p in places[:MOST_PLACES]]
    rest = sum(p.wins for p in places[MOST_PLACES:])
    return listed([*words, *([f"{rest} elsewhere"] if rest else [])])


def _fragile_line(bounds: Sequence[BriefBound]) -> str:
    """`Fragile, because …: 9 of 60 (plain serving) and 4 of 63 (best known serving); withheld: 1 and 3.`."""
    fragile = listed([f"{b.fragile} of {b.comparisons} ({_name(b)})" for b in bounds])
    withheld = f"; withheld: {listed([str(b.withheld) for b in bounds])}" if any(b.withheld for b in bounds) else ""
    return f"Fragile, because 5 % of latency or one load level would turn them: {fragile}{withheld}."


def _basis_line(answer: Brief, bounds: Sequence[BriefBound]) -> str:
    predicted = max((b.predicted for b in bounds), default=0)
    limits = " to ".join(f"{limit_s:g}" for limit_s in sorted({answer.e2e_s[0], answer.e2e_s[-1]}))
    parts = [
        f"Within {limits} s end to end; prices: {answer.price}",
        f"{counted(answer.n_points, 'point')}, {answer.n_flagged:,} flagged",
    ]
    parts += [f"{counted(predicted, 'predicted comparison')} not counted"] if predicted else []
    parts += [f"{counted(answer.n_gaps, 'cell')} without points"] if answer.n_gaps else []
    return f"{'; '.join(parts)}."


def _name(bound: BriefBound) -> str:
    return BOUNDS[bound.scenario].lower()


def _the(bound: BriefBound) -> str:
    return f"the {_name(bound)}" if "best" in _name(bound) else _name(bound)
