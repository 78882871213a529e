"""A plan on the terminal: the decision, the traffic, the fleets by cost, the limits and the commands of the first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from paretoken.answers.plan.result import Bill, PlanAnswer, PlanRow
from paretoken.answers.plan.words import headline, session_words
from paretoken.cli.cells import TableCell, number, share
from paretoken.cli.money import currency, money_figure
from paretoken.cli.output import console, echo_commands, print_table
from paretoken.plural import counted
from paretoken.report.plan.words import (
    SHORT_COMMAND,
    certainty,
    cheapest,
    growth,
    limit_words,
    limits_text,
    traffic_facts,
    trimmed,
    usd,
)
from paretoken.traffic.describe import HourOfTraffic, TokenQuantiles, TrafficSummary

BARS = "▁▂▃▄▅▆▇█"
MOST_BARS = 48
FLEETS = (
    *("rank", "fleet", "contract", "GPUs", "USD/day", "90 %", "USD/M tok", "USD/task", "P(SLO)", "P(cheaper)", "used"),
    *("headroom", "fails first", "from"),
)
SPARE = ("from", "used", "P(cheaper)", "fails first", "headroom", "USD/M tok", "USD/task", "contract", "90 %")
"""Columns that a narrow terminal leaves out, in this order."""


def print_plan(answer: PlanAnswer) -> None:
    """Print an answer without its tables by hour."""
    out = console()
    money = currency()
    converted = money.note and answer.rows
    out.print(headline(answer.rows, money.per_usd, money.code) if converted else answer.headline, style="bold")
    out.print(f"SLO: {limits_text(answer.slo)}. Availability: {answer.availability}. A task is {answer.task}.")
    _traffic(answer.traffic)
    if answer.rows:
        _fleets(answer.rows)
        _bills(answer.rows[0])
        _limits(answer.rows[0])
        if sessions := answer.rows[0].sessions:
            out.print(f"\n{session_words(sessions)}")
        _commands(answer.rows[0])
    if answer.left_out:
        print_table(
            "\nLeft out",
            ("candidate", "reason", "nearest SLO that it meets"),
            [(left.name, left.reason, left.nearest) for left in answer.left_out],
        )
    for note in answer.notes:
        out.print(note, style="dim")


def sparkline(hours: Sequence[HourOfTraffic]) -> str:
    """Requests per second by hour as bars from 0 to the busiest; for a long period, the means of equal parts."""
    rates = [h.rate_s for h in hours]
    parts = min(len(rates), MOST_BARS)
    cuts = [round(i * len(rates) / parts) for i in range(parts + 1)] if parts else [0]
    means = [sum(rates[a:b]) / (b - a) for a, b in pairwise(cuts)]
    most = max(means, default=0.0)
    return "".join(BARS[round(mean / most * (len(BARS) - 1)) if most > 0 else 0] for mean in means)


def _traffic(traffic: TrafficSummary) -> None:
    out = console()
    facts = dict(traffic_facts(traffic))
    out.print(f"\nTraffic: {facts.pop('Read from')}", style="bold")
    out.print(f"  {facts['Requests']}; {facts['Rate']}")
    out.print(f"  tokens: input {_lengths(traffic.input_tokens)}; output {_lengths(traffic.output_tokens)}")
    sessions = facts["Sessions"] if traffic.sessions else "no sessions stated"
    out.print(f"  burstiness {facts['Burstiness']}; prefix reuse {facts['Prefix reuse']}; {sessions}")
    if traffic.hours:
        ends = (traffic.hours[0], traffic.hours[-1])
        first, last = (f"{h.hour:02d}:00" if traffic.day_known else f"{h.hour} h" for h in ends)
        rates = [h.rate_s for h in traffic.hours]
        out.print(
            f"  {first} {sparkline(traffic.hours)} {last}  {trimmed(min(rates))} to {trimmed(max(rates))} requests/s"
        )
    for note in traffic.notes:
        out.print(f"  {note}", style="dim")


def _lengths(side: TokenQuantiles) -> str:
    return f"p50 {side.p50:,.0f}, p90 {side.p90:,.0f}, p99 {side.p99:,.0f}"


def _fleets(rows: Sequence[PlanRow]) -> None:
    print_table(
        "\nFleets by the cost of their cheapest contract",
        [currency().renamed(name) for name in FLEETS],
        [_fleet(row) for row in rows],
        f"90 %: interval of {currency().code}/day. P(SLO): probability that every limit holds in every hour. "
        "P(cheaper): than the first. Used: load over the most that the paid GPUs can serve. Headroom: growth of the "
        "traffic until a limit fails.",
        spare=[currency().renamed(name) for name in SPARE],
    )


def _fleet(row: PlanRow) -> tuple[object, ...]:
    bill = cheapest(row)
    return (
        row.rank,
        row.name,
        bill and bill.contract,
        row.gpus,
        bill and _day(bill.usd_per_day),
        bill and _interval(bill),
        bill and currency().of(bill.usd_per_mtok),
        bill and currency().of(bill.usd_per_task),
        _chance(row.probability),
        "first" if row.cheaper is not None and row.rank == 1 else _chance(row.cheaper),
        share(row.utilisation, ".0%"),
        TableCell(growth(row.headroom), (row.headroom,), ("factor",)),
        limits_text(row.first_to_fail),
        counted(row.measured_points, "point") if row.measured_points else "predicted",
    )


def _bills(row: PlanRow) -> None:
    if not row.bills:
        return
    code = currency().code
    print_table(
        f"\nBills of {row.name} by contract",
        (
            *("contract", f"{code}/GPU-h", "GPU-h/day", f"{code}/day", "90 %", "of it idle"),
            *(f"{code}/M tok", f"{code}/task", "basis"),
        ),
        [
            (
                b.contract,
                money_figure(b.usd_per_gpu_h, ".2f"),
                b.gpu_hours_per_day,
                _day(b.usd_per_day),
                _interval(b),
                _day(b.idle_usd_per_day),
                currency().of(b.usd_per_mtok),
                currency().of(b.usd_per_task),
                b.basis,
            )
            for b in row.bills
        ],
        f"perfect foresight of every five minutes would rent {number(row.foresight_gpu_hours_per_day)} GPU-hours a day"
        + ("" if row.foresight_usd_per_day is None else f", {_day(row.foresight_usd_per_day)} {code}"),
        spare=(f"{code}/M tok", "of it idle", f"{code}/task", "basis"),
    )


def _chance(probability: float | None) -> TableCell | None:
    return None if probability is None else TableCell(certainty(probability), (probability * 100,), ("%",))


def _interval(bill: Bill) -> TableCell | None:
    if bill.usd_per_day_90 is None:
        return None
    low, high = map(currency().of, bill.usd_per_day_90)
    return TableCell(f"{_whole(low)}–{_whole(high)}", (low, high), ("low", "high"))


def _day(usd_per_day: float) -> TableCell:
    """USD per day in the chosen currency, without its code."""
    money = currency().of(usd_per_day)
    return TableCell(_whole(money), (money,))


def _whole(money: float | None) -> str:
    return "∞" if money is None else usd(money)[1:]


def _limits(row: PlanRow) -> None:
    if not row.limits:
        console().print("\nNot simulated: limits, and what fails first, are those of the closed form.", style="dim")
        return
    limits = [limit_words(limit) for limit in row.limits]
    print_table(
        f"\nLimits of {row.name} in the worst hour"
        + (f"; {limits_text(row.first_to_fail)} fails first" if row.first_to_fail else ""),
        ("limit", "verdict", "value", "90 %", "bound", "of the bound"),
        [(w.text, w.verdict, w.value, w.interval, w.bound, w.share) for w in limits],
    )


def _commands(row: PlanRow) -> None:
    if row.commands:
        console().print(f"\nCommands of {row.name}", style="bold")
    for command in row.commands:
        lines = command.strip().splitlines()
        if len(lines) <= SHORT_COMMAND:
            echo_commands(command.strip())
        else:
            console().print(f"{lines[0]} … ({len(lines)} lines, in plan.html with --out)", style="dim")
