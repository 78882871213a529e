"""One load level by many nodes: compare the clocks, start together, send the shares, merge the records."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from paretoken.bench.fleet.clock import ClockOffset, between, offset
from paretoken.bench.fleet.merge import SentShare, merge, surviving
from paretoken.bench.fleet.nodes import Node, NodeLost, Packed, unpack
from paretoken.bench.fleet.share import Share, spec
from paretoken.bench.plan import Closed, Load
from paretoken.bench.run_folder import LevelOnDisk, RunFolder
from paretoken.bench.setup import Setup
from paretoken.bench.stats.level_summary import FleetRecord
from paretoken.bench.stats.scrape import Scraper
from paretoken.bench.sweep import Watch, finish
from paretoken.bench.workload.prompts import Correction
from paretoken.errors import BadConfig, ParetokenError
from paretoken.plural import counted

START_AFTER_S = 5.0
"""From the specification to the common start: by then each node must have loaded its code and built its prompts."""


@dataclass(slots=True)
class NodePool:
    """Nodes that `sweep` measures a level with. A lost node is reported and not used again."""

    nodes: list[Node]
    workers: int = 1
    start_after_s: float = field(default_factory=lambda: START_AFTER_S)
    report: Callable[[str], None] = lambda _: None

    def measure(
        self, setup: Setup, folder: RunFolder, number: int, load: Load, correction: Correction, watch: Watch
    ) -> LevelOnDisk:
        """Measure one level of a run; its summary names the nodes, their clocks, and the nodes that were lost."""
        self._check(setup, load)
        folder.clear(number)
        scraper = Scraper([s.base_url for s in setup.servers]) if setup.servers else nullcontext()
        with scraper:
            sent, lost = self._send(setup, number, load, correction)
        if not sent:
            raise ParetokenError(f"all nodes are lost: {'; '.join(lost)}; see the logs of the cluster")
        self.nodes = [node for node in self.nodes if not any(node.name in line for line in lost)]
        done = surviving(load, [one.share for one in sent])
        scraped = scraper.result if isinstance(scraper, Scraper) else None
        return finish(setup, folder, number, done, merge(sent, load), scraped, fleet=_record(load, sent, lost))

    def _check(self, setup: Setup, load: Load) -> None:
        if setup.until.precision:
            raise BadConfig("many nodes cannot end a level by precision; set --until to a time or a number of requests")
        if isinstance(load, Closed) and load.users < len(self.nodes):
            raise BadConfig(
                f"concurrency {load.users} is below the {counted(len(self.nodes), 'node')}; "
                "give each node at least one user"
            )

    def _send(self, setup: Setup, number: int, load: Load, correction: Correction) -> tuple[list[SentShare], list[str]]:
        lost: list[str] = []
        before = self._clocks(self.nodes, lost)
        start = time.time() + self.start_after_s
        started: list[tuple[Node, Share]] = []
        most = load.users // len(self.nodes) if isinstance(load, Closed) else self.workers
        workers = min(self.workers, most)  # the same on all nodes, each worker with at least one user
        for n, node in enumerate(self.nodes):
            if node.name not in before:
                continue
            share = Share(n, len(self.nodes), workers)
            start_there = start + before[node.name].seconds
            node.start(spec(setup.config, setup.seed, number, load, correction, share, start_there), setup.api_key)
            started.append((node, share))
        results = [(node, share, packed) for node, share in started if (packed := self._result(node, lost)) is not None]
        after = self._clocks([node for node, _, _ in results], lost)
        return [
            SentShare(share, *unpack(packed), between(before[node.name], after.get(node.name, before[node.name])))
            for node, share, packed in results
        ], lost

    def _clocks(self, nodes: Sequence[Node], lost: list[str]) -> dict[str, ClockOffset]:
        offsets = {}
        for node in nodes:
            try:
                offsets[node.name] = offset(node.clock)
            except NodeLost as e:
                self._lose(node, e, lost)
        return offsets

    def _result(self, node: Node, lost: list[str]) -> Packed | None:
        try:
            return node.result()
        except NodeLost as e:
            self._lose(node, e, lost)
            return None

    def _lose(self, node: Node, e: NodeLost, lost: list[str]) -> None:
        line = f"node {node.name} is lost, its share is not counted: {e}"
        if not any(node.name in earlier for earlier in lost):
            lost.append(line)
            self.report(line)


def _record(load: Load, sent: Sequence[SentShare], lost: Sequence[str]) -> FleetRecord:
    starts = [one.t0_unix_s for one in sent]
    return FleetRecord(
        nodes=sent[0].share.nodes,
        sent=len(sent),
        lost=tuple(lost),
        asked_users=load.users if isinstance(load, Closed) else None,
        start_spread_s=max(starts) - min(starts),
        clock_offset_s=tuple(one.offset.seconds for one in sent),
        clock_bound_s=max(one.offset.bound_s for one in sent),
    )
