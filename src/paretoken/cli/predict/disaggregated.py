"""The options and the questions of disaggregated predictions, which `predict` and `explain` share."""

from __future__ import annotations

from typing import Any

import rich_click as click

from paretoken.cli.predict import options
from paretoken.errors import BadConfig

AUTO = "auto"
ONE_POOL_ONLY = ("--tp", "--pp", "--ep", "--dp-attention", "--serve-command", "--ignore-unknown-flags")
"""Options that a layout of two pools replaces."""
POOLS_ONLY = ("--price", "--rent", "--currency", "--usd-rate", "--top")
LAYOUT_HELP = (
    "Serve with a prefill and a decode pool, WORKERSxKINDGPUS each: 4xDEP4+1xDEP32. Kinds are TP, TEP, DP, DEP."
)
HELP = f"{LAYOUT_HELP} --max-num-batched-tokens then applies to prefill workers."

disaggregated = click.option("--disaggregated", metavar="LAYOUT", help=HELP)
disaggregated_or_auto = click.option(
    "--disaggregated",
    metavar="LAYOUT",
    help=f"{HELP} auto searches the layouts of --gpus, within ttft=5s unless --slo limits TTFT or E2E, or has "
    "ttft=none.",
)
rent = click.option(
    "--rent",
    "rents",
    multiple=True,
    metavar="USD",
    help="Price tokens at this rent of every GPU, USD per GPU-hour; --price GB200=3.50 states that of one.",
)
top = click.option(
    "--top", type=click.IntRange(1, 100), default=5, show_default=True, help="Number of layouts to show."
)


def require_pool_options(layout: str | None) -> None:
    """BadConfig for options of disaggregated serving without a layout, and for those of aggregated serving with one."""
    options_set = options.on_the_command_line()
    if layout is None:
        if stray := options_set & set(POOLS_ONLY):
            raise BadConfig(f"{min(stray)} needs --disaggregated")
        return
    refuse_options_of_workers(options_set)
    if "--rate" in options_set:
        raise BadConfig("--rate does not predict disaggregated serving; use --concurrency or --slo")
    if layout.lower() == AUTO:
        if "--gpus" not in options.stated_options():
            raise BadConfig("--disaggregated auto searches the layouts of a number of GPUs; add --gpus")
        if "--out" in options_set:
            raise BadConfig("--out takes operating points of one layout; use --json with --disaggregated auto")
    elif "--top" in options_set:
        raise BadConfig("--top is for --disaggregated auto; leave it out")


def refuse_options_of_workers(options_set: set[str], *others: str) -> None:
    """BadConfig for options that the layout of two pools replaces, and for `others`."""
    if stray := options_set & {*ONE_POOL_ONLY, *others}:
        raise BadConfig(f"--disaggregated states the workers of both pools; leave out {', '.join(sorted(stray))}")


def pooled_fields(deployment: dict[str, Any], layout: str) -> dict[str, Any]:
    """The options as the fields of a question on two pools. The layout states the parallelism, and may state both
    accelerators.
    """
    from paretoken.predict.pools.layout import layout_accelerators

    if deployment["accelerator"] is None and layout.lower() != AUTO:
        stated = layout_accelerators(layout, "")
        deployment = deployment | ({"accelerator": stated[1]} if all(stated) else {})
    return options.question_fields(deployment | {"tp": AUTO})
