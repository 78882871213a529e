"""Nodes that send shares: this machine, or the nodes of a Ray cluster. Both run the same program."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from paretoken.bench.fleet.share import ERROR, REQUESTS, RESULT
from paretoken.errors import BadConfig, ParetokenError

Packed = tuple[bytes, dict[str, Any]]
"""Records as Parquet, and what the node says of itself."""


class NodeLost(ParetokenError):
    """A node that is gone, with all that it had sent."""


class Node(Protocol):
    """One place that load comes from."""

    name: str

    def clock(self) -> float:
        """Its clock now, Unix seconds. NodeLost if it is gone."""

    def start(self, told: Mapping[str, Any], key: str | None) -> None:
        """Begin to do what a specification of a share tells, with the key for the endpoint."""

    def result(self) -> Packed:
        """Wait for what it sent. NodeLost if it is gone, ParetokenError for what the user can mend."""


def do_share(told: Mapping[str, Any], key: str | None) -> Packed:
    """Run a share as a process of its own in a folder that is gone afterwards; it gets the key by its environment."""
    with tempfile.TemporaryDirectory(prefix="paretoken-share-") as place:
        folder = Path(place)
        (folder / "spec.json").write_text(json.dumps(told), encoding="utf-8")
        command = [sys.executable, "-m", "paretoken.bench.fleet.share", str(folder / "spec.json")]
        env = os.environ | ({"PARETOKEN_API_KEY": key} if key else {})
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603, our own
        if (folder / ERROR).is_file():
            raise ParetokenError((folder / ERROR).read_text(encoding="utf-8"))
        if done.returncode or not (folder / RESULT).is_file():
            raise NodeLost(f"a load generator ended with status {done.returncode}: {done.stderr.strip()[-500:]}")
        return (folder / REQUESTS).read_bytes(), json.loads((folder / RESULT).read_text(encoding="utf-8"))


def unpack(packed: Packed) -> tuple[Any, dict[str, Any]]:
    """The records as a table, and what the node says of itself."""
    import polars as pl

    return pl.read_parquet(io.BytesIO(packed[0])), packed[1]


class LocalNode:
    """This machine; several of them are several processes with one clock."""

    def __init__(self, number: int = 0) -> None:
        self.name = f"here-{number}"
        self._result: Any = None

    def clock(self) -> float:
        return time.time()

    def start(self, told: Mapping[str, Any], key: str | None) -> None:
        from concurrent.futures import ThreadPoolExecutor

        pool = ThreadPoolExecutor(1)
        self._result = pool.submit(do_share, told, key)
        pool.shutdown(wait=False)

    def result(self) -> Packed:
        return self._result.result()


class RayNode:
    """One node of a Ray cluster, with an actor that is bound to it."""

    def __init__(self, ray: Any, actor: Any, name: str) -> None:
        self._ray, self._actor, self.name = ray, actor, name
        self._pending: Any = None

    def clock(self) -> float:
        return self._get(self._actor.clock.remote())

    def start(self, told: Mapping[str, Any], key: str | None) -> None:
        self._pending = self._actor.share.remote(dict(told), key)

    def result(self) -> Packed:
        return self._get(self._pending)

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
    """An actor on each of `count` nodes of a cluster, 0 for all of them; BadConfig where Ray or nodes are missing.

    `address` is Ray's: auto, or host:port of its head.
    """
    ray = import_ray()
    if not ray.is_initialized():
        try:
            ray.init(address=address, log_to_driver=False, logging_level="error")
        except (ConnectionError, ValueError) as e:
            raise BadConfig(f"no Ray cluster at {address!r} ({e}); start one with 'ray start --head'") from e
    alive = [n for n in ray.nodes() if n["Alive"]]
    if count > len(alive):
        raise BadConfig(f"{count} nodes are asked for and the Ray cluster has {len(alive)}; add some, or lower --nodes")
    actors = []
    try:
        for node in alive[: count or None]:
            actors.append((_actor(ray, node["NodeID"]), f"{node['NodeManagerHostname']}-{node['NodeID'][:6]}"))
        yield [RayNode(ray, actor, name) for actor, name in actors]
    finally:
        for actor, _ in actors:
            ray.kill(actor)


def import_ray() -> Any:
    """Ray; BadConfig, with how to install it, where it is not there."""
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
        """What runs on a node; `clock` is answered also while a share is sent."""

        def clock(self) -> float:
            return time.time()

        def share(self, told: dict[str, Any], key: str | None) -> Packed:
            return do_share(told, key)

    strategy = NodeAffinitySchedulingStrategy(node_id=node_id, soft=False)
    return ray.remote(Generator).options(num_cpus=0, max_concurrency=2, scheduling_strategy=strategy).remote()
