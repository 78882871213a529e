"""`paretoken fleet`: the earlier name of `paretoken bench --nodes` and `--ray`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from paretoken.cli import options
from paretoken.cli.measure.bench import config_options, measure_urls, place
from paretoken.cli.measure.nodes import node_options


@click.command("fleet", no_args_is_help=True, hidden=True)
@click.argument("urls", nargs=-1, required=True, metavar="URL…")
@config_options
@node_options
@click.option("--api-key-file", type=Path, help="File with the API key (else PARETOKEN_API_KEY, OPENAI_API_KEY).")
@click.option("--out", type=Path, metavar="DIR", help="Folder of the run; runs/DATE by default.")
@options.as_json
def command(
    urls: tuple[str, ...],
    nodes: int | None,
    ray_address: str | None,
    api_key_file: Path | None,
    out: Path | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Measure an endpoint with load from many nodes: the same as 'paretoken bench' with --nodes or --ray.

    \b
    Examples:
      paretoken fleet http://10.0.0.7:8000 --ray auto --concurrency 512:8192:x2 --workload chat --until 120s
      paretoken fleet http://127.0.0.1:8000 --nodes 2 --concurrency 64 --until 30s
    """
    measure_urls(
        {**values, "urls": urls},
        out or place(),
        api_key_file,
        None,
        False,
        as_json,
        nodes=nodes or 0,
        ray_address=ray_address,
    )
