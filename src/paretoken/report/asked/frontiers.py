"""`compare`, `frontier` and `cost` for a reader: the verdict, the ranking, and the curves that it is read from."""

from __future__ import annotations

from collections.abc import Iterator

from paretoken.answers.bounds import BEST_KNOWN_TITLE, PLAIN_TITLE, best_known
from paretoken.answers.compare import CompareAnswer, CompareQuestion
from paretoken.answers.cost import CostAnswer, CostQuestion
from paretoken.answers.cost_rows import COST_HEADS
from paretoken.answers.frontier import FrontierAnswer, FrontierQuestion
from paretoken.answers.latency import selection
from paretoken.answers.points import AxisQuestion, Data
from paretoken.answers.ranking_rows import RANKING_HEADS, RANKING_NOTE, ranking_row
from paretoken.answers.seam import to_json
from paretoken.answers.verdict_words import SAME_RANKING, newer_words, verdict_words
from paretoken.plural import counted
from paretoken.report.asked.curve_plots import THROUGHPUT, cost_figure, curve_plot
from paretoken.report.asked.view import AnswerTable, AnswerView, capitalized
from paretoken.report.plot_page import Plot

NOT_ON_A_PAGE = ("$/M output", "E2E from")
_COLUMNS = [place for place, head in enumerate(RANKING_HEADS) if head not in NOT_ON_A_PAGE]


def compare_view(answer: CompareAnswer, question: CompareQuestion) -> AnswerView:
    """Both rankings with their verdicts, and cost and throughput over the axis of the limit."""
    bounds = list(_bounds(answer))
    same = answer.best_known is not None and len(bounds) == 1
    return AnswerView(
        lead=(
            *(line for name, bound, _ in bounds for line in _lead(name, bound)),
            *([f"{BEST_KNOWN_TITLE}. {SAME_RANKING}"] if same else []),
        ),
        notes=tuple(dict.fromkeys(line for _, bound, _ in bounds for line in _notes(bound))),
        plots=() if answer.workload else tuple(_plots(bounds, question)),
        tables=tuple(_ranking(name, bound) for name, bound, _ in bounds),
    )


def _bounds(answer: CompareAnswer) -> Iterator[tuple[str, CompareAnswer, bool]]:
    """Each ranking that differs, with the title of its serving, and whether it is the best known of two."""
    other = answer.best_known
    if other is None:
        yield answer.workload or "", answer, False
        return
    yield PLAIN_TITLE, answer, False
    if other.candidates != answer.candidates:
        yield BEST_KNOWN_TITLE, other, True


def _lead(name: str, answer: CompareAnswer) -> Iterator[str]:
    first, *doubts = [*verdict_words(answer)] or ["no point meets the limit"]
    short = f"{name.partition(':')[0]}, " if name else ""
    yield f"{short}{answer.limits}: {_lower(first)}."
    yield from (f"{short}{_lower(line) if short else line}." for line in doubts)


def _lower(text: str) -> str:
    return f"{text[:1].lower()}{text[1:]}"


def _notes(answer: CompareAnswer) -> Iterator[str]:
    yield f"Priced as {answer.tariff.name} of TCO set {answer.tco}; your own prices: " + (
        f"{', '.join(answer.own_prices)}." if answer.own_prices else "none."
    )
    yield from newer_words(answer.newer_releases)
    for c in (*answer.candidates, *answer.other_engines):
        if c.origin == "measured":
            yield from (f"{c.accelerator} {c.engine}: {point['notes']}" for point in c.around if point["notes"])
    yield from (f"no data: {name}: {reason}" for name, reason in answer.no_data.items())
    for name, reason in answer.left_out.items():
        if name not in answer.no_data:
            yield f"left out: {name}: {reason}"


def _ranking(name: str, answer: CompareAnswer) -> AnswerTable:
    title = f"{name.partition(':')[0]}: ranking" if name else "Ranking"
    rows = [ranking_row(c) for c in (*answer.candidates, *answer.other_engines)]
    return AnswerTable(
        title=title,
        heads=tuple(capitalized(RANKING_HEADS[place]) for place in _COLUMNS),
        rows=tuple(tuple(row[place] for place in _COLUMNS) for row in rows),
        note=f"{RANKING_NOTE}.",
    )


