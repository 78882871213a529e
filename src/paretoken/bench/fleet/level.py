"""One load level by many nodes: clocks compared, one start, shares sent, records merged."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from paretoken.bench.fleet.clock import Offset, between, offset
from paretoken.bench.fleet.merge import Sent, merge, surviving
from paretoken.bench.fleet.nodes import Node, NodeLost, unpack
from paretoken.bench.fleet.share import Share, spec
from paretoken.bench.plan import Closed, Load, PromptSource
from paretoken.bench.run_folder import LevelOnDisk, RunFolder
from paretoken.bench.setup import Setup
from paretoken.bench.stats.level_summary import FleetRecord
from paretoken.bench.stats.scrape import Scraper
from paretoken.bench.sweep import finish
from paretoken.errors import BadConfig, ParetokenError

START_AFTER_S = 5.0
"""From the telling to the common start: each node has to load its code and build its prompts by then."""


@dataclass(slots=True)
class Fleet:
    """Nodes as what `sweep` measures a level with. A node that is lost is said, and stays away from then on."""

    nodes: list[Node]
    workers: int = 1
    start_after_s: float = START_AFTER_S
    say: Callable[[str], None] = lambda _: None

    def measure(
        self, setup: Setup, folder: RunFolder, number: int, load: Load, source: PromptSource, watch: Any
    ) -> LevelOnDisk:
        """The level of a run; its summary names the nodes, their clocks, and those that were lost."""
        self._check(setup, load)
        folder.clear(number)
        scraper = Scraper([s.base_url for s in setup.servers]) if setup.servers else nullcontext()
        with scraper:
            sent, lost = self._send(setup, number, load, getattr(source, "plan").correction)  # noqa: B009
        if not sent:
            raise ParetokenError(f"every node is lost: {'; '.join(lost)}; see the logs of the cluster")
        self.nodes = [node for node in self.nodes if not any(node.name in words for words in lost)]
        done = surviving(load, [one.share for one in sent])
        seen = scraper.result if isinstance(scraper, Scraper) else None
        return finish(setup, folder, number, done, merge(sent, load), seen, fleet=_record(load, sent, lost))

    def _check(self, setup: Setup, load: Load) -> None:
        if setup.until.precision:
            raise BadConfig("a fleet cannot end a level by precision; give --until a time or a number of requests")
        if isinstance(load, Closed) and load.users < len(self.nodes):
            raise BadConfig(f"{load.users} users for {len(self.nodes)} nodes: give each node at least one user")

    def _send(self, setup: Setup, number: int, load: Load, correction: Any) -> tuple[list[Sent], list[str]]:
        lost: list[str] = []
        before = self._clocks(self.nodes, lost)
        start = time.time() + self.start_after_s
        told: list[tuple[Node, Share]] = []
        most = load.users // len(self.nodes) if isinstance(load, Closed) else self.workers
        workers = min(self.workers, most)  # the same on all, each with a user at least
        for n, node in enumerate(self.nodes):
            if node.name not in before:
                continue
            share = Share(n, len(self.nodes), workers)
            at = start + before[node.name].seconds
            node.start(spec(setup.config, setup.seed, number, load, correction, share, at), setup.api_key)
            told.append((node, share))
        back = [(node, share, got) for node, share in told if (got := self._result(node, lost)) is not None]
        after = self._clocks([node for node, _, _ in back], lost)
        return [
            Sent(share, *unpack(got), between(before[node.name], after.get(node.name, before[node.name])))
            for node, share, got in back
        ], lost

    def _clocks(self, nodes: Sequence[Node], lost: list[str]) -> dict[str, Offset]:
        found = {}
        for node in nodes:
            try:
                found[node.name] = offset(node.clock)
            except NodeLost as e:
                self._lose(node, e, lost)
        return found

    def _result(self, node: Node, lost: list[str]) -> Any:
        try:
            return node.result()
        except NodeLost as e:
            self._lose(node, e, lost)
            return None

    def _lose(self, node: Node, e: NodeLost, lost: list[str]) -> None:
        words = f"node {node.name} is lost, its share is not counted: {e}"
        if not any(node.name in known for known in lost):
            lost.append(words)
            self.say(words)


def _record(load: Load, sent: Sequence[Sent], lost: Sequence[str]) -> FleetRecord:
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
