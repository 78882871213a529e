"""`predict` and `plan` for a reader: figures with their 90 % interval, fleets with their bills."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paretoken.answers.plan.question import PlanQuestion
from paretoken.answers.plan.result import PlanAnswer, PlanRow
from paretoken.answers.plan.words import session_words
from paretoken.answers.predict import PredictAnswer, PredictedRow, PredictQuestion, RateRow, SloRow, UnmetSloRow
from paretoken.answers.predict_words import NOT_MEASURED, WHOLE_RUN, lengths_note, novelty_words, size_heading
from paretoken.catalog.loader import load_catalog
from paretoken.plural import counted
from paretoken.report.asked.curve_plots import accelerator_style, log_range
from paretoken.report.asked.marks import ValueRow, value_bars
from paretoken.report.asked.view import AnswerTable, AnswerView, Shown
from paretoken.report.numbers import money, rounded, shown
from paretoken.report.plan.words import certainty
from paretoken.report.plot_page import Plot, table, tone
from paretoken.significant import significant

HEADS = ("Concurrency", "tok/s/GPU", "90 %", "TPOT ms", "90 %", "TTFT ms", "90 %", "TTFT p99 ms", "E2E s", "tok/s/user")


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
            f"{_ends([_interactivity(r) for r in rows])} tok/s per user over "
            f"{_ends([r.concurrency for r in rows])} concurrent requests.",
            f"{NOT_MEASURED} {novelty_words(rows)} {lengths_note(first.length_range_ratio)}",
        ),
        notes=(WHOLE_RUN, *first.assumed),
        plots=(_throughput(rows, name), _latency(rows, name)),
        tables=(
            AnswerTable(
                title="At each concurrency",
                heads=(size_heading(first), *HEADS),
                rows=tuple(_step(r) for r in rows),
                note="Median figures of the steady part; 90 %: the interval of the prediction.",
            ),
        ),
    )


def _step(r: PredictedRow) -> tuple[Shown, ...]:
    return (
        r.size,
        r.concurrency,
        r.total_tput_per_gpu_tok_s,
        _interval(r.total_tput_per_gpu_tok_s_lo, r.total_tput_per_gpu_tok_s_hi),
        r.median_tpot_ms,
        _interval(r.median_tpot_ms_lo, r.median_tpot_ms_hi),
        r.median_ttft_ms,
        _interval(r.median_ttft_ms_lo, r.median_ttft_ms_hi),
        r.p99_ttft_ms,
        r.median_e2el_ms and r.median_e2el_ms / 1e3,
        _interactivity(r),
    )


def _interactivity(r: PredictedRow) -> float | None:
    return 1e3 / r.median_tpot_ms if r.median_tpot_ms else None


def _interval(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{shown(low)} – {shown(high)}"


def _ends(values: Sequence[float | None]) -> str:
    stated = [v for v in values if v is not None]
    low, high = min(stated), max(stated)
    return significant(low, 3) if low == high else f"{significant(low, 3)} to {significant(high, 3)}"


def _throughput(rows: Sequence[PredictedRow], name: str) -> Plot:
    """Throughput per GPU over interactivity, a line for each size."""
    points = [(r, x, y) for r in rows if (x := _interactivity(r)) and (y := r.total_tput_per_gpu_tok_s)]
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
    tput = _interval(r.total_tput_per_gpu_tok_s_lo, r.total_tput_per_gpu_tok_s_hi)
    ttft = _interval(r.median_ttft_ms_lo, r.median_ttft_ms_hi)
    rows = [
        f"{shown(r.total_tput_per_gpu_tok_s)} tok/s/GPU (90 %: {tput})",
        f"TTFT {shown(r.median_ttft_ms)} ms (90 %: {ttft})",
        f"{shown(_interactivity(r))} tok/s per user",
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
                heads=(size_heading(most), "Concurrency", "tok/s/GPU", "TPOT ms", "TTFT ms"),
                rows=tuple((r.size, r.users, *_slo_figures(r)) for r in rows),
                note="Concurrency 0: one request alone misses the SLO.",
            ),
        ),
    )


def _slo_figures(r: UnmetSloRow) -> tuple[Shown, ...]:
    if not isinstance(r, SloRow):
        return (None, None, None)
    return (r.total_tput_per_gpu_tok_s, r.median_tpot_ms, r.median_ttft_ms)


RATE_HEADS = ("tok/s/GPU", "TTFT p50 ms", "TTFT p99 ms", "TPOT p50 ms", "TPOT p99 ms", "E2E p50 ms", "Load")


def _of_rate(rows: Sequence[RateRow], notes: tuple[str, ...]) -> AnswerView:
    keeping_up = [r for r in rows if not r.overloaded]
    sizes = ", ".join(f"{size_heading(r)} {r.size}" for r in keeping_up) or "no size"
    return AnswerView(
        lead=(f"Simulated: Poisson arrivals, {rows[0].rate_s:g} requests/s: {sizes} keeps up.",),
        notes=notes,
        tables=(
            AnswerTable(
                title="Each size at the rate",
                heads=(size_heading(rows[0]), *RATE_HEADS),
                rows=tuple(_rate(r) for r in rows),
                note="Overloaded: the queue keeps growing; TTFT and E2E grow with the run.",
            ),
        ),
    )


def _rate(r: RateRow) -> tuple[Shown, ...]:
    figures = (r.p50_ttft_ms, r.p99_ttft_ms, r.p50_tpot_ms, r.p99_tpot_ms, r.p50_e2e_ms)
    return (r.size, r.total_tput_per_gpu_tok_s, *figures, "overloaded" if r.overloaded else "ok")


FLEET_HEADS = (
    "Fleet",
    "GPUs",
    "Replicas",
    "$/day",
    "90 %",
    "Contract",
    "$/M tokens",
    "Meets the SLO",
    "First to fail",
    "Headroom",
    "Origin",
)


def plan_view(answer: PlanAnswer, question: PlanQuestion) -> AnswerView:
    """The decision, and every fleet by rising cost."""
    rows = [r for r in answer.rows if r.bills]
    sessions = [session_words(r.sessions) for r in answer.rows[:1] if r.sessions]
    return AnswerView(
        lead=(answer.headline, *sessions),
        notes=(f"Limits: {question.slo}; availability: {answer.availability}.",),
        plots=(_bills(rows),) if rows else (),
        tables=(
            AnswerTable(title="Fleets by rising cost", heads=FLEET_HEADS, rows=tuple(_fleet(r) for r in rows)),
            AnswerTable(
                title="Left out", heads=("Deployment", "Why"), rows=tuple((x.name, x.reason) for x in answer.left_out)
            ),
        ),
    )


def _fleet(r: PlanRow) -> tuple[Shown, ...]:
    bill = r.bills[0]
    low, high = bill.usd_per_day_90 or (None, None)
    return (
        r.name,
        r.gpus,
        f"{r.replicas:,}+{r.spares}",
        bill.usd_per_day,
        _interval(low, high),
        bill.contract,
        bill.usd_per_mtok,
        certainty(r.probability),
        r.first_to_fail,
        f"×{r.headroom:.2f}",
        r.origin,
    )


def _bills(rows: Sequence[PlanRow]) -> Plot:
    catalog = load_catalog()

    def row(r: PlanRow) -> ValueRow:
        bill = r.bills[0]
        low, high = bill.usd_per_day_90 or (None, None)
        says = (f"{money(bill.usd_per_day)} a day, {bill.contract}", f"{r.gpus:,} GPUs", bill.basis)
        return ValueRow(
            name=f"{r.rank}. {r.accelerator}, {r.engine}",
            value=bill.usd_per_day,
            low=low,
            high=high,
            says=says,
            style=accelerator_style(r.accelerator.split("+")[0], catalog),
        )

    return value_bars(
        [row(r) for r in rows],
        "$ a day",
        prefix="$",
        title="Cost of each fleet",
        subtitle="Cheapest contract of each; lines: 90 % interval of price and prediction",
    )
