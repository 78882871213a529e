"""`advise`, `selfhost` and `outlook` for a reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paretoken.answers.advice_words import advice_words, change_words, choice_run
from paretoken.answers.advise import AdviseAnswer, AdviseQuestion
from paretoken.answers.bounds import BEST_KNOWN_TITLE, PLAIN_TITLE
from paretoken.answers.buyers import Advice, Choice
from paretoken.answers.doubts import doubts
from paretoken.answers.outlook import OutlookAnswer, OutlookQuestion
from paretoken.answers.selfhost import SelfhostAnswer
from paretoken.answers.selfhost_question import SelfhostQuestion
from paretoken.answers.selfhost_words import (
    BEST_KNOWN,
    PLAIN,
    candidate_doubts,
    candidate_words,
    decision_words,
    short_name,
    sources_words,
)
from paretoken.catalog.loader import load_catalog
from paretoken.prices.self_host import SelfHost
from paretoken.report.asked.curve_plots import accelerator_style, log_range, tints
from paretoken.report.asked.marks import ValueRow, value_bars
from paretoken.report.asked.view import AnswerTable, AnswerView, Shown
from paretoken.report.numbers import money, rounded
from paretoken.report.plot_page import Plot, table

MOST_CHOICES, MOST_CHANGES = 12, 3
CHOICE_HEADS = (
    "Serving",
    "Accelerator",
    "Engine",
    "Procurement",
    "$/M tokens",
    "Run as",
    "$/M as run",
    "$/GPU-h",
    "Points",
    "Basis of the price",
)
MTOK = "$ per million tokens"
DAYS_PER_MONTH = 365.25 / 12


def advise_view(answer: AdviseAnswer, question: AdviseQuestion) -> AnswerView:
    """What each buyer segment should choose, plain and as best known."""
    other = answer.best_known
    bounds = [(PLAIN, answer), (BEST_KNOWN, other)] if other else [("", answer)]
    segments = list(zip(*(bound.segments for _, bound in bounds), strict=True))
    named = [list(zip((name for name, _ in bounds), of_bounds, strict=True)) for of_bounds in segments]
    unmet = [f"{name}: {bound.unmet}" for name, bound in bounds if bound.unmet]
    return AnswerView(
        lead=(f"{answer.limits[:1].upper()}{answer.limits[1:]}.", *unmet, *map(_advice_lead, named)),
        notes=tuple(line for of_segment in named for line in _advice_notes(of_segment)),
        plots=tuple(p for of_segment in named for p in _choices_plot(of_segment))[:4],
        tables=tuple(_choices(of_segment) for of_segment in named),
    )


def _advice_lead(of_segment: Sequence[tuple[str, Advice]]) -> str:
    words = [f"{name}: {_recommended(a)}" if name else _recommended(a) for name, a in of_segment if a.choices]
    title = of_segment[0][1].title
    return f"{title}: {'; '.join(words)}." if words else f"{title}: no accelerator with data has a price."


def _recommended(advice: Advice) -> str:
    return next(advice_words(advice)) if advice.best else "no recommendation, for the reason in the notes"


def _advice_notes(of_segment: Sequence[tuple[str, Advice]]) -> Iterator[str]:
    for name, advice in of_segment:
        if advice.choices:
            first, *rest = advice_words(advice)
            more = rest if advice.best else [first, *rest]
            changes = [f"{c.accelerator} {change_words(c)}" for c in advice.changes[:MOST_CHANGES]]
            yield f"{advice.title}{f', {name}' if name else ''}: {'; '.join([*more, *changes])}."


def _choices(of_segment: Sequence[tuple[str, Advice]]) -> AnswerTable:
    rows = tuple(_choice(name, x) for name, a in of_segment for x in a.choices[:MOST_CHOICES])
    return AnswerTable(title=of_segment[0][1].title, heads=CHOICE_HEADS, rows=rows)


def _choice(name: str, x: Choice) -> tuple[Shown, ...]:
    scarce = " (scarce)" if x.scarce else ""
    figures = (x.usd_per_mtok_total, choice_run(x), x.usd_per_mtok_recommended, x.usd_per_gpu_h)
    points = f"{x.n_points} {x.origin}"
    return (name, x.accelerator, x.engine, f"{x.procurement}{scarce}", *figures, points, x.price_basis)


def _choices_plot(of_segment: Sequence[tuple[str, Advice]]) -> Iterator[Plot]:
    name, advice = of_segment[-1]
    catalog = load_catalog()
    rows = [
        ValueRow(
            name=f"{x.accelerator}, {x.procurement}",
            value=x.usd_per_mtok_total,
            says=(f"{money(x.usd_per_mtok_total)} per million tokens", choice_run(x), x.price_basis),
            style=accelerator_style(x.accelerator, catalog),
        )
        for x in advice.choices[:8]
    ]
    if rows:
        serving = f"{name[:1].upper()}{name[1:]} serving" if name else ""
        yield value_bars(rows, MTOK, prefix="$", title=advice.title, subtitle=serving)


def selfhost_view(answer: SelfhostAnswer, question: SelfhostQuestion) -> AnswerView:
    """Whether self-hosting pays, against which API, and from which load."""
    other = answer.best_known
    bounds = [(PLAIN_TITLE, PLAIN, answer), (BEST_KNOWN_TITLE, BEST_KNOWN, other)] if other else [("", "", answer)]
    answered = [(name, bound) for _, name, bound in bounds if bound.against]
    notes = [
        f"{name}: {line}" if name else line
        for _, name, bound in bounds
        for line in (*candidate_words(bound), *candidate_doubts(bound))
    ]
    decided = [f"{line.strip()[:1].upper()}{line.strip()[1:]}." for line in decision_words(answered)]
    return AnswerView(
        lead=tuple(sorted(decided, key=lambda line: "costs" not in line)),
        notes=(*notes, *(sources_words(bound) for _, bound in answered[:1])),
        plots=(_apis_plot(answered[-1][1]),) if answered else (),
        tables=tuple(_apis(name, bound) for name, bound in answered),
    )


API_HEADS = (
    "API",
    "Model name",
    "Tier",
    "$/M input",
    "$/M output",
    "$/M cached",
    "$/M blended",
    "Break-even load as run, %",
    "Valid from",
)


def _apis(name: str, answer: SelfhostAnswer) -> AnswerTable:
    title = "Break-even load of self-hosting against each API" + (f", {name} serving" if name else "")
    rows = tuple(_api(s) for s in answer.against_as_run)
    return AnswerTable(title=title, heads=API_HEADS, rows=rows, note="A dash: the API is cheaper at any volume.")


def _api(s: SelfHost) -> tuple[Shown, ...]:
    base = s.api.base
    maker = f"{s.api.provider} (maker)" if s.api.maker else s.api.provider
    prices = (base.input, base.output, base.cached, s.api_usd_per_mtok)
    load = round(s.load * 100, 1) if s.pays else None
    return (maker, short_name(s.api), s.tier, *prices, load, str(s.api.valid_from) if s.api.valid_from else None)


def _apis_plot(answer: SelfhostAnswer) -> Plot:
    """The blended price of each API beside the cost of one's own tokens at full load."""
    own = answer.against_as_run[0].own_usd_per_mtok
    rows = [
        ValueRow(
            name=f"{s.api.provider}, {short_name(s.api)}",
            value=s.api_usd_per_mtok,
            says=(f"{money(s.api_usd_per_mtok)} per million tokens, {s.tier}",),
        )
        for s in sorted(answer.against_as_run, key=lambda s: s.api_usd_per_mtok)
    ]
    plot = value_bars(
        rows, MTOK, prefix="$", title="APIs beside your own tokens at full load", subtitle=f"Within {answer.limits}"
    )
    return {**plot, "rules": [{"x": own, "text": f"own {money(own)}"}]}


