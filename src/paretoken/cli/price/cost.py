"""`paretoken cost`: the frontiers in money."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli import options
from paretoken.cli.asking import question
from paretoken.cli.names import TCO_SET
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.answers.cost import CostAnswer, CostPoint, CostQuestion

WHOLE_HOUR = ("usd_per_mtok_output", "usd_per_mtok_input")
SPLIT = {
    "split.prefill_share": "prefill share",
    "split.input_usd_per_mtok": "$/M input, split",
    "split.output_usd_per_mtok": "$/M output, split",
    "split.cached_input_usd_per_mtok": "$/M cached input",
    "split.basis": "split by",
}
CARBON = {"gco2_per_mtok": "g CO2/M"}
IDLE = {"idle_usd_per_gpu_day": "idle $/GPU-day"}
SPLIT_NOTE = (
    "split: input and output tokens pay for the hour together; cached input: the cost of reading its KV entries in "
    "decode, a part of what output tokens pay"
)
SPARE = ("J/token", "tok/s/MW", "$/M input", "$/M output", "split by", "$/GPU-h", "tok/s/user", "origin", "TP")


@click.command("cost", no_args_is_help=True)
@options.what
@options.axis
@options.accelerators
@click.option("--tco", type=TCO_SET, help="TCO set (default: the newest).")
@click.option("--tier", "tiers", multiple=True, help="Tier of the TCO set (repeatable; default: all).")
@options.price
@options.serving_load
@options.grid
@click.option(
    "--split",
    metavar="HOW",
    help="Split each hour between input and output tokens: compute (by GPU time), or ratio:4 (by price).",
)
@options.which
@options.currency
@options.as_json
def command(*, as_json: bool, **values: object) -> None:
    """Price every Pareto point: USD per million tokens, tokens/s/MW, J/token.

    The total, output and input columns each charge the whole hour to one class of tokens. With --split, input and
    output tokens pay for the hour together.

    \b
    Examples:
      paretoken cost --model llama-3-70b --precision fp8 --workload chat
      paretoken cost --model deepseek-r1 --precision fp8 --workload 8k/1k \\
                     --tco 2026-07 --tier neocloud --json
      paretoken cost --model deepseek-r1 --precision fp8 --workload 8k/1k \\
                     --tier hyperscaler --split compute --serving-load 0.6
    """
    from paretoken.answers.cost import CostQuestion, cost
    from paretoken.answers.seam import to_json
    from paretoken.cli.output import print_json

    cost_question = question(CostQuestion, values)
    answer = cost(cost_question)
    if as_json:
        print_json(to_json(answer)["points"])
    else:
        _show(answer, cost_question)


def _show(answer: CostAnswer, of: CostQuestion) -> None:
    from paretoken.answers.cost_rows import COST_HEADS
    from paretoken.cli.output import print_table
    from paretoken.prices.fleet import utility_power

    tariff = answer.tariffs[0]
    columns = dict(COST_HEADS)
    if of.split:
        columns = {name: title for name, title in columns.items() if name not in WHOLE_HOUR} | SPLIT
    if of.grid_gco2_per_kwh:
        columns |= CARBON
    if of.serving_load < 1:
        columns |= IDLE
    rows = [[_cell(point, name) for name in columns] for point in answer.points]
    notes = [f"power: {tariff.kw_basis}"]
    if of.grid_gco2_per_kwh:
        notes.append(f"carbon: {utility_power(tariff).basis}")
    if of.split:
        notes += [
            SPLIT_NOTE,
            *_predicted(answer.points),
            *dict.fromkeys(f"no split: {p.no_split}" for p in answer.points if p.no_split),
        ]
    print_table(f"Cost at TCO set {tariff.price_set}", tuple(columns.values()), rows, "; ".join(notes), SPARE)


def _predicted(points: Sequence[CostPoint]) -> Iterator[str]:
    """That shares are predicted, though the points are measured or published, and of how many points."""
    splits = [p.split for p in points if p.split]
    by_time = [split for split in splits if split.predicted]
    if by_time:
        of_all = "" if len(by_time) == len(splits) else f" of {len(by_time)} of {counted(len(splits), 'point')}"
        yield f"prefill share{of_all}: {by_time[0].basis.partition(';')[0]}, not measured"
    if any(split.cached_input_usd_per_mtok is not None for split in splits):
        yield "cached input: predicted, not measured"


def _cell(point: CostPoint, name: str) -> object:
    """A value of the point, or of its split."""
    whole, _, part = name.partition(".")
    value = getattr(point, whole)
    return getattr(value, part) if part and value else value
