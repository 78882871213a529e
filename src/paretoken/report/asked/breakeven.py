"""`breakeven` for a reader: the rent at which tokens cost the same, over latency."""

from __future__ import annotations

from collections.abc import Iterator

from paretoken.answers.bounds import BEST_KNOWN_TITLE, PLAIN_TITLE
from paretoken.answers.breakeven import BreakevenAnswer, BreakevenQuestion, PricedBreakevenPoint
from paretoken.answers.breakeven_words import breakeven_doubts, breakeven_words, ends_words
from paretoken.report.asked.curve_plots import AXES, log_range
from paretoken.report.asked.money import GPU_HOUR
from paretoken.report.asked.view import AnswerTable, AnswerView
from paretoken.report.numbers import rounded
from paretoken.report.plot_page import Plot, table, tone

MOST_LIMITS = 24
"""Limits that the table shows; the chart and the JSON have all."""


def breakeven_view(answer: BreakevenAnswer, question: BreakevenQuestion) -> AnswerView:
    """The break-even rent over latency, plain and as best known."""
    other = answer.best_known
    bounds = [(PLAIN_TITLE, answer), (BEST_KNOWN_TITLE, other)] if other else [("", answer)]
    met = [(name.partition(":")[0], bound) for name, bound in bounds]
    return AnswerView(
        lead=tuple(f"{f'{name}: ' if name else ''}{_breakeven_lead(bound)}." for name, bound in met),
        notes=tuple(f"{name}: {line}" if name else line for name, bound in met for line in breakeven_doubts(bound)),
        plots=tuple(_breakeven_plot(name, bound) for name, bound in met if not bound.unmet),
        tables=tuple(_breakeven_table(name, bound) for name, bound in met if not bound.unmet),
    )


def _breakeven_lead(answer: BreakevenAnswer) -> str:
    if answer.unmet:
        return f"no break-even rent: {answer.unmet}"
    if answer.points:
        return breakeven_words(answer)
    terms = "; ".join(f"{t.term}: {ends_words(t.low, t.high)} ({t.verdict})" for t in answer.terms)
    return f"break-even rent of {answer.accelerator} against {answer.against}, USD per GPU-hour: {terms}"


def _curves(answer: BreakevenAnswer) -> Iterator[tuple[str, list[tuple[float, float]], float | None]]:
    """The name of each curve, its points where the rent is not withheld, and the accelerator's own price."""
    if answer.points:
        first = answer.points[0]
        own = first.cost_usd_per_gpu_h if isinstance(first, PricedBreakevenPoint) else None
        points = [(p.value, p.break_even_usd_per_gpu_h) for p in answer.points if not p.withheld]
        yield f"{answer.against} at {first.rent_against_usd_per_gpu_h:.2f}", points, own
    for t in answer.terms:
        triples = zip(answer.values, answer.withheld, t.break_even_usd_per_gpu_h, strict=True)
        yield t.term, [(x, y) for x, withheld, y in triples if not withheld], t.market_usd_per_gpu_h


def _breakeven_plot(name: str, answer: BreakevenAnswer) -> Plot:
    curves = [(n, [p for p in points if p[1] > 0], own) for n, points, own in _curves(answer)]
    drawn = [c for c in curves if c[1]]
    title = f"Break-even rent of {answer.accelerator}{f', {name.lower()}' if name else ''}"
    if not drawn:
        empty = {"min": 1, "max": 10}
        return {"title": title, "x": empty, "y": empty, "empty": "The rent is withheld or never low enough."}
    most = max(max(y for _, y in points) for _, points, _ in drawn)
    prices = [own for _, _, own in drawn if own is not None]
    return {
        "title": title,
        "subtitle": f"Below the line the tokens of {answer.accelerator} cost less than those of {answer.against}",
        "x": {"title": AXES[answer.axis], "log": True, **log_range(x for _, points, _ in drawn for x, _ in points)},
        "y": {"title": GPU_HOUR, "prefix": "$", "min": 0, "max": 1.08 * max(most, *prices, 0.0)},
        "lines": [
            {"group": n, "name": n, "color": tone(i), "label": True, "points": [[rounded(x), rounded(y)] for x, y in p]}
            for i, (n, p, _) in enumerate(drawn)
        ],
        "rules": [{"y": own, "text": f"{answer.accelerator} costs ${own:.2f}, {n}"} for n, _, own in drawn if own],
        "table": table(
            ("Basis", AXES[answer.axis], GPU_HOUR), [(n, rounded(x), rounded(y)) for n, p, _ in drawn for x, y in p]
        ),
    }


def _breakeven_table(name: str, answer: BreakevenAnswer) -> AnswerTable:
    curves = [(n, dict(points)) for n, points, _ in _curves(answer)]
    values = list(answer.values or (p.value for p in answer.points))
    step = max(1, len(values) // MOST_LIMITS)
    rows = tuple((x, *(by.get(x) for _, by in curves)) for x in values[::step])
    heads = (AXES[answer.axis], *(f"$/GPU-h, {n}" for n, _ in curves))
    title = f"Break-even rent of {answer.accelerator}{f', {name.lower()}' if name else ''}"
    return AnswerTable(title=title, heads=heads, rows=rows, note="A dash: withheld at that limit.")
