"""The report's sentences: the answer in words, and the words for verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from paretoken.answers.study.config import SERVING_FILTERS
from paretoken.answers.study.result import Panel, StudyResult
from paretoken.frontier.consistency import LIKELY, LIKELY_PREDICTED, SAME_DATE_DAYS, TIE, TIE_PREDICTED, is_stale
from paretoken.frontier.verdict import THIN
from paretoken.plural import counted, listed
from paretoken.points.selection import Axis
from paretoken.prices.tariff import Tariff
from paretoken.report.contests import Contest, contests, wins
from paretoken.report.numbers import percent, shown
from paretoken.report.summary import judged

AXIS_NAMES: dict[Axis, str] = {"e2e": "end-to-end latency", "interactivity": "interactivity"}
AXIS_UNITS: dict[Axis, str] = {"e2e": "s", "interactivity": "tok/s/user"}
CONFIDENCE = {
    "tie": f"margin under {percent(TIE)}: less than software drift alone moves one configuration in six weeks",
    "likely": f"margin under {percent(LIKELY)}: less than software drift moves it in five months",
    "clear": f"margin of {percent(LIKELY)} or more",
    "predicted": f"one of the two is a prediction, so a tie is under {percent(TIE_PREDICTED)} and likely under "
    f"{percent(LIKELY_PREDICTED)}",
    "few points": f"one of the two curves has fewer than {THIN} points",
    "uncontested": "no other accelerator meets that limit",
    "fragile": "a limit 5 % away, or one load level less, would change the winner",
    "data end": "an accelerator led until its own data end, below the limit: it was not run at more load",
    "withheld": "no winner: better hardware of the same family reads slower, or acceptance of drafted tokens is unlike",
    "days apart": f"the software of the two is more than {SAME_DATE_DAYS} days apart",
    "emulated": "one of the two is an emulator’s, which no headline counts",
}
BOUNDS = {name: scenario.short for name, scenario in SERVING_FILTERS.items()}
"""Short names of the scenarios as the two bounds of every answer."""


def priced_as(tariff: Tariff) -> str:
    """The tariff with the dated set it belongs to."""
    return f"“{tariff.name}” (TCO set {tariff.price_set})"


def answer(result: StudyResult) -> list[str]:
    """Who wins where within the same E2E latency, at the study's first tier and with each of its scenarios, in
    sentences; the first is the answer."""
    tariff = result.tariffs[0]
    met = {name: contests(result, name, "e2e", tariff.tier) for name in result.study.scenarios}
    first = met[result.study.scenarios[0]]
    if not any(c.counts for of_bound in met.values() for c in of_bound):
        return [
            f"Within the same limit of {AXIS_NAMES['e2e']}, priced as {priced_as(tariff)}, no limit has data that can "
            "be compared for accelerators of different vendors; the tables below show each alone."
        ]
    return [
        f"Within limits of {_marks(result.study.e2e_s)} on {AXIS_NAMES['e2e']}, at the study’s prices "
        f"(“{tariff.name}”), "
        + "; ".join(_short(name, of_bound, i == 0) for i, (name, of_bound) in enumerate(met.items()))
        + ".",
        f"Within the same limit of {AXIS_NAMES['e2e']}, "
        + ". With ".join(_count(name, of_bound, i == 0) for i, (name, of_bound) in enumerate(met.items()))
        + ".",
        _caution(met),
        f"Priced as {priced_as(tariff)}; one comparison is one model, precision, workload and limit at which both "
        "vendors have data.",
        *_predicted(first),
        *_widest(first),
        *_elsewhere(result, result.study.scenarios[0], tariff),
        *_market(result),
    ]


def _marks(values: Sequence[float]) -> str:
    """The limits that are counted: `5 to 120 s`, or `20 s`."""
    ends = dict.fromkeys(f"{value:g}" for value in (min(values), max(values)))
    return f"{' to '.join(ends)} {AXIS_UNITS['e2e']}"


def _short(scenario: str, met: list[Contest], first: bool) -> str:
    """`with plain serving, NVIDIA has the cheapest tokens in 33 of 60 comparisons and AMD in 24`; not the first:
    `with the best known serving, NVIDIA in 52 of 63 and AMD in 9`."""
    counting = [c for c in met if c.counts]
    name = f"with {'the ' if scenario == 'everything' else ''}{BOUNDS[scenario].lower()}"
    if not counting:
        return f"{name}, nothing can be compared between vendors"
    parts = [f"{vendor} in {n}" for vendor, n, _ in wins(counting)]
    if not parts:
        return f"{name}, all {counted(len(counting), 'comparison')} between vendors are ties"
    vendor, n, _ = wins(counting)[0]
    if first:
        parts[0] = f"{vendor} has the cheapest tokens in {n} of {counted(len(counting), 'comparison')}"
    else:
        parts[0] = f"{vendor} in {n} of {len(counting)}"
    return f"{name}, {listed(parts)}"


def _count(scenario: str, met: list[Contest], first: bool) -> str:
    """`with plain serving (…), NVIDIA has the cheapest tokens in 20 of 31 comparisons between vendors (…), …`."""
    counting = [c for c in met if c.counts]
    name = f"{BOUNDS[scenario].lower()} ({_lower(SERVING_FILTERS[scenario].title.split(': ')[-1])})"
    name = f"with {name}" if first else f"the {name}"
    if not counting:
        return f"{name}, nothing can be compared between vendors"
    of = f"{counted(len(counting), 'comparison')} between vendors" if first else str(len(counting))
    parts = [f"{vendor} in {n} ({_more(lead)})" for vendor, n, lead in wins(counting)]
    if parts:
        vendor, n, lead = wins(counting)[0]
        median = "at the median the other vendor’s cost " if first else ""
        parts[0] = f"{vendor} has the cheapest tokens in {n} of {of} ({median}{_more(lead)})"
    ties = sum(c.tie for c in counting)
    if ties:
        parts.append(f"{ties} {'is a tie' if ties == 1 else 'are ties'} (under {percent(TIE)})")
    return f"{name}, {', '.join(parts)}"


def _caution(met: dict[str, list[Contest]]) -> str:
    """How many of the verdicts counted are fragile or of software of different dates, and how many are withheld."""
    names = {scenario: BOUNDS[scenario].lower() for scenario in met}
    counting = {scenario: [c for c in of_bound if c.counts] for scenario, of_bound in met.items()}
    barred = {s: sum(c.withheld is not None and not c.predicted for c in of_bound) for s, of_bound in met.items()}
    fragile = [f"{sum(c.fragile is not None for c in own)} of {len(own)} ({names[s]})" for s, own in counting.items()]
    ended = [f"{_ended(own)} ({names[s]})" for s, own in counting.items()]
    stale = [f"{sum(is_stale(c.days_apart) for c in own)} ({names[s]})" for s, own in counting.items()]
    return (
        f"Fragile, because a limit 5 % away or one load level less would turn them: {listed(fragile)}. "
        "Won over an accelerator of the other vendor that led until its own data end, below the limit: "
        f"{listed(ended)}. "
        f"Software of the two more than {SAME_DATE_DAYS} days apart: {listed(stale)}. "
        "Withheld, because their data are inconsistent or their acceptance unlike, and counted for nobody: "
        f"{listed([f'{n} more ({names[s]})' for s, n in barred.items()])}."
    )


def _ended(own: list[Contest]) -> str:
    """`10 of AMD’s 22`, or `none`."""
    won = Counter(c.vendor for c in own if not c.tie)
    ended = Counter(c.vendor for c in own if not c.tie and c.data_end)
    parts = [f"{n} of {vendor}’s {won[vendor]}" for vendor, n in sorted(ended.items())]
    return listed(parts) if parts else "none"


def _predicted(met: list[Contest]) -> list[str]:
    """How many rest on predictions, and whom they favour."""
    of_predictions = [c for c in met if c.predicted and c.withheld is None]
    if not of_predictions:
        return []
    won = {v: sum(c.vendor == v for c in of_predictions) for v in sorted({c.vendor for c in of_predictions})}
    return [
        f"{counted(len(of_predictions), 'comparison')} with plain serving that rest on predictions, marked below, are "
        f"not counted: in these, {listed([f'{vendor} is ahead in {n}' for vendor, n in won.items()])}."
    ]


def _widest(met: list[Contest]) -> list[str]:
    """For each vendor that wins, its accelerators by wins and its widest lead."""
    out = []
    for vendor, _, _ in wins(met):
        own = [c for c in met if c.vendor == vendor and c.counts and not c.tie]
        top = max(own, key=lambda c: c.margin)
        with_what = listed([f"{name} ({n})" for name, n, _ in wins(own, "accelerator")])
        out.append(
            f"{vendor} wins with {with_what}; its widest lead is {top.accelerator}’s on {panel_title(top.panel)} at "
            f"{shown(top.value, 2)} s, where the other vendor’s tokens cost {_more(top.margin)}"
            f"{' (fragile)' if top.fragile else ''}."
        )
    return out


def panel_title(panel: Panel) -> str:
    """`DeepSeek V3/R1 FP8, Chat 1k/1k`."""
    return f"{panel.model} {str(panel.selection.precision).upper()}, {panel.workload}"


def _elsewhere(result: StudyResult, scenario: str, tariff: Tariff) -> list[str]:
    """How the count of the first scenario moves with another tier, and on the other axis."""
    moved = [
        (f"Priced as “{other.name}”", contests(result, scenario, "e2e", other.tier))
        for other in result.tariffs
        if other.tier != tariff.tier
    ]
    moved.append(
        (f"Within the same {AXIS_NAMES['interactivity']}", contests(result, scenario, "interactivity", tariff.tier))
    )
    return [_moved(lead_in, met) for lead_in, met in moved if any(c.counts for c in met)]


def _market(result: StudyResult) -> list[str]:
    """How many providers rent out each vendor's accelerators, and which have no price on demand."""
    e = result.economy
    if not e.vendors:
        return []
    providers = listed(
        [f"{counted(n, 'provider')} rent{'s' if n == 1 else ''} out {vendor}" for vendor, n in e.vendors.items()]
    )
    judged_names = {c.accelerator for p in judged(result) for c in p.curves["e2e"]}
    priced = {c.accelerator for c in e.cells if c.term == "on-demand" and c.median_usd_per_gpu_h is not None}
    without = [a for a in result.catalog.accelerators if a in judged_names - priced]
    bare = (
        f"; {listed(without)} {'has' if len(without) == 1 else 'have'} too few for an on-demand price"
        if without
        else ""
    )
    return [f"In the rental prices of the last 180 days {providers}{bare}."]


def _moved(lead_in: str, met: list[Contest]) -> str:
    counting = [c for c in met if c.counts]
    ties = sum(c.tie for c in counting)
    counts = [f"{vendor} wins {n}" for vendor, n, _ in wins(counting)]
    counts += [f"{ties} {'is a tie' if ties == 1 else 'are ties'}"] if ties else []
    return f"{lead_in}: of {len(counting)}, {listed(counts)}."


def _more(margin: float) -> str:
    return f"{percent(margin)} as much" if margin >= 2 else f"{percent(margin)} more"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
