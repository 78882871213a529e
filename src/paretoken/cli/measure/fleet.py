"""`paretoken fleet`: one load from many nodes."""

from __future__ import annotations

from pathlib import Path

import click

from paretoken.cli import options
from paretoken.cli.measure.bench_options import config_options, out_folder, read_api_key


@click.command("fleet", no_args_is_help=True)
@click.argument("urls", nargs=-1, required=True, metavar="URL…")
@config_options
@click.option("--ray", "address", default="", metavar="ADDRESS", help="Ray cluster: auto, or host:port of its head.")
@click.option("--nodes", type=click.IntRange(0), default=0, help="Number of nodes; all of the cluster by default.")
@out_folder
@options.as_json
def command(
    urls: tuple[str, ...],
    address: str,
    nodes: int,
    api_key_file: Path | None,
    out: Path | None,
    as_json: bool,
    **settings: object,
) -> None:
    """Measure an endpoint with load from many nodes at once.

    \b
    Each node sends its share with --workers processes. All nodes start at the same time, and their
    records are merged as if one client had sent everything. The clock offset of every node is
    measured and recorded. A lost node is reported, and its share is not counted. Without --ray,
    processes on this machine send the shares.

    \b
    Examples:
      paretoken fleet http://10.0.0.7:8000 --ray auto --concurrency 512:8192:x2 --workload chat --until 120s
      paretoken fleet http://127.0.0.1:8000 --nodes 2 --concurrency 64 --until 30s
    """
    from contextlib import nullcontext

    from paretoken.bench.begin import begin_with
    from paretoken.bench.config import BenchConfig
    from paretoken.bench.fleet.level import Fleet
    from paretoken.bench.fleet.nodes import LocalNode, Node, ray_nodes
    from paretoken.bench.setup import prepare
    from paretoken.cli.measure.bench import measure_and_show

    setup = prepare(BenchConfig.of_dict({**settings, "urls": urls}), api_key=read_api_key(api_key_file))
    here: list[Node] = [LocalNode(n) for n in range(nodes or 1)]
    with ray_nodes(address, nodes) if address else nullcontext(here) as senders:
        run = begin_with(setup, out)
        fleet = Fleet(senders, setup.config.workers, say=lambda text: click.echo(text, err=True))
        measure_and_show(run, as_json=as_json, measure=fleet.measure)
