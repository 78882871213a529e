"""`paretoken fleet`: one load from many nodes."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from paretoken.cli import options
from paretoken.cli.measure.bench import config_options


@click.command("fleet", no_args_is_help=True)
@click.argument("urls", nargs=-1, required=True, metavar="URL…")
@config_options
@click.option("--ray", "address", default="", metavar="ADDRESS", help="Ray cluster: auto, or host:port of its head.")
@click.option("--nodes", type=click.IntRange(0), default=0, help="Nodes to use; all of the cluster by default.")
@click.option("--api-key-file", type=Path, help="File with the API key (else PARETOKEN_API_KEY, OPENAI_API_KEY).")
@click.option("--out", type=Path, metavar="DIR", help="Folder of the run; runs/DATE by default.")
@options.as_json
def command(urls, address, nodes, api_key_file, out, as_json, **values) -> None:
    """Measure an endpoint with load from many nodes at once.

    \b
    Each node sends its share with --workers processes of its own; all begin at one time, and their
    records are put together as if one client had sent everything. The offset of every node's clock is
    measured and its bound is in the result. A node that is lost is said, and its share is not counted.
    Without --ray the shares are sent by processes of this machine.

    \b
    Examples:
      paretoken fleet http://10.0.0.7:8000 --ray auto --concurrency 512:8192:x2 --workload chat --until 120s
      paretoken fleet http://127.0.0.1:8000 --nodes 2 --concurrency 64 --until 30s
    """
    from contextlib import nullcontext

    from paretoken.bench.config import BenchConfig, read_key
    from paretoken.bench.fleet.level import Fleet
    from paretoken.bench.fleet.nodes import LocalNode, ray_nodes
    from paretoken.bench.run_folder import RunFolder
    from paretoken.bench.setup import prepare
    from paretoken.cli.measure.bench import place, run

    key = read_key(dict(os.environ), api_key_file)
    setup = prepare(BenchConfig(**{**values, "urls": urls}), api_key=key)
    here = [LocalNode(n) for n in range(nodes or 1)]
    with ray_nodes(address, nodes) if address else nullcontext(here) as found:
        folder = RunFolder(out or place())
        folder.create(setup.about(shlex.join(["paretoken", *sys.argv[1:]])))
        fleet = Fleet(found, setup.config.workers, say=lambda words: click.echo(words, err=True))
        run(setup, folder, None, False, as_json, fleet.measure)
