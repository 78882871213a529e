"""`paretoken compare`: the ranking at one latency."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Unpack

import rich_click as click

from paretoken.cli import options

if TYPE_CHECKING:
    from paretoken.answers.compare import CompareAnswer
    from paretoken.answers.priced import PricedCandidate

COLUMNS = (
    "accelerator",
    "engine",
    "tok/s/GPU",
    "$/GPU-h",
    "$/M total",
    "$/M output",
    "E2E s",
    "tok/s/user",
    "TP",
    "concurrency",
    "points",
    "origin",
    "source",
    "E2E from",
)


@click.command("compare", no_args_is_help=True)
@options.what
@options.latency
@options.accelerators
@options.tco
@options.serving_load
@click.option(
    "--mw",
    type=options.Finite(),
    metavar="MW",
    help="Show the fleet that fits under this power limit, in MW.",
)
@options.which
@options.as_json
def command(
    e2e_s: float | None,
    interactivity: float | None,
    accelerators: tuple[str, ...],
    tco: str | None,
    tier: str | None,
    serving_load: float,
    mw: float | None,
    as_json: bool,
    **shared: Unpack[options.PointsOptions],
) -> None:
    """Rank accelerators at one latency, cheapest tokens first.

    \b
    Examples:
      paretoken compare --model llama-3-70b --precision fp8 --isl 1024 \\
                        --osl 1024 --e2e 15
      paretoken compare --model deepseek-r1 --precision fp8 --workload 8k/1k \\
                        --interactivity 40 --tco 2026-07 --tier rent-3yr --json
      paretoken compare --model gpt-oss-120b --precision fp4 --workload chat \\
                        --e2e 10 --accelerator MI355X --accelerator B200 --mw 10
    """
    from paretoken.answers.compare import CompareQuestion, compare
    from paretoken.answers.seam import to_json
    from paretoken.cli.output import print_json

    question = CompareQuestion(
        **options.points_fields(shared, accelerators),
        e2e_s=e2e_s,
        interactivity=interactivity,
        tco=tco,
        tier=tier,
        serving_load=serving_load,
        mw=mw,
    )
    answer = compare(question)
    if as_json:
        print_json(to_json(answer))
        return
    _show(answer)
    if mw is not None and answer.fleet:
        _show_fleet(answer, mw)


def _show(answer: CompareAnswer) -> None:
    from paretoken.cli.output import console, percent, print_table

    unit = "s end to end" if answer.axis == "e2e" else "tok/s/user"
    everyone = (*answer.candidates, *answer.other_engines)
    if everyone:
        title = f"At {answer.value:g} {unit}, {answer.tariff.name} ({answer.tco})"
        print_table(title, COLUMNS, [_row(c) for c in everyone])
    out = console()
    if answer.winner:
        out.print(f"\nCheapest tokens: [bold]{answer.winner}[/bold], {percent(answer.margin)} over the second")
    for note in dict.fromkeys(_notes(everyone)):
        out.print(note, style="yellow", markup=False)
    for name, reason in answer.no_data.items():
        out.print(f"no data: {name}: {reason}", style="dim", markup=False)


def _show_fleet(answer: CompareAnswer, mw: float) -> None:
    from paretoken.cli.output import print_table

    print_table(
        f"\nUnder {mw:g} MW",
        ("accelerator", "GPUs", "billion tokens a day", "million USD a year"),
        [(a, f"{f.gpus:,}", f.tokens_per_day / 1e9, f.cost_usd_per_year / 1e6) for a, f in answer.fleet.items()],
        answer.tariff.kw_basis,
    )


def _notes(candidates: Iterable[PricedCandidate]) -> Iterator[str]:
    """The notes of measured points, such as that the client was the limit."""
    for c in candidates:
        if c.origin == "measured":
            yield from (f"{c.accelerator} {c.engine}: {point['notes']}" for point in c.around if point["notes"])


def _row(c: PricedCandidate) -> tuple[object, ...]:
    return (
        c.accelerator,
        c.engine,
        c.tput_per_gpu,
        c.usd_per_gpu_h,
        c.usd_per_mtok_total,
        c.usd_per_mtok_output,
        c.e2e_s,
        c.interactivity_tok_s,
        c.tp,
        " – ".join(f"{n:g}" for n in c.concurrency if n),
        c.n_points,
        c.origin,
        c.source,
        c.e2e_basis,
    )