STATE_HEADS = {
    "day": "From",
    "accelerator": "Accelerator",
    "tput_per_gpu": "tok/s/GPU",
    "usd_per_gpu_h": "$/GPU-h",
    "usd_per_mtok": "$/M tokens",
    "break_even_usd_per_gpu_h": "Break-even $/GPU-h",
    "basis": "Basis",
}


def outlook_view(answer: OutlookAnswer, question: OutlookQuestion) -> AnswerView:
    """Who has the cheapest tokens when, in a scenario."""
    changes = [
        f"from {day} {first}" + (f", {margin:+.0%} over {second}" if margin is not None else "")
        for (day, first, second, margin), before in zip(answer.winners, (None, *answer.winners), strict=False)
        if before is None or before[1:3] != (first, second)
    ]
    today = list(doubts(answer.verdict_today, " today")) if answer.verdict_today else []
    states = [{name: getattr(s, name) for name in STATE_HEADS} | {"day": s.day.isoformat()} for s in answer.states]
    return AnswerView(
        lead=(f"Scenario {answer.scenario}, {answer.limits}: cheapest tokens {'; '.join(changes)}.",),
        notes=(
            "Every figure is a scenario's, not a measurement.",
            *(f"not like for like: {line}" for line in answer.unlike),
            *answer.undecided,
            *today,
        ),
        plots=tuple(_states_plot(answer)),
        tables=(AnswerTable.of(f"States; today {answer.price} ({answer.price_set})", STATE_HEADS, states),),
    )


def _states_plot(answer: OutlookAnswer) -> Iterator[Plot]:
    catalog = load_catalog()
    first = min(s.day for s in answer.states)
    priced = [((s.day - first).days / DAYS_PER_MONTH, s, s.usd_per_mtok) for s in answer.states]
    drawn = [(x, s, y) for x, s, y in priced if y]
    if not drawn:
        return
    lines, marks = [], []
    for name in dict.fromkeys(s.accelerator for _, s, _ in drawn):
        own = [(x, s, y) for x, s, y in drawn if s.accelerator == name]
        style = {"group": name, **tints(accelerator_style(name, catalog))}
        points = [[round(x, 3), rounded(y)] for x, _, y in own]
        lines.append({**style, "name": name, "label": True, "dash": "dashed", "points": points})
        for x, s, y in own:
            about = {"title": f"{name}, {s.day}", "rows": [f"{money(y)} per million tokens", s.basis, "scenario"]}
            marks.append({**style, "x": round(x, 3), "y": rounded(y), "hollow": True, "about": about})
    xs = [x for x, _, _ in drawn]
    yield {
        "title": "Cost of tokens in the scenario",
        "subtitle": answer.scenario,
        "x": {"title": f"Months from {first}", "min": min(xs) - 0.4, "max": max(xs) + 0.4},
        "y": {"title": MTOK, "prefix": "$", "log": True, **log_range(y for _, _, y in drawn)},
        "lines": lines,
        "marks": marks,
        "table": table(("Day", "Accelerator", MTOK), [(str(s.day), s.accelerator, rounded(y)) for _, s, y in drawn]),
    }
