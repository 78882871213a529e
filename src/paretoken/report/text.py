"""The report's sentences: the answer in words, and the words for verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from paretoken.answers.study.config import SERVING_FILTERS
from paretoken.answers.study.result import FrontierVerdict, Panel, StudyResult
from paretoken.frontier.compare import to_axis
from paretoken.frontier.verdict import LIKELY, LIKELY_PREDICTED, THIN, TIE, TIE_PREDICTED
from paretoken.plural import counted
from paretoken.points.selection import Axis
from paretoken.prices.tariff import Tariff
from paretoken.report.numbers import percent, shown
from paretoken.report.summary import Contest, Lead, contests, leads, panels_of, verdict_of, wins

AXIS_NAMES: dict[Axis, str] = {"e2e": "end-to-end latency", "interactivity": "interactivity"}
AXIS_UNITS: dict[Axis, str] = {"e2e": "s", "interactivity": "tok/s/user"}
CONFIDENCE = {
    "tie": f"margin under {percent(TIE)}: less than software drift alone moves one configuration in six weeks",
    "likely": f"margin under {percent(LIKELY)}: less than software drift moves it in five months",
    "clear": f"margin of {percent(LIKELY)} or more",
    "predicted": f"one of the two is a prediction, so a tie is under {percent(TIE_PREDICTED)} and likely under "
    f"{percent(LIKELY_PREDICTED)}",
    "thin": f"one of the two curves has fewer than {THIN} points",
    "uncontested": "no other accelerator has data there",
}
SHOWN_SHARE = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """What to run at one latency, and what would change that: the rent at which the second draws level."""

    latency_s: float
    accelerator: str
    engine: str
    tp: str
    usd_per_mtok: float
    rival: str | None
    rival_usd_per_gpu_h: float | None
    level_usd_per_gpu_h: float | None
    predicted: bool


@dataclass(frozen=True, slots=True)
class OverviewCell:
    """One workload of one model and precision: the leads worth telling, the range they were judged over, a pick."""

    workload: str
    leads: tuple[Lead, ...]
    low: float | None
    high: float | None
    pick: Pick | None


@dataclass(frozen=True, slots=True)
class OverviewRow:
    model: str
    precision: str
    cells: tuple[OverviewCell, ...]


@dataclass(frozen=True, slots=True)
class Headline:
    """The head of the report: a paragraph, and a table of who leads where, for the basis named."""

    sentences: tuple[str, ...]
    basis: str
    workloads: tuple[str, ...]
    rows: tuple[OverviewRow, ...]


def answer(result: StudyResult) -> Headline:
    """Who wins where, for the study's first scenario and tier at equal E2E latency."""
    scenario, tariff = result.study.scenarios[0], result.tariffs[0]
    return Headline(
        tuple(_sentences(result, scenario, tariff)),
        f"{_lower(SERVING_FILTERS[scenario].title)}; equal {AXIS_NAMES['e2e']}; {priced_as(tariff)}",
        tuple(workloads(result)),
        tuple(overview(result, scenario, "e2e", tariff.tier)),
    )


def priced_as(tariff: Tariff) -> str:
    """The tariff with the dated set it belongs to."""
    return f"“{tariff.name}” (TCO set {tariff.price_set})"


def judged(result: StudyResult) -> list[Panel]:
    """The panels with a priced curve: an accelerator without a price, such as this machine, leads nowhere."""
    return [p for p in result.panels if any(v.segments for v in p.verdicts)]


def workloads(result: StudyResult) -> list[str]:
    """The judged workloads' names in the study's order."""
    return list(dict.fromkeys(p.workload for p in judged(result)))