def _plots(bounds: list[tuple[str, CompareAnswer, bool]], question: CompareQuestion) -> Iterator[Plot]:
    data = Data.of(question)
    for name, answer, any_serving in bounds:
        chosen = selection(best_known(question) if any_serving else question, data)
        curves = data.curves(chosen, answer.axis)
        serving = name.partition(":")[0].lower()
        what = f"{chosen.model} {chosen.precision or ''}, {chosen.isl}/{chosen.osl}, {serving}".removesuffix(", ")
        priced = cost_figure(answer.tariff.usd_per_gpu_h.get, question.serving_load)
        for figure, says in ((priced, "Cost of tokens"), (THROUGHPUT, "Throughput per GPU")):
            yield curve_plot(
                curves,
                answer.axis,
                figure,
                data.catalog,
                limit=answer.value,
                title=f"{says}, {serving}" if serving else says,
                subtitle=what if figure is THROUGHPUT else f"{what}. Prices: {answer.tariff.name} ({answer.tco})",
                source=f"Source: {', '.join(sorted({p['source'] for c in curves for p in c.rows}))}",
            )


def frontier_view(answer: FrontierAnswer, question: FrontierQuestion) -> AnswerView:
    """The Pareto points with their curves."""
    ranked = [p for p in answer.points if p.ranked]
    names = dict.fromkeys(p.accelerator for p in ranked)
    return AnswerView(
        lead=(f"{counted(len(ranked), 'Pareto point')} of {counted(len(names), 'accelerator')}: {', '.join(names)}.",),
        notes=tuple(f"left out: {name}: {reason}" for name, reason in answer.left_out.items()),
        plots=(_axis_plot(question),),
        tables=(AnswerTable.of("Pareto points", POINT_HEADS, to_json(answer)["points"]),),
    )


POINT_HEADS = {
    "accelerator": "Accelerator",
    "engine": "Engine",
    "software": "Release",
    "tp": "TP",
    "n_gpus": "GPUs",
    "concurrency": "Concurrency",
    "e2e_s": "E2E s",
    "interactivity_tok_s": "tok/s/user",
    "tput_per_gpu": "tok/s/GPU",
    "origin": "Origin",
    "source": "Source",
}


_COST_HEADS = {key: capitalized(head) for key, head in COST_HEADS.items()}


def cost_view(answer: CostAnswer, question: CostQuestion) -> AnswerView:
    """Every Pareto point in money, and the cost over latency at each tier."""
    best = min(answer.points, key=lambda p: p.usd_per_mtok_total)
    tiers = answer.tariffs[:2]
    return AnswerView(
        lead=(
            f"The cheapest tokens without a latency limit are {best.accelerator}’s with {best.engine}: "
            f"${best.usd_per_mtok_total:.3g} per million at {best.tier} prices.",
        ),
        notes=(f"Power: {answer.tariffs[0].kw_basis}.",),
        plots=tuple(_axis_plot(question, t.usd_per_gpu_h, f"Cost of tokens, {t.name} ({t.price_set})") for t in tiers),
        tables=(AnswerTable.of("Pareto points in money", _COST_HEADS, to_json(answer)["points"]),),
    )


def _axis_plot(question: AxisQuestion, prices: dict[str, float] | None = None, title: str = "") -> Plot:
    """The curves of a question over its axis: throughput, or the cost at these prices."""
    data = Data.of(question)
    chosen = selection(question, data)
    load = question.serving_load if isinstance(question, CostQuestion) else 1.0
    figure = THROUGHPUT if prices is None else cost_figure(prices.get, load)
    return curve_plot(
        data.curves(chosen, question.axis),
        question.axis,
        figure,
        data.catalog,
        title=title or "Throughput per GPU",
        subtitle=f"{chosen.model} {chosen.precision or ''}, {chosen.isl}/{chosen.osl}",
    )
