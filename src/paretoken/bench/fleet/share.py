"""One node's share of a load level: a program that reads a specification and leaves its records in a folder.

    python -m paretoken.bench.fleet.share SPEC.json

Any scheduler can start it. The API key comes from the environment.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import TypedDict

from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.run import run_level
from paretoken.bench.config import BenchConfig
from paretoken.bench.keys import OWN_KEY
from paretoken.bench.plan import Closed, Load, Open, PlannedSession, Prepared, PromptSource, Stop
from paretoken.bench.setup import prepare
from paretoken.bench.workload.prompts import Correction
from paretoken.errors import ParetokenError
from paretoken.plain_files import as_type, read_json

REQUESTS, RESULT, ERROR = "share.parquet", "share.json", "error.txt"


class ShareSpec(TypedDict):
    """The instructions to a node, as JSON; `start_unix_s` is by its own clock, `load` is a Closed or an Open."""

    config: dict[str, object]
    level: int
    load: dict[str, object]
    correction: list[int]
    share: list[int]
    start_unix_s: float


class ShareReport(TypedDict):
    """What a node says of the share that it sent; `lost` counts its workers that ended early."""

    t0_unix_s: float
    sending_s: float
    elapsed_s: float
    tallies: list[dict[str, object]]
    steal: float
    lost: int


@dataclass(frozen=True, slots=True)
class Share:
    """Which of `nodes` equal parts of a load one node sends, with how many processes."""

    node: int
    nodes: int
    workers: int

    def of(self, whole: int) -> int:
        """This node's part of a whole number; the parts of all nodes add up to it."""
        return whole // self.nodes + (self.node < whole % self.nodes)

    def first(self, whole: int) -> int:
        """The sum of the parts of the nodes before this one."""
        return self.node * (whole // self.nodes) + min(self.node, whole % self.nodes)

    def load(self, load: Load) -> Load:
        """Its users, or its arrivals."""
        if isinstance(load, Closed):
            return replace(load, users=self.of(load.users), from_users=self.of(load.from_users))
        return self.arrivals(load)

    def arrivals(self, load: Open) -> Open:
        """The arrivals that this node's processes would send as part of one large client: every `nodes`-th."""
        return replace(load, due_s=load.due_s[self.node :: self.nodes], rate=load.rate / self.nodes)

    def stop(self, stop: Stop) -> Stop:
        """Its part of the requests and tokens; times are the same for all nodes."""
        return replace(
            stop,
            requests=None if stop.requests is None else self.of(stop.requests),
            tokens=None if stop.tokens is None else self.of(stop.tokens),
            sessions=None if stop.sessions is None else self.of(stop.sessions),
            warmup_requests=self.of(stop.warmup_requests),
        )


@dataclass(frozen=True, slots=True)
class Slice:
    """One node's prompts of a source that all nodes share: every `nodes`-th, so that no prompt is sent twice.

    The first n of a source go to the nodes in the numbers that `Share.of` says, none of them skipped.
    """

    source: PromptSource
    share: Share

    def requests(self, worker: int, workers: int) -> Iterator[Prepared | PlannedSession]:
        return self.source.requests(worker * self.share.nodes + self.share.node, self.share.nodes * workers)


def spec(
    config: BenchConfig, seed: int, level: int, load: Load, correction: Correction, share: Share, start_unix_s: float
) -> ShareSpec:
    """The specification of a node's share; `start_unix_s` is by its own clock."""
    return ShareSpec(
        config=config.as_dict() | {"seed": seed},
        level=level,
        load=_load_json(load),
        correction=[correction.offset, correction.per_turn, correction.spread],
        share=[share.node, share.nodes, share.workers],
        start_unix_s=start_unix_s,
    )


def _load_json(load: Load) -> dict[str, object]:
    values = {f.name: getattr(load, f.name) for f in fields(load)}
    return values if isinstance(load, Closed) else values | {"due_s": load.due_s.tolist()}


def _load_of(values: Mapping[str, Any]) -> Load:
    if "users" in values:
        return Closed(**values)
    return Open(**{**values, "due_s": np.array(values["due_s"], float)})


def run_share(spec: ShareSpec, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Send this node's share and leave its records and its report in the folder."""
    config, share = BenchConfig.of_dict(spec["config"]), Share(*spec["share"])
    key = environment.get(OWN_KEY) or None  # the coordinator chose it; other keys of the node are not for this server
    setup = prepare(config, api_key=key, try_first=False)
    load = _load_of(spec["load"])
    source = Slice(setup.source_of(spec["level"], Correction(*spec["correction"])), share)
    mine = share.load(load)
    result = run_level(
        setup.endpoints,
        setup.api,
        source,
        mine,
        share.stop(setup.stop(load)),
        folder=folder,
        client=ClientOptions(
            workers=share.workers,
            api_key=key,
            headers=setup.headers,
            timeout_s=config.timeout_s,
            balance=config.spread,
            insecure=config.insecure,
            cafile=Path(config.cafile) if config.cafile else None,
            start_unix_s=spec["start_unix_s"],
        ),
    )
    if result.requests is not None:
        result.requests.write_parquet(folder / REQUESTS, compression="zstd")
    tallies = [read_json(p) for p in sorted(folder.glob("*.worker.json"))]
    report = ShareReport(
        t0_unix_s=result.t0_unix_s,
        sending_s=result.sending_s,
        elapsed_s=result.elapsed_s,
        tallies=tallies,
        steal=result.fidelity.steal,
        lost=share.workers - len(tallies),
    )
    (folder / RESULT).write_text(json.dumps(report), encoding="utf-8")


def main(path: Path) -> int:
    """Run the share that a file specifies; an error message is written beside the file."""
    try:
        run_share(as_type(ShareSpec, read_json(path), path), path.parent)
    except ParetokenError as e:
        (path.parent / ERROR).write_text(str(e), encoding="utf-8")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