def overview(result: StudyResult, scenario: str, axis: Axis, tier: str) -> list[OverviewRow]:
    """A row for each model and precision, a cell for each workload."""
    by_row: dict[tuple[str, str], dict[str, Panel]] = {}
    worth = {p.title for p in judged(result)}
    for panel in (p for p in panels_of(result, scenario) if p.title in worth):
        by_row.setdefault((panel.model, str(panel.selection.precision)), {})[panel.workload] = panel
    return [
        OverviewRow(
            model,
            precision.upper(),
            tuple(_overview_cell(result, w, of_row.get(w), axis, tier) for w in workloads(result)),
        )
        for (model, precision), of_row in by_row.items()
    ]


def _overview_cell(result: StudyResult, workload: str, panel: Panel | None, axis: Axis, tier: str) -> OverviewCell:
    verdict = verdict_of(panel, axis, tier) if panel else None
    leaders = leads(verdict)
    worth = tuple(lead for i, lead in enumerate(leaders) if i == 0 or lead.share >= SHOWN_SHARE)[:3]
    if verdict is None or not leaders:
        return OverviewCell(workload, (), None, None, None)
    low, high = min(lead.low for lead in leaders), max(lead.high for lead in leaders)
    return OverviewCell(workload, worth, low, high, _pick(result, verdict, (low * high) ** 0.5))


def _pick(result: StudyResult, verdict: FrontierVerdict, middle: float) -> Pick | None:
    """The answer at the study's mark nearest to the middle of the range, of those where the most accelerators stand."""
    marks = [c for c in verdict.comparisons if c.winner and c.better_at_lower_latency is None]
    if not marks:
        return None
    priced = [[(p, p.usd_per_mtok_total) for p in c.candidates if p.usd_per_mtok_total is not None] for c in marks]
    _, _, at = min((-len(p), abs(log(c.value / middle)), i) for i, (c, p) in enumerate(zip(marks, priced, strict=True)))
    (first, usd), *others = priced[at]
    second, second_usd = others[0] if others else (None, None)
    rent = second.usd_per_gpu_h if second else None
    engine = first.engine
    return Pick(
        latency_s=to_axis(marks[at].value, verdict.axis),
        accelerator=first.accelerator,
        engine=result.catalog.engines[engine].name if engine in result.catalog.engines else engine,
        tp=first.tp,
        usd_per_mtok=usd,
        rival=second.accelerator if second else None,
        rival_usd_per_gpu_h=rent,
        level_usd_per_gpu_h=rent * usd / second_usd if rent and second_usd else None,
        predicted=any(p.origin == "predicted" for p, _ in priced[at][:2]),
    )


def _sentences(result: StudyResult, scenario: str, tariff: Tariff) -> list[str]:
    met = contests(result, scenario, "e2e", tariff.tier)
    setting = f"{_lower(SERVING_FILTERS[scenario].title)}, priced as {priced_as(tariff)}"
    if not any(c.fair for c in met):
        return [
            f"At equal {AXIS_NAMES['e2e']} ({setting}), no latency has data for accelerators of different vendors; "
            "the tables below show each alone."
        ]
    return [
        f"At equal {AXIS_NAMES['e2e']}, {_count(met)}.",
        f"That is for {setting}; one comparison is one model, precision, workload and latency at which both have data.",
        *_want_of_data(met),
        *_widest(met),
        *_elsewhere(result, scenario, tariff),
        *_market(result),
    ]


def _count(met: list[Contest]) -> str:
    """`NVIDIA has the cheapest tokens in 20 of 31 comparisons between vendors (…); AMD in 9 (15 % more)`."""
    fair = [c for c in met if c.fair]
    won = wins(fair)
    parts = [f"{vendor} in {n} ({_more(lead)})" for vendor, n, lead in won]
    if won:
        vendor, n, lead = won[0]
        parts[0] = (
            f"{vendor} has the cheapest tokens in {n} of {counted(len(fair), 'comparison')} between vendors "
            f"(at the median the other vendor’s cost {_more(lead)})"
        )
    ties = sum(c.tie for c in fair)
    if ties:
        parts.append(f"{ties} {'is a tie' if ties == 1 else 'are ties'} (under {percent(TIE)})")
    return "; ".join(parts)


