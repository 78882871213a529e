"""`paretoken predict`: what nobody has measured."""

from __future__ import annotations

from pathlib import Path

import click

from paretoken.cli import options
from paretoken.cli.predict import predicting


@click.command("predict", no_args_is_help=True)
@predicting.deployment
@predicting.lengths
@click.option("--concurrency", default="1:256:x2", show_default=True, help="Users: 1,2,4 or 1:256:x2.")
@click.option("--rate", type=options.Finite(), help="Requests per second that arrive by chance; simulated.")
@click.option("--slo", help="Find the highest load within bounds: ttft=1s,tpot=50ms,e2e_p99=30s.")
@click.option("--in", "source", type=click.Path(path_type=Path), help="CSV of configurations, instead of the options.")
@click.option(
    "--out", "target", type=click.Path(path_type=Path), help="CSV of predictions; with options, points.parquet or .csv."
)
@predicting.calibration
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def command(
    concurrency,
    rate,
    slo,
    source,
    target,
    calibration,
    as_json,
    isl,
    osl,
    ratio,
    catalog_folders,
    **deployment,
) -> None:
    """Predict throughput and latency of a model on accelerators, with 90 % intervals.

    \b
    Examples:
      paretoken predict --accelerator MI355X --model llama-3.1-405b --precision fp8 --engine vllm \\
                        --tp auto --isl 1024 --osl 4096
      paretoken predict --accelerator H200 --model llama-3-70b --precision fp8 --engine trtllm --tp 4 \\
                        --isl 1024 --osl 1024 --slo ttft=1s,tpot=50ms
      paretoken predict --accelerator B200 --model deepseek-r1 --precision fp4 --engine sglang --tp 8 \\
                        --isl 4096 --osl 1024 --rate 3
      paretoken predict --accelerator H100 --model llama-3.1-405b --precision bf16 --engine vllm --tp 8 --pp 2 \\
                        --isl 1024 --osl 1024
      paretoken predict --in configs.csv --out predictions.csv
    """
    predicting.require_one_question(predicting.said())
    given, catalog = predicting.read(calibration), predicting.catalog_of(catalog_folders)
    if source or (target and not deployment["accelerator"]):
        predicting.whole_file(source, target, given, catalog, as_json)
        return
    predicting.require(deployment, isl, osl)
    shape = predicting.shape(isl, osl, ratio)
    some = predicting.deployments(deployment, shape, catalog)
    if rate is not None:
        predicting.show_rate(some, shape, rate, given, catalog, as_json)
    elif slo is not None:
        predicting.show_slo(some, shape, slo, given, catalog, as_json)
    else:
        predicting.show_ladder(some, shape, concurrency, given, catalog, target, as_json)
