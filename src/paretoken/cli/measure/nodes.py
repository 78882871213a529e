"""Load from many nodes: the options of `paretoken bench`, and what measures a level with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import rich_click as click

from paretoken.cli.output import echo

if TYPE_CHECKING:
    from paretoken.bench.sweep import Measure

P = ParamSpec("P")
R = TypeVar("R")


def node_options(function: Callable[P, R]) -> Callable[P, R]:
    """The options --nodes and --ray, as `nodes` and `ray_address`."""
    nodes = click.option(
        "--nodes",
        type=click.IntRange(0),
        metavar="N",
        help="Send the load from N local processes or --ray nodes (0: all).",
    )
    ray = click.option(
        "--ray", "ray_address", metavar="ADDRESS", help="Ray cluster to send from: auto, or host:port of its head."
    )
    return ray(nodes(function))


@contextmanager
def measure_from_nodes(nodes: int | None, ray_address: str | None, workers: int) -> Iterator[Measure | None]:
    """What measures a level of `sweep` from many nodes; None if neither option is given."""
    if nodes is None and not ray_address:
        yield None
        return
    from contextlib import nullcontext

    from paretoken.bench.fleet.level import NodePool
    from paretoken.bench.fleet.nodes import LocalNode, Node, ray_nodes

    here: list[Node] = [LocalNode(n) for n in range(nodes or 1)]
    with ray_nodes(ray_address, nodes or 0) if ray_address else nullcontext(here) as members:
        yield NodePool(members, workers, report=lambda line: echo(line, err=True)).measure
