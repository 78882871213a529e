"""`plan` for a reader: the decision, and fleets with their bills."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.answers.plan.question import PlanQuestion
from paretoken.answers.plan.result import PlanAnswer, PlanRow
from paretoken.answers.plan.words import session_words
from paretoken.catalog.loader import load_catalog
from paretoken.report.asked.curve_plots import accelerator_style
from paretoken.report.asked.marks import ValueRow, value_bars
from paretoken.report.asked.view import AnswerTable, AnswerView, Shown, interval_ends
from paretoken.report.numbers import money
from paretoken.report.plan.words import certainty
from paretoken.report.plot_page import Plot

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
        interval_ends(low, high),
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