def _want_of_data(met: list[Contest]) -> list[str]:
    """What is not counted, and why: predictions, and what was won for want of data."""
    out = []
    if n := sum(c.better_at_lower_latency is not None and not c.predicted for c in met):
        out.append(
            f"{n} more {'comparison is' if n == 1 else 'comparisons are'} not counted: the loser was already better at "
            "a lower latency, where its data end."
        )
    if guessed := [c for c in met if c.predicted]:
        won = {v: sum(c.vendor == v for c in guessed) for v in sorted({c.vendor for c in guessed})}
        out.append(
            f"Nor are {len(guessed)} that rest on predictions, marked below: in these, "
            f"{_join([f'{vendor} is ahead in {n}' for vendor, n in won.items()])}."
        )
    return out


def _widest(met: list[Contest]) -> list[str]:
    """For each vendor that wins, its accelerators by wins and its widest lead."""
    out = []
    for vendor, _, _ in wins(met):
        own = [c for c in met if c.vendor == vendor and c.fair and not c.tie]
        top = max(own, key=lambda c: c.margin)
        with_what = _join([f"{name} ({n})" for name, n, _ in wins(own, "accelerator")])
        out.append(
            f"{vendor} wins with {with_what}; its widest lead is {top.accelerator}’s on {panel_title(top.panel)} at "
            f"{shown(top.value, 2)} s, where the other vendor’s tokens cost {_more(top.margin)}."
        )
    return out


def panel_title(panel: Panel) -> str:
    """`DeepSeek V3/R1 FP8, Chat 1k/1k`."""
    return f"{panel.model} {str(panel.selection.precision).upper()}, {panel.workload}"


def _elsewhere(result: StudyResult, scenario: str, tariff: Tariff) -> list[str]:
    """How the count moves with another tier, another scenario, the other axis."""
    moved = [
        (f"Priced as “{other.name}”", contests(result, scenario, "e2e", other.tier))
        for other in result.tariffs
        if other.tier != tariff.tier
    ]
    moved += [
        (f"With {_lower(SERVING_FILTERS[name].title.split(':')[0])}", contests(result, name, "e2e", tariff.tier))
        for name in result.study.scenarios
        if name != scenario
    ]
    moved.append((f"At equal {AXIS_NAMES['interactivity']}", contests(result, scenario, "interactivity", tariff.tier)))
    return [_moved(lead_in, met) for lead_in, met in moved if any(c.fair for c in met)]


def _market(result: StudyResult) -> list[str]:
    """How many providers rent out each vendor's accelerators, and which have no price on demand."""
    e = result.economy
    if not e.vendors:
        return []
    providers = _join(
        [f"{counted(n, 'provider')} rent{'s' if n == 1 else ''} out {vendor}" for vendor, n in e.vendors.items()]
    )
    judged_names = {c.accelerator for p in judged(result) for c in p.curves["e2e"]}
    priced = {c.accelerator for c in e.cells if c.term == "on-demand" and c.median_usd_per_gpu_h is not None}
    without = [a for a in result.catalog.accelerators if a in judged_names - priced]
    bare = (
        f"; {_join(without)} {'has' if len(without) == 1 else 'have'} too few for an on-demand price" if without else ""
    )
    return [f"In the rental prices of the last 180 days {providers}{bare}."]


def _moved(lead_in: str, met: list[Contest]) -> str:
    fair = [c for c in met if c.fair]
    ties = sum(c.tie for c in fair)
    counts = [f"{vendor} wins {n}" for vendor, n, _ in wins(fair)]
    counts += [f"{ties} {'is a tie' if ties == 1 else 'are ties'}"] if ties else []
    return f"{lead_in}: of {len(fair)}, {_join(counts)}."


def _more(margin: float) -> str:
    return f"{percent(margin)} as much" if margin >= 2 else f"{percent(margin)} more"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _join(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
