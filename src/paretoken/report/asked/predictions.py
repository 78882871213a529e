"""`predict` for a reader: figures with their 90 % interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paretoken.answers.deployment_row import DeploymentRow
from paretoken.answers.predict import (
    PredictAnswer,
    PredictedRow,
    PredictQuestion,
    RateRow,
    UnmetSloRow,
)
from paretoken.answers.predict_rows import (
    LOAD_HEADS,
    OVERLOADED_NOTE,
    RATE_HEADS,
    SLO_HEADS,
    SLO_NOTE,
    Interval,
    interactivity_tok_s,
    load_row,
    rate_row,
    slo_row,
)
from paretoken.answers.predict_words import NOT_MEASURED, WHOLE_RUN, lengths_note, novelty_words, size_heading
from paretoken.plural import counted
from paretoken.report.asked.curve_plots import log_range
from paretoken.report.asked.view import AnswerTable, AnswerView, Shown, capitalized, interval_ends
from paretoken.report.numbers import rounded, shown
from paretoken.report.plot_page import Plot, table, tone
from paretoken.significant import significant

NOT_ON_A_PAGE = ("TTFT mean ms", "requests", "preemptions")


def predict_view(answer: PredictAnswer, question: PredictQuestion) -> AnswerView:
    """Throughput over interactivity with its interval, or what an SLO or a rate allows."""
    steps = [r for r in answer.rows if isinstance(r, PredictedRow)]
    if steps:
        return _of_steps(steps)
    within = [r for r in answer.rows if isinstance(r, UnmetSloRow)]
    rates = [r for r in answer.rows if isinstance(r, RateRow)]
    note = (f"{NOT_MEASURED} {lengths_note(question.length_range_ratio)}", *answer.rows[0].assumed)
    return _of_slo(within, question, note) if within else _of_rate(rates, note)


def _of_steps(rows: Sequence[PredictedRow]) -> AnswerView:
    first = rows[0]
    name = f"{first.model} {first.precision} on {first.accelerator} with {first.engine}, {first.isl}/{first.osl}"
    return AnswerView(
        lead=(
            f"Predicted: {name}: {_ends([r.total_tput_per_gpu_tok_s for r in rows])} tok/s/GPU and "
            f"{_ends([interactivity_tok_s(r) for r in rows])} tok/s per user over "
            f"{_ends([r.concurrency for r in rows])} concurrent requests.",
            f"{NOT_MEASURED} {novelty_words(rows)} {lengths_note(first.length_range_ratio)}",
        ),
        notes=(WHOLE_RUN, *first.assumed),
        plots=(_throughput(rows, name), _latency(rows, name)),
        tables=(
            AnswerTable(
                title="At each concurrency",
                heads=_heads(first, LOAD_HEADS),
                rows=tuple((r.size, *_shown(LOAD_HEADS, load_row(r))) for r in rows),
                note="Median figures of the steady part; 90 %: the interval of the prediction.",
            ),
        ),
    )


def _shown(heads: Sequence[str], cells: Sequence[float | str | Interval | None]) -> Iterator[Shown]:
    """The cells that a page has room for, intervals as text."""
    for head, cell in zip(heads, cells, strict=True):
        if head not in NOT_ON_A_PAGE:
            yield interval_ends(*cell) if isinstance(cell, tuple) else cell


def _heads(row: DeploymentRow, heads: Sequence[str]) -> tuple[str, ...]:
    return (size_heading(row), *(capitalized(head) for head in heads if head not in NOT_ON_A_PAGE))


def _ends(values: Sequence[float | None]) -> str:
    stated = [v for v in values if v is not None]
    low, high = min(stated), max(stated)
    return significant(low, 3) if low == high else f"{significant(low, 3)} to {significant(high, 3)}"


def _throughput(rows: Sequence[PredictedRow], name: str) -> Plot:
    """Throughput per GPU over interactivity, a line for each size."""
    points = [(r, x, y) for r in rows if (x := interactivity_tok_s(r)) and (y := r.total_tput_per_gpu_tok_s)]
    ends = [v for r, _, _ in points for v in (r.total_tput_per_gpu_tok_s_lo, r.total_tput_per_gpu_tok_s_hi) if v]
    return {
        "title": "Throughput per GPU over interactivity",
        "subtitle": f"{name}. Band: 90 % interval of the prediction",
        "x": {"title": "Interactivity, tok/s per user", "log": True, **log_range(x for _, x, _ in points)},
        "y": {"title": "tok/s/GPU, input and output", "log": True, **log_range([*(y for _, _, y in points), *ends])},
        **_drawn(points, "total_tput_per_gpu_tok_s"),
        "table": table(
            ("Size", "Concurrency", "tok/s/user", "tok/s/GPU"),
            [(r.size, r.concurrency, rounded(x), rounded(y)) for r, x, y in points],
        ),
    }


def _latency(rows: Sequence[PredictedRow], name: str) -> Plot:
    """TTFT over concurrency, a line for each size."""
    points = [(r, float(r.concurrency), y) for r in rows if (y := r.median_ttft_ms)]
    ends = [v for r, _, _ in points for v in (r.median_ttft_ms_lo, r.median_ttft_ms_hi) if v]
    return {
        "title": "Median TTFT over concurrency",
        "subtitle": f"{name}. Band: 90 % interval of the prediction",
        "x": {"title": "Concurrent requests", "log": True, **log_range(x for _, x, _ in points)},
        "y": {"title": "TTFT, ms", "log": True, **log_range([*(y for _, _, y in points), *ends])},
        **_drawn(points, "median_ttft_ms"),
        "table": table(("Size", "Concurrency", "TTFT ms"), [(r.size, r.concurrency, rounded(y)) for r, _, y in points]),
    }


def _drawn(points: Sequence[tuple[PredictedRow, float, float]], figure: str) -> dict[str, object]:
    """Lines, bands and marks of the sizes."""
    sizes = list(dict.fromkeys(r.size for r, _, _ in points))
    lines, bands, marks = [], [], []
    for place, size in enumerate(sizes):
        own = sorted((p for p in points if p[0].size == size), key=lambda p: p[1])
        name = f"{size_heading(own[0][0])} {size}"
        style = {"group": name, "color": tone(place)}
        lines.append({**style, "name": name, "dash": "dashed", "label": True, "points": [[x, y] for _, x, y in own]})
        bands.append({**style, "points": list(_band(own, figure))})
        marks += [{**style, "x": x, "y": y, "hollow": True, "about": _about(r, name)} for r, x, y in own]
    return {"lines": lines, "bands": bands, "marks": marks}


def _band(own: Sequence[tuple[PredictedRow, float, float]], figure: str) -> Iterator[list[float]]:
    for r, x, _ in own:
        low, high = getattr(r, f"{figure}_lo"), getattr(r, f"{figure}_hi")
        if low and high:
            yield [x, low, high]


def _about(r: PredictedRow, name: str) -> dict[str, object]:
    tput = interval_ends(r.total_tput_per_gpu_tok_s_lo, r.total_tput_per_gpu_tok_s_hi)
    ttft = interval_ends(r.median_ttft_ms_lo, r.median_ttft_ms_hi)
    rows = [
        f"{shown(r.total_tput_per_gpu_tok_s)} tok/s/GPU (90 %: {tput})",
        f"TTFT {shown(r.median_ttft_ms)} ms (90 %: {ttft})",
        f"{shown(interactivity_tok_s(r))} tok/s per user",
        NOT_MEASURED,
    ]
    return {"title": f"{name}, {counted(r.concurrency, 'concurrent request')}", "rows": rows}


def _of_slo(rows: Sequence[UnmetSloRow], question: PredictQuestion, notes: tuple[str, ...]) -> AnswerView:
    most = max(rows, key=lambda r: r.users)
    words = f"{counted(most.users, 'concurrent request')}{' or more' if most.or_more else ''}"
    return AnswerView(
        lead=(f"Predicted: {size_heading(most)} {most.size} serves {words} within {question.slo}.",),
        notes=notes,
        tables=(
            AnswerTable(
                title=f"Highest concurrency within {question.slo}",
                heads=_heads(most, SLO_HEADS),
                rows=tuple((r.size, *slo_row(r)) for r in rows),
                note=SLO_NOTE,
            ),
        ),
    )


def _of_rate(rows: Sequence[RateRow], notes: tuple[str, ...]) -> AnswerView:
    keeping_up = [r for r in rows if not r.overloaded]
    sizes = ", ".join(f"{size_heading(r)} {r.size}" for r in keeping_up) or "no size"
    return AnswerView(
        lead=(f"Simulated: Poisson arrivals, {rows[0].rate_s:g} requests/s: {sizes} keeps up.",),
        notes=notes,
        tables=(
            AnswerTable(
                title="Each size at the rate",
                heads=_heads(rows[0], RATE_HEADS),
                rows=tuple((r.size, *_shown(RATE_HEADS, rate_row(r))) for r in rows),
                note=OVERLOADED_NOTE,
            ),
        ),
    )
