"""`paretoken plan`: from traffic to a fleet, a bill and a decision."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from paretoken.cli import options
from paretoken.cli.names import ACCELERATOR, ENGINE, PRECISION
from paretoken.cli.predict.options import calibration
from paretoken.cli.price.traffic_options import mix_workload, traffic_options, with_workload
from paretoken.plural import counted


@click.command("plan", no_args_is_help=True)
@traffic_options
@mix_workload
@click.option("--model", required=True, help="Model, by any name in the catalog, org/name, a folder or a config.json.")
@click.option(
    "--slo",
    required=True,
    metavar="SLO",
    help="Limits that hold in every hour, such as ttft_p99=2s,tpot=50ms; also e2e, itl, interactivity.",
)
@click.option(
    "--accelerator",
    "accelerators",
    multiple=True,
    type=ACCELERATOR,
    help="Choose from this accelerator (repeatable; default: all with a price and data of the model).",
)
@click.option(
    "--engine",
    "engines",
    multiple=True,
    type=ENGINE,
    help="Choose from this engine (repeatable; default: those with data of the model).",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=PRECISION,
    metavar="TEXT",
    help="Precision of the weights (repeatable; default: the model's own).",
)
@click.option("--tp", type=click.IntRange(1), help="GPUs of a replica (default: every size that fits).")
@click.option(
    "--disaggregated",
    "layouts",
    multiple=True,
    metavar="LAYOUT",
    help="Also consider this layout of a prefill and a decode pool, such as 1xDEP8+1xDEP8, or auto (repeatable).",
)
@click.option(
    "--speculative",
    metavar="METHOD[:TOKENS]",
    default="none",
    show_default=True,
    help="Speculative decoding, as in mtp:3.",
)
@click.option("--acceptance", "acceptance_length", type=options.Finite(1), help="Mean tokens that a step yields.")
@click.option(
    "--points",
    multiple=True,
    type=Path,
    metavar="FILE",
    help="Fit the predictions to your own measured points first (repeatable).",
)
@click.option(
    "--split",
    "split_tokens",
    type=click.IntRange(1),
    metavar="TOKENS",
    help="Serve longer requests in a separate fleet.",
)
@click.option("--no-prefix-cache", is_flag=True, help="Compute every prompt in full.")
@click.option(
    "--spares", type=click.IntRange(0, 100), default=1, show_default=True, help="Replicas that may fail: N+1 is 1."
)
@click.option(
    "--cold-start",
    "cold_start_s",
    type=options.Finite(0, 86_400),
    default=300.0,
    show_default=True,
    metavar="S",
    help="Seconds until a new replica serves.",
)
@click.option(
    "--contract",
    "contracts",
    multiple=True,
    default=("on-demand", "1-year", "3-year", "own"),
    show_default=True,
    metavar="TERM",
    help="Contract to compare: a rental term, or own (repeatable).",
)
@click.option("--operator", default="neocloud", show_default=True, help="Operator whose cost of owning applies.")
@click.option("--set", "sets", multiple=True, metavar="FILE", help="TOML file of your own cost figures (repeatable).")
@options.price
@click.option(
    "--confidence",
    type=options.Finite(0.5, 1, max_open=True),
    default=0.5,
    show_default=True,
    help="Size fleets so that the SLO is met with this probability; 0.5 is the prediction itself.",
)
@click.option("--max-gpus", "most_gpus", type=click.IntRange(1), help="Maximum number of GPUs of a fleet.")
@click.option("--mw", type=options.Finite(0, min_open=True), help="Maximum utility power of a fleet, in MW.")
@click.option(
    "--task",
    "requests_per_task",
    type=options.Finite(0, min_open=True),
    metavar="N",
    help="Requests per task (default: those of a session, else 1).",
)
@click.option(
    "--candidates",
    "most_candidates",
    type=click.IntRange(1, 500),
    default=20,
    show_default=True,
    help="Maximum number of deployments to simulate.",
)
@click.option("--coarse", is_flag=True, help="Answer within seconds from the closed form, without simulation.")
@click.option("--replay", is_flag=True, help="Replay the whole period with the cheapest fleet; takes minutes.")
@click.option(
    "--top", type=click.IntRange(1, 100), default=10, show_default=True, help="Maximum number of fleets to show."
)
@options.market
@calibration
@options.catalog_folders
@options.currency
@click.option("--out", type=Path, metavar="DIR", help="Also write plan.html, CSV files and plan.json to a folder.")
@options.as_json
def command(*, out: Path | None, as_json: bool, catalog_folders: tuple[Path, ...], **values: object) -> None:
    """Plan the fleet that serves your traffic within the limits for the least money.

    Read the traffic from a log or trace or from Prometheus, or mix it by hand. The most promising deployments are
    simulated under it, sized for every hour, and priced under every contract.

    \b
    Examples:
      paretoken plan --log requests.jsonl --model llama-3-70b --precision fp8 \\
                     --slo ttft_p95=2s,tpot=50ms
      paretoken plan --rate 2000/min --isl lognormal:1800:1.1 \\
                     --osl lognormal:250:0.8 --day-curve office \\
                     --model deepseek-r1 --slo ttft_p99=3s,tpot=40ms \\
                     --accelerator H200 --accelerator MI355X --price MI355X=2.60
      paretoken plan --metrics http://127.0.0.1:9090 --since 7d --growth 2 \\
                     --model llama-3-70b --slo e2e_p95=20s --out plan
    """
    from paretoken.answers.plan.question import PlanQuestion
    from paretoken.answers.plan.run import plan
    from paretoken.answers.study.outputs import check_out
    from paretoken.cli.asking import question
    from paretoken.cli.output import print_json
    from paretoken.cli.price.plan_tables import print_plan
    from paretoken.cli.progress import told_on_stderr

    values = with_workload(values, catalog_folders) | {"catalog_folders": catalog_folders}
    values["prefix_cache"] = not values.pop("no_prefix_cache")
    plan_question = question(PlanQuestion, values)
    if out:
        check_out(out)
    with told_on_stderr("Plan") as tell:
        answer = plan(plan_question, on_progress=lambda done, total: tell(f"{done} of {counted(total, 'deployment')}"))
    if out:
        from paretoken.report.plan.page import write_plan

        write_plan(answer, out)
    if as_json:
        print_json(answer)
    else:
        print_plan(answer)
