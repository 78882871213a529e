"""The options of a verb that reads the traffic of a service: from a log, from metrics, or a mix by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import rich_click as click

from paretoken.cli import options
from paretoken.cli.names import WORKLOAD
from paretoken.errors import BadConfig

traffic_options = options.stack(
    click.option(
        "--log",
        "--trace",
        "log",
        type=Path,
        metavar="FILE",
        help="Read a log of requests (time, input and output tokens; JSONL or CSV) or a trace in any form of bench.",
    ),
    click.option(
        "--metrics",
        metavar="FILE|URL",
        help="Read metrics of vLLM or SGLang: the URL of Prometheus, or saved answers of /api/v1/query_range.",
    ),
    click.option("--served-model", metavar="NAME", help="Model name in the log or the metrics, if there are several."),
    click.option(
        "--since", metavar="TIME", help="With the URL of --metrics: period before now, such as 7d.  [default: 24h]"
    ),
    click.option("--step", metavar="TIME", help="With the URL of --metrics: step of the queries.  [default: 60s]"),
    click.option(
        "--api-key-file",
        type=Path,
        metavar="FILE",
        help="With the URL of --metrics: file with the key, instead of PARETOKEN_API_KEY.",
    ),
    click.option(
        "--rate", metavar="RATE", help="Mix by hand: mean requests, 2000/min; also /s, /h, /day.  [default unit: /s]"
    ),
    click.option(
        "--isl", metavar="LENGTH", help="Mix: input tokens, such as 1024, lognormal:1800:1.1 or empirical:FILE."
    ),
    click.option("--osl", metavar="LENGTH", help="Mix: output tokens, in the same forms as --isl."),
    click.option(
        "--day-curve",
        metavar="CURVE",
        help="Mix: flat, office, consumer, campus, 24 relative rates separated by commas, or a CSV file hour,share.  "
        "[default: flat]",
    ),
    click.option(
        "--peak",
        "peaks",
        multiple=True,
        metavar="PEAK",
        help="Mix: peak on top of the curve, such as 3x@14:00/30m (repeatable).",
    ),
    click.option(
        "--burstiness",
        type=options.Finite(0, min_open=True),
        help="Mix: shape of the gamma gaps between arrivals; below 1 is burstier.  [default: 1, Poisson]",
    ),
    click.option(
        "--prefix-share", type=options.Finite(0, 1), help="Mix: share of each prompt that is a shared prefix."
    ),
    click.option("--prefixes", type=click.IntRange(1), help="Mix: number of distinct shared prefixes.  [default: 1]"),
    click.option(
        "--requests-per-session", type=options.Finite(1), help="Mix: mean requests of a session, which is one task."
    ),
    click.option(
        "--growth",
        type=options.Finite(0, min_open=True),
        default=1.0,
        show_default=True,
        metavar="FACTOR",
        help="Plan for this many times the requests of the source.",
    ),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of all drawn requests."),
)

mix_workload = click.option(
    "--workload", type=WORKLOAD, help="Mix: lengths of a workload of the catalog, or of ISL/OSL such as 3k/700."
)


def with_workload(values: dict[str, object], catalog_folders: Sequence[Path]) -> dict[str, object]:
    """The options with the lengths of --workload as --isl and --osl; BadConfig if both are stated."""
    name = values.pop("workload")
    if name is None:
        return values
    if values["isl"] or values["osl"]:
        raise BadConfig("use --workload, or --isl and --osl, not both")
    from paretoken.catalog.loader import load_catalog

    chosen = load_catalog(*catalog_folders).workload(str(name))
    return values | {"isl": str(chosen.isl), "osl": str(chosen.osl)}
