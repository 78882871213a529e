"""Nodes that send shares of a load: this machine, or the nodes of a Ray cluster. Both run the same program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from paretoken.bench.fleet.share import ERROR, REQUESTS, RESULT, ShareReport, ShareSpec
from paretoken.errors import BadConfig, ParetokenError
from paretoken.plain_files import as_type, read_json, read_parquet
from paretoken.plural import counted

if TYPE_CHECKING:
    import polars as pl

Packed = tuple[bytes, ShareReport]
"""Records as Parquet, and the node's report."""


class NodeLost(ParetokenError):
    """A node that is gone, with the records of what it sent."""


class Node(Protocol):
    """One source of load."""

    name: str

    def clock(self) -> float:
        """Its clock now, Unix seconds. NodeLost if it is gone."""
        ...

    def start(self, spec: ShareSpec, key: str | None) -> None:
        """Start the share of a specification, with the API key of the endpoint."""
        ...

    def result(self) -> Packed:
        """Wait for its records. NodeLost if it is gone, ParetokenError for what the user can fix."""
        ...


def do_share(spec: ShareSpec, key: str | None) -> Packed:
    """Run a share as a process of its own in a temporary folder; it gets the API key from its environment."""
    with tempfile.TemporaryDirectory(prefix="paretoken-share-") as place:
        folder = Path(place)
        (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
        command = [sys.executable, "-P", "-m", "paretoken.bench.fleet.share", str(folder / "spec.json")]
        env = os.environ | {"PARETOKEN_API_KEY": key or ""}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603, our own
        if (folder / ERROR).is_file():
            raise ParetokenError((folder / ERROR).read_text(encoding="utf-8"))
        if done.returncode or not (folder / RESULT).is_file():
            raise NodeLost(f"the load generator ended with status {done.returncode}: {done.stderr.strip()[-500:]}")
        report = as_type(ShareReport, read_json(folder / RESULT), "the report of a node")
        return (folder / REQUESTS).read_bytes(), report


def unpack(packed: Packed) -> tuple[pl.DataFrame, ShareReport]:
    """The records as a table, and the node's report."""
    return read_parquet(packed[0], "the records of a node")[0], packed[1]


class LocalNode:
    """A process on this machine; several have one clock."""

    def __init__(self, number: int = 0) -> None:
        self.name = f"here-{number}"
        self._result: Future[Packed] = Future()

    def clock(self) -> float:
        return time.time()

    def start(self, spec: ShareSpec, key: str | None) -> None:
        pool = ThreadPoolExecutor(1)
        self._result = pool.submit(do_share, spec, key)
        pool.shutdown(wait=False)

    def result(self) -> Packed:
        return self._result.result()


class RayNode:
    """One node of a Ray cluster, with an actor bound to it."""

    def __init__(self, ray: Any, actor: Any, name: str) -> None:
        self._ray, self._actor, self.name = ray, actor, name
        self._pending: Any = None

    def clock(self) -> float:
        return cast(float, self._get(self._actor.clock.remote()))

    def start(self, spec: ShareSpec, key: str | None) -> None:
        self._pending = self._actor.share.remote(spec, key)

    def result(self) -> Packed:
        return cast(Packed, self._get(self._pending))

    def _get(self, pending: Any) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(pending)
        except errors.RayTaskError as e:
            cause = e.cause
            raise (cause if isinstance(cause, ParetokenError) else ParetokenError(str(e))) from e
        except errors.RayError as e:  # the actor, its node or its results are gone
            raise NodeLost(f"node {self.name} is lost ({type(e).__name__})") from e


@contextmanager
def ray_nodes(address: str, count: int = 0) -> Iterator[list[Node]]:
    """An actor on each of `count` nodes of a Ray cluster (0: all). BadConfig without Ray or with too few nodes.

    `address` is that of the cluster: auto, or host:port of its head.
    """
    ray = import_ray()
    if not ray.is_initialized():
        try:
            ray.init(address=address, log_to_driver=False, logging_level="error")
        except (ConnectionError, ValueError) as e:
            raise BadConfig(f"no Ray cluster at {address!r} ({e}); start one with 'ray start --head'") from e
    alive = [n for n in ray.nodes() if n["Alive"]]
    if count > len(alive):
        raise BadConfig(
            f"--nodes is {count} and the Ray cluster has {counted(len(alive), 'node')}; add nodes, or lower --nodes"
        )
    actors = []
    try:
        for node in alive[: count or None]:
            actors.append((_actor(ray, node["NodeID"]), f"{node['NodeManagerHostname']}-{node['NodeID'][:6]}"))
        yield [RayNode(ray, actor, name) for actor, name in actors]
    finally:
        for actor, _ in actors:
            ray.kill(actor)


def import_ray() -> Any:
    """The module ray; BadConfig, with how to install it, if it is missing."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
        import ray.exceptions
    except ImportError as e:
        raise BadConfig("Ray is not installed; pip install 'paretoken[ray]', or leave --ray out") from e
    return ray


def _actor(ray: Any, node_id: str) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    class Generator:
        """The actor of a node; `clock` answers also while a share runs."""

        def clock(self) -> float:
            return time.time()

        def share(self, spec: ShareSpec, key: str | None) -> Packed:
            return do_share(spec, key)

    strategy = NodeAffinitySchedulingStrategy(node_id=node_id, soft=False)
    return ray.remote(Generator).options(num_cpus=0, max_concurrency=2, scheduling_strategy=strategy).remote()
