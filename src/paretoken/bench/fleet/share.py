"""One node's share of a load level: a program of its own, told by a file, which leaves its records in a folder.

    python -m paretoken.bench.fleet.share SPEC.json

Nothing in it knows what started it, so any scheduler can. The API key comes by the environment.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.run import run_level
from paretoken.bench.config import BenchConfig, read_key
from paretoken.bench.plan import Closed, Load, Open, Prepared, PromptSource, Stop
from paretoken.bench.setup import prepare
from paretoken.bench.workload.prompts import Correction
from paretoken.errors import ParetokenError

REQUESTS, RESULT, ERROR = "share.parquet", "share.json", "error.txt"


@dataclass(frozen=True, slots=True)
class Share:
    """Which of `nodes` equal parts of a load one node sends, with how many processes."""

    node: int
    nodes: int
    workers: int

    def of(self, whole: int) -> int:
        """This node's part of a whole number; the parts add up to it."""
        return whole // self.nodes + (self.node < whole % self.nodes)

    def first(self, whole: int) -> int:
        """How much of a whole number the nodes before this one have."""
        return self.node * (whole // self.nodes) + min(self.node, whole % self.nodes)

    def load(self, load: Load) -> Load:
        """Its users, or the arrivals that the whole's processes of this node would have sent."""
        if isinstance(load, Closed):
            return Closed(self.of(load.users), load.think_s)
        mine = [n for n in range(len(load.due_s)) if n // self.workers % self.nodes == self.node]
        return Open(load.due_s[mine], load.rate / self.nodes)

    def stop(self, stop: Stop) -> Stop:
        """Its part of the requests and tokens; times are the same for all."""
        return Stop(
            seconds=stop.seconds,
            requests=None if stop.requests is None else self.of(stop.requests),
            tokens=None if stop.tokens is None else self.of(stop.tokens),
            warmup_s=stop.warmup_s,
            warmup_requests=self.of(stop.warmup_requests),
            drain_s=stop.drain_s,
        )


@dataclass(frozen=True, slots=True)
class Slice:
    """The prompts that one node's processes have in a source that all nodes share; none is sent twice."""

    source: PromptSource
    share: Share

    def requests(self, worker: int, workers: int) -> Iterator[Prepared]:
        whole = self.share.nodes * workers
        return self.source.requests(self.share.node * workers + worker, whole)


def spec(
    config: BenchConfig, seed: int, level: int, load: Load, correction: Correction, share: Share, start_unix_s: float
) -> dict[str, Any]:
    """What a node is told, as JSON; `start_unix_s` is by its own clock."""
    return {
        "config": config.as_dict() | {"seed": seed},
        "level": level,
        "load": _told(load),
        "correction": [correction.offset, correction.per_turn, correction.spread],
        "share": [share.node, share.nodes, share.workers],
        "start_unix_s": start_unix_s,
    }


def _told(load: Load) -> dict[str, Any]:
    return {"users": load.users} if isinstance(load, Closed) else {"rate": load.rate, "due_s": load.due_s.tolist()}


def run_share(told: Mapping[str, Any], folder: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Send this node's share, and leave its records and its tallies in the folder."""
    import numpy as np

    config, share = BenchConfig.of_dict(told["config"]), Share(*told["share"])
    key = read_key(dict(environment), None)
    setup = prepare(config, api_key=key)
    asked = told["load"]
    load = Closed(asked["users"], config.think_s) if "users" in asked else Open(np.array(asked["due_s"]), asked["rate"])
    source = Slice(setup.source_of(told["level"], Correction(*told["correction"])), share)
    mine = share.load(load)
    result = run_level(
        setup.endpoints,
        config.api,
        source,
        mine,
        share.stop(setup.stop(load)),
        folder=folder,
        client=ClientOptions(
            workers=share.workers,
            api_key=key,
            timeout_s=config.timeout_s,
            balance=config.balance,
            insecure=config.insecure,
            cafile=Path(config.cafile) if config.cafile else None,
            start_unix_s=told["start_unix_s"],
        ),
    )
    if result.requests is not None:
        result.requests.write_parquet(folder / REQUESTS, compression="zstd")
    tallies = [json.loads(p.read_text(encoding="utf-8")) for p in sorted(folder.glob("*.worker.json"))]
    about = {
        "t0_unix_s": result.t0_unix_s,
        "sending_s": result.sending_s,
        "elapsed_s": result.elapsed_s,
        "tallies": tallies,
        "steal": result.fidelity.steal,
        "lost": share.workers - len(tallies),
    }
    (folder / RESULT).write_text(json.dumps(about), encoding="utf-8")


def main(path: Path) -> int:
    """Do what a file tells; the words of an error go beside it."""
    try:
        run_share(json.loads(path.read_text(encoding="utf-8")), path.parent)
    except ParetokenError as e:
        (path.parent / ERROR).write_text(str(e), encoding="utf-8")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
