"""A disaggregated server in real time: prompts at prefill workers, KV caches on their links, tokens at decode workers.

The rules are those of `predict.simulation.pools`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from heapq import heappop, heappush

from paretoken.emulate.pacer import DueTokens, Pacer
from paretoken.emulate.prometheus import EmulatorMetrics, WorkerLoad
from paretoken.emulate.reply import Reply
from paretoken.emulate.settings import EmulatorSettings
from paretoken.errors import BadConfig
from paretoken.predict.simulation.router import Router, SenderLinks
from paretoken.predict.simulation.scheduler import Scheduler, Sequence

NOWHERE = -1


@dataclass(slots=True, eq=False)
class Journey:
    """Where a request is: its prompt at a prefill worker, then its decode worker once the prompt is computed."""

    prompt: Sequence[Reply]
    sender: int
    receiver: int = NOWHERE

    @property
    def prompt_load(self) -> int:
        """Prompt tokens to compute."""
        return self.prompt.prompt - self.prompt.cached


class PrefillPacer(Pacer):
    """A prefill worker, whose prompts are handed over when their step ends."""

    hand_over: Callable[[Reply, float], None]

    def emit(self, due: list[DueTokens], at_s: float) -> None:
        for reply, _, _ in due:
            self.hand_over(reply, at_s)


class DecodePacer(Pacer):
    """A decode worker, which reports the end of each reply."""

    ended: Callable[[Reply], None]

    def end(self, reply: Reply) -> None:
        super().end(reply)
        self.ended(reply)


class PoolPacer:
    """The pacers of all workers as one; `now_s` comes from the caller's clock."""

    def __init__(self, settings: EmulatorSettings, counters: EmulatorMetrics) -> None:
        pools, scale = settings.pools, settings.time_scale
        if pools is None:
            raise BadConfig("a server without pools has no workers to route to")
        self.counters = counters
        self.prefill = [
            PrefillPacer(settings, counters, worker=w, scheduler=Scheduler(w.limits, keeps=True)) for w in pools.prefill
        ]
        self.decode = [
            DecodePacer(
                settings,
                counters,
                worker=w,
                scheduler=Scheduler(w.limits, settings.acceptance, on_reserve=partial(self._send, i)),
            )
            for i, w in enumerate(pools.decode)
        ]
        for prefill in self.prefill:
            prefill.hand_over = self._hand_over
        for decode in self.decode:
            decode.ended = self._forget
        scaled = {name: getattr(pools.transfer, name) / scale for name in ("latency_s", "s_per_token")}
        self.links = [SenderLinks(replace(pools.transfer, **scaled)) for _ in pools.prefill]
        self.prefill_router = Router(len(pools.prefill), pools.prefill_router)
        self.decode_router = Router(len(pools.decode), pools.decode_router)
        self.journeys: dict[Reply, Journey] = {}
        self.transfers: list[tuple[float, int, Reply]] = []
        self.numbers = itertools.count()

    @property
    def ends_s(self) -> float:
        """When the next step or transfer ends."""
        steps_s = min(p.ends_s for p in (*self.prefill, *self.decode))
        return min(steps_s, self.transfers[0][0]) if self.transfers else steps_s

    def loads(self) -> list[WorkerLoad]:
        """The load of each worker, the prefill pool first."""
        return [WorkerLoad.of(p.scheduler) for p in (*self.prefill, *self.decode)]

    def submit(self, reply: Reply) -> None:
        """Route a request to a prefill worker."""
        s = reply.sequence
        prompt = Sequence(s.prompt, 1, s.cached, reply)
        sender = self.prefill_router.choose(s.prompt - s.cached)
        self.journeys[reply] = Journey(prompt, sender)
        self.prefill[sender].scheduler.add(prompt)

    def abandon(self, reply: Reply) -> None:
        reply.sequence.owner = None
        self.counters.success["abort"] += 1
        self._forget(reply)

    def start(self, now_s: float) -> None:
        """Begin a step in each worker that is idle and has something to do."""
        for pacer in (*self.prefill, *self.decode):
            pacer.start(now_s)

    def run(self, now_s: float) -> None:
        """End the steps and transfers that are due, in the order of time."""
        while (due_s := self.ends_s) <= now_s:
            pacer = next((p for p in (*self.prefill, *self.decode) if p.ends_s == due_s), None)
            if pacer is not None:
                pacer.end_step(now_s)
            else:
                self._transferred(*heappop(self.transfers))

    def _hand_over(self, reply: Reply, at_s: float) -> None:
        """A prompt is computed: choose a decode worker, where it waits for a place and blocks."""
        journey = self.journeys[reply]
        self.prefill_router.remove(journey.sender, journey.prompt_load)
        journey.receiver = self.decode_router.choose(1)
        reply.sequence.remote = True
        self.decode[journey.receiver].scheduler.add(reply.sequence)
        self.decode[journey.receiver].start(at_s)

    def _send(self, receiver: int, sequence: Sequence[Reply]) -> None:
        """A decode worker has reserved its blocks at the start of a step."""
        reply = sequence.owner
        if reply is not None:
            link = self.links[self.journeys[reply].sender]
            arrives_s = link.send(sequence.prompt, self.decode[receiver].begun_s)
            heappush(self.transfers, (arrives_s, next(self.numbers), reply))

    def _transferred(self, at_s: float, number: int, reply: Reply) -> None:
        """A transfer has ended: the first token is out."""
        journey = self.journeys.get(reply)
        if journey is None:
            return
        sender, receiver = self.prefill[journey.sender], self.decode[journey.receiver]
        sender.scheduler.remove(journey.prompt)
        receiver.scheduler.arrive(reply.sequence)
        receiver.emit([(reply, 1, reply.sequence.output == 1)], at_s)
        sender.start(at_s)
        receiver.start(at_s)

    def _forget(self, reply: Reply) -> None:
        """Remove all of a request that has ended or whose user left."""
        journey = self.journeys.pop(reply, None)
        if journey is None:
            return
        self.prefill[journey.sender].scheduler.remove(journey.prompt)
        if journey.receiver == NOWHERE:
            self.prefill_router.remove(journey.sender, journey.prompt_load)
        else:
            self.decode[journey.receiver].scheduler.remove(reply.sequence)
            self.decode_router.remove(journey.receiver, 1)
