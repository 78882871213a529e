"""`paretoken fleet`: the earlier name of `paretoken bench --nodes` and `--ray`."""

from __future__ import annotations

import os
from pathlib import Path

import rich_click as click

from paretoken.cli import options
from paretoken.cli.measure.bench_options import config_options, out_folder, read_api_key
from paretoken.cli.measure.nodes import measure_from_nodes, node_options


@click.command("fleet", no_args_is_help=True, hidden=True)
@click.argument("urls", nargs=-1, required=True, metavar="URL…")
@config_options
@node_options
@out_folder
@options.as_json
def command(
    urls: tuple[str, ...],
    nodes: int | None,
    ray_address: str | None,
    api_key_file: Path | None,
    headers: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    **settings: object,
) -> None:
    """Measure an endpoint with load from many nodes: the same as 'paretoken bench' with --nodes or --ray.

    \b
    Examples:
      paretoken fleet http://10.0.0.7:8000 --ray auto --concurrency 512:8192:x2 \\
                      --workload chat --until 120s
      paretoken fleet http://127.0.0.1:8000 --nodes 2 --concurrency 64 --until 30s
    """
    from paretoken.bench import begin
    from paretoken.bench.config import BenchConfig
    from paretoken.bench.keys import read_headers
    from paretoken.cli.measure.bench import measure_and_show

    config = BenchConfig.of_dict({**settings, "urls": urls, "headers": read_headers(headers, os.environ)})
    with measure_from_nodes(nodes or 0, ray_address, config.workers) as measure:
        run = begin.begin(config, out, key=read_api_key(urls, api_key_file))
        measure_and_show(run, as_json=as_json, measure=measure)
