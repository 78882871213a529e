"""`paretoken breakeven`: the rent at which two accelerators cost the same."""

from __future__ import annotations

import click

from paretoken.cli import options

ROWS = 12


@click.command("breakeven", no_args_is_help=True)
@options.what
@click.option("--accelerator", required=True, help="The accelerator whose rent is sought.")
@click.option("--against", required=True, help="The accelerator it is held against.")
@click.option(
    "--rent", "rent_usd", required=True, type=float, metavar="USD", help="Rent of the latter, USD per GPU-hour."
)
@options.axis
@options.which
@options.as_json
def command(accelerator, against, rent_usd, axis, as_json, **shared) -> None:
    """Show the rent at which one accelerator's tokens cost what another's do, over latency.

    \b
    Examples:
      paretoken breakeven --model llama-3-70b --precision fp8 --workload chat \\
                          --accelerator MI300X --against H200 --rent 2.50
      paretoken breakeven --model deepseek-r1 --precision fp8 --isl 8192 --osl 1024 \\
                          --accelerator MI355X --against B200 --rent 3.70 --axis interactivity --json
    """
    from paretoken import api
    from paretoken.cli.output import print_json, print_table
    from paretoken.study.rows import break_even_rows

    found = api.breakeven(
        **options.asked(**shared), accelerator=accelerator, against=against, rent_usd=rent_usd, axis=axis
    )
    rows = list(break_even_rows(found))
    if as_json:
        print_json(rows)
        return
    unit = "E2E s" if axis == "e2e" else "tok/s/user"
    step = max(1, len(rows) // ROWS)
    shown = [*rows[::step], *([rows[-1]] if (len(rows) - 1) % step else [])]
    print_table(
        f"{found.accelerator} equals {found.against} at {rent_usd:.2f} USD per GPU-hour",
        (unit, f"break-even rent of {found.accelerator}, $/GPU-h"),
        [(r["value"], f"{r['break_even_usd_per_gpu_h']:.3f}") for r in shown],
        "below that rent its tokens are the cheaper ones; --json gives the whole curve",
    )
