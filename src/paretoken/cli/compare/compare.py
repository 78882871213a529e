"""`paretoken compare`: the ranking at one latency."""

from __future__ import annotations

import click

from paretoken.cli import options


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
    help="Also what fits under so much power: GPUs, tokens a day, cost a year.",
)
@options.which
@options.as_json
def command(e2e_s, interactivity, tco, tier, serving_load, mw, as_json, **shared) -> None:
    """Rank accelerators at one latency, cheapest tokens first.

    \b
    Examples:
      paretoken compare --model llama-3-70b --precision fp8 --isl 1024 --osl 1024 --e2e 15
      paretoken compare --model deepseek-r1 --precision fp8 --workload 8k/1k --interactivity 40 \\
                        --tco 2026-07 --tier rent-3yr --json
      paretoken compare --model gpt-oss-120b --precision fp4 --workload chat --e2e 10 \\
                        --accelerator MI355X --accelerator B200 --mw 10
    """
    from paretoken.answers import api, money
    from paretoken.answers.study.rows import comparison_json
    from paretoken.cli.output import print_json

    answer = api.compare(
        **options.asked(**shared),
        e2e_s=e2e_s,
        interactivity=interactivity,
        tco=tco,
        tier=tier,
        serving_load=serving_load,
    )
    fleets = money.fleets(answer, mw, serving_load) if mw is not None else {}
    if as_json:
        print_json(comparison_json(answer, around=True) | ({"fleet": fleets} if fleets else {}))
        return
    _show(answer)
    if fleets:
        _show_fleets(answer, mw, fleets)


def _show(answer) -> None:
    from paretoken.cli.output import console, percent, print_table

    ranking, price = answer.ranking, answer.tariff
    unit = "s end to end" if answer.axis == "e2e" else "tok/s/user"
    rows = [_row(p) for p in (*ranking.ranked, *ranking.other_engines)]
    if rows:
        print_table(
            f"At {answer.value:g} {unit}, {price.name} ({price.price_set})",
            (
                "accelerator",
                "engine",
                "tok/s/GPU",
                "$/GPU-h",
                "$/M total",
                "$/M output",
                "E2E s",
                "tok/s/user",
                "TP",
                "users",
                "points",
                "origin",
                "source",
                "E2E from",
            ),
            rows,
        )
    out = console()
    if ranking.winner:
        out.print(f"\nCheapest tokens: [bold]{ranking.winner}[/bold], {percent(ranking.margin)} over the second")
    if answer.ended:
        out.print(f"{answer.ended} has cheaper tokens at a lower latency, where its data end")
    for said in dict.fromkeys(_doubts((*ranking.ranked, *ranking.other_engines))):
        out.print(said, style="yellow", markup=False)
    for name, why in answer.no_data.items():
        out.print(f"no data: {name}: {why}", style="dim", markup=False)


def _show_fleets(answer, mw, fleets) -> None:
    from paretoken.cli.output import print_table

    print_table(
        f"\nUnder {mw:g} MW",
        ("accelerator", "GPUs", "billion tokens a day", "million USD a year"),
        [(a, f"{f.gpus:,}", f.tokens_per_day / 1e9, f.cost_usd_per_year / 1e6) for a, f in fleets.items()],
        answer.tariff.kw_basis,
    )


def _doubts(some):
    """What measured points say of themselves: such as a client that was the limit."""
    for c in (p.candidate for p in some if p.candidate.origin == "measured"):
        yield from (f"{c.accelerator} {c.engine}: {r['notes']}" for r in c.around if r["notes"])


def _row(p) -> tuple:
    c = p.candidate
    users = " – ".join(f"{r['concurrency']:g}" for r in c.around if r["concurrency"])
    return (
        c.accelerator,
        c.engine,
        c.tput_per_gpu,
        p.usd_per_gpu_h,
        p.usd_per_mtok_total,
        p.usd_per_mtok_output,
        c.e2e_s,
        c.interactivity_tok_s,
        c.tp,
        users,
        c.n_points,
        c.origin,
        c.source,
        c.e2e_basis,
    )
