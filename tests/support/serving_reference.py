"""Continuous batching token by token, slow and plain: the oracle of the simulation, with which it shares no code.

Every step is one step; every sequence is an object that counts its own tokens; blocks are counted anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(eq=False)
class Sequence:
    """One request on its way."""

    index: int
    prompt: int
    output: int
    cached: int
    user: int
    due: float
    arrival: float
    remote: bool = False  # prefilled elsewhere, without blocks here yet
    made: Fraction = Fraction(0)  # tokens generated, with the fractions of a mean acceptance length
    cache: Fraction = Fraction(0)  # tokens in the KV cache
    decoding: bool = False
    first: float | None = None
    last: float | None = None
    preempted: int = 0
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    prefilled_at: int = -1  # the worker that prefills it
    decoded_at: int = -1


@dataclass(eq=False)
class Pool:
    """One engine's queue, batch and clock."""

    step_time: object
    limits: object
    accept: Fraction
    one_token: bool = False
    waiting: list[Sequence] = field(default_factory=list)
    running: list[Sequence] = field(default_factory=list)
    holding: list[Sequence] = field(default_factory=list)  # with blocks, but not in the batch: on the way here or away
    landed: list[Sequence] = field(default_factory=list)  # of those, the ones that join with the next step
    reserved_now: list[Sequence] = field(default_factory=list)
    coming: list[Sequence] = field(default_factory=list)
    busy_until: float | None = None
    doing: list[tuple[Sequence, str]] = field(default_factory=list)
    kv_trace: list[int] = field(default_factory=list)
    steps: int = 0  # that decoded
    opens: int = 0  # the step from which the queue is admitted, while others decode

    def events(self) -> list[float]:
        """The times at which an idle engine gets something to do."""
        return [s.arrival for s in self.coming]

    def blocks(self, tokens) -> int:
        return math.ceil(Fraction(math.floor(tokens) + self.limits.drafted_tokens, self.limits.block_tokens))

    def used(self) -> int:
        return sum(self.blocks(s.cache) for s in self.running) + sum(self.blocks(s.prompt) for s in self.holding)

    def places_taken(self) -> int:
        return len(self.running) + (0 if self.one_token else len(self.holding))

    def output_of(self, s: Sequence) -> int:
        return 1 if self.one_token else s.output

    def most_blocks(self, s: Sequence) -> int:
        return self.blocks(s.prompt + self.output_of(s) - 1 + math.ceil(self.accept) - 1)

    def start_step(self, now: float) -> None:
        """Decide what the step that begins now holds, and when it ends."""
        self.receive(now)
        for s in self.landed:
            self.holding.remove(s)
            if s.output > 1:
                s.cache, s.made, s.decoding = Fraction(s.prompt), Fraction(1), True
                self.running.append(s)
        self.landed = []
        while self.running or self.waiting:
            before = sum(s.preempted for s in self.running + self.waiting)
            if self.plan(now) or before == sum(s.preempted for s in self.running + self.waiting):
                return

    def receive(self, until: float) -> None:
        """Queue what has come by then."""
        self.coming.sort(key=lambda s: (s.arrival, s.index))
        while self.coming and self.coming[0].arrival <= until:
            if not self.waiting:
                intervals = math.ceil(Fraction(self.steps, self.limits.receive_interval))
                self.opens = intervals * self.limits.receive_interval + self.limits.batch_wait
            self.waiting.append(self.coming.pop(0))

    def plan(self, now: float) -> bool:
        """Start a step; whether there is anything in it."""
        self.doing, decodes, prompts = [], [], []
        calm = True
        if self.limits.mixed:
            calm = self.grow_decodes(decodes)
            if calm:
                verified = len(decodes) * (1 + self.limits.drafted_tokens)
                left = self.limits.max_batched_tokens - max(verified, math.ceil(len(decodes) * self.accept))
                self.fill_with_prompts(left, decodes, prompts)
        else:
            calm = self.fill_with_prompts(self.limits.max_batched_tokens, None, prompts)
            if not prompts:
                self.grow_decodes(decodes)
        tokens = sum(n for _, n, _ in prompts)
        pairs = sum(sum(before + i for i in range(1, n + 1)) for _, n, before in prompts)
        context = sum(s.cache for s in decodes)
        if not (decodes or prompts):
            return False
        took = self.step_time.step(len(decodes), float(context), tokens, pairs)
        self.doing = [(s, "decode") for s in decodes]
        self.doing += [(s, "prompt") for s, _, _ in prompts if s.cache == s.prompt + math.floor(s.made)]
        self.busy_until = now + took
        self.kv_trace.append(self.used())
        self.steps += 1 if decodes else 0
        return True

    def grow_decodes(self, decodes: list[Sequence]) -> bool:
        """Each decoding sequence, oldest first, takes room for what this step yields; the newest pay for it."""
        calm = True
        queue = [s for s in self.running if s.decoding]
        for s in queue:
            if s not in self.running:
                continue
            while self.used() - self.blocks_of(s) + self.blocks(s.cache + self.accept) > self.limits.kv_blocks:
                calm = False
                victim = ([r for r in self.running if not r.decoding] or self.running)[-1]
                self.evict(victim)
                if victim is s:
                    break
            if s in self.running:
                self.decode(s)
                decodes.append(s)
        return calm

    def blocks_of(self, s: Sequence) -> int:
        """Blocks that a running sequence has."""
        return self.blocks(s.cache)

    def decode(self, s: Sequence) -> None:
        """Give a sequence the tokens of a step."""
        s.cache += self.accept

    def evict(self, victim: Sequence) -> None:
        self.running.remove(victim)
        victim.cache, victim.decoding = Fraction(0), False
        victim.preempted += 1
        self.waiting.insert(0, victim)

    def fill_with_prompts(self, left: int, decodes, prompts) -> bool:
        for s in [s for s in self.running if not s.decoding]:
            goal = s.prompt + math.floor(s.made)
            n = min(goal - int(s.cache), left)
            if self.used() - self.blocks(s.cache) + self.blocks(s.cache + n) > self.limits.kv_blocks:
                self.evict(s)
                return False
            prompts.append((s, int(n), int(s.cache)))
            s.cache += n
            left -= n
        if self.steps < self.opens and any(s.decoding for s in self.running):
            return True
        per_sequence = max(math.ceil(self.accept), 1 + self.limits.drafted_tokens)
        cap = min(self.limits.max_num_seqs, self.limits.max_batched_tokens // per_sequence)
        while self.waiting and left > 0 and self.places_taken() < max(cap, 1):
            s = self.waiting[0]
            spare = int(self.limits.watermark * self.limits.kv_blocks) if self.used() else 0
            free = self.limits.kv_blocks - self.used() - spare
            if self.limits.reserve_output:
                taken = sum(self.most_blocks(r) for r in self.running + self.holding)
                free = self.limits.kv_blocks - spare - taken
                if self.most_blocks(s) > free:
                    break
            if s.remote:
                if not self.limits.reserve_output and self.blocks(s.prompt) > free:
                    break
                self.waiting.pop(0)
                s.remote = False
                self.holding.append(s)
                self.reserved_now.append(s)
                continue
            goal = s.prompt + math.floor(s.made)
            if not self.limits.reserve_output and self.blocks(goal) > free:
                break
            n = min(goal - s.cached, left)
            if not self.limits.chunked and n < goal - s.cached:
                if prompts:
                    break
                n = goal - s.cached
            self.waiting.pop(0)
            self.running.append(s)
            prompts.append((s, n, s.cached))
            s.cache = Fraction(s.cached + n)
            left -= n
        return True

    def end_step(self) -> list[Sequence]:
        """Hand out the step's tokens; the sequences that are done, by index."""
        now, self.busy_until = self.busy_until, None
        done = []
        for s, kind in self.doing:
            before = min(math.floor(s.made), self.output_of(s))
            if kind == "prompt":
                s.cache = s.prompt + s.made  # a fraction of a token, left from before a preemption, stays
            s.made += self.accept if kind == "decode" else 1
            if not s.decoding:
                s.decoding = True
                self.running.remove(s)  # the latest to decode is the first to be preempted
                self.running.append(s)
            after = min(math.floor(s.made), self.output_of(s))
            if after > before and not self.one_token:
                s.arrivals.append((now, after - before))
                s.first = now if s.first is None else s.first
            if after == self.output_of(s):
                self.running.remove(s)
                if self.one_token:
                    s.cache, s.made, s.decoding = Fraction(0), Fraction(0), False
                    self.holding.append(s)
                done.append(s)
        self.doing = []
        return sorted(done, key=lambda s: s.index)


def further_stages(pool, stages: int, prompt: int, cached: int) -> float:
    """Seconds that the last chunk of a prompt needs for the stages after the first."""
    chunk = min(prompt - cached, pool.limits.max_batched_tokens // stages)
    pairs = sum(range(prompt - chunk + 1, prompt + 1))
    return (stages - 1) * (pool.step_time.step(0, 0.0, chunk, pairs) - pool.step_time.step(0, 0.0, 0, 0))


class Loop:
    """Users or due times, and the sequences that they send."""

    def __init__(self, users, due, inputs, outputs, cached, think, before):
        self.users, self.due, self.think, self.before = users, due, think, before
        self.inputs, self.outputs, self.cached = inputs, outputs, cached
        self.everyone: list[Sequence] = []

    def begin(self) -> list[Sequence]:
        n = min(self.users, len(self.inputs)) if self.users else len(self.inputs)
        return [self.send(i if self.users else -1, 0.0 if self.users else self.due[i]) for i in range(n)]

    def send(self, user: int, at: float) -> Sequence:
        i = len(self.everyone)
        prompt, cached = self.inputs[i], self.cached[i]
        s = Sequence(i, prompt, self.outputs[i], cached, user, at, at + self.before(prompt, cached))
        self.everyone.append(s)
        return s

    def ended(self, s: Sequence, at: float) -> list[Sequence]:
        """The next request of its user."""
        s.last = at
        more = self.users and len(self.everyone) < len(self.inputs)
        return [self.send(s.user, at + self.think)] if more else []


def serve(
    step_time, limits, *, users, due, inputs, outputs, cached, accept, think=0.0, frontend=0.0, stages=1
) -> tuple[list[Sequence], list[Pool]]:
    """Every request's Sequence, after a closed loop of `users`, or one at `due` times."""
    pool = Pool(step_time, limits, accept)
    loop = Loop(users, due, inputs, outputs, cached, think, lambda p, c: frontend + further_stages(pool, stages, p, c))
    run_to_end(pool, loop)
    return loop.everyone, [pool]


def run_to_end(pool: Pool, loop) -> None:
    """Serve what `loop` begins with, and what it sends after each end, until nothing is left."""
    pool.coming += loop.begin()
    now = 0.0
    while True:
        if pool.busy_until is not None and pool.busy_until <= now:
            for s in pool.end_step():
                pool.coming += loop.ended(s, now)
        if pool.busy_until is None:
            pool.start_step(now)
        if pool.busy_until is not None:
            now = pool.busy_until
        elif events := pool.events():
            now = max(now, min(events))
        else:
            return


def serve_disaggregated(
    prefill,
    decode,
    *,
    users,
    due,
    inputs,
    outputs,
    cached,
    accept,
    think=0.0,
    frontend=0.0,
    stages=1,
    latency=0.0,
    per_token=0.0,
    links=1,
    turns=(False, False),
):
    """The same over workers, each (step_time, limits). `turns`: whether the routers of (prefill, decode) go in turn.

    The agenda is made anew for each event. At the same time steps end, requests reach the router, transfers end and
    steps start, in this order; prefill first, then by index.
    """
    senders = [Pool(s, limits, Fraction(1), one_token=True) for s, limits in prefill]
    receivers = [Pool(s, limits, accept) for s, limits in decode]
    loop = Loop(
        users, due, inputs, outputs, cached, think, lambda p, c: frontend + further_stages(senders[0], stages, p, c)
    )
    at_router: list[Sequence] = loop.begin()
    on_link: list[tuple[float, Sequence]] = []
    free_at = [[0.0] * links for _ in senders]
    idle: dict[int, float] = {}  # pools that may start a step, and when
    pools = senders + receivers
    sent = [0, 0]
    now = 0.0

    def load(i: int) -> int:
        return sum(s.prompt - s.cached for s in loop.everyone if s.prefilled_at == i and s.decoded_at < 0)

    def sequences(i: int) -> int:
        return sum(s.decoded_at == i and s.last is None for s in loop.everyone)

    while True:
        agenda = [(p.busy_until, 0, i) for i, p in enumerate(pools) if p.busy_until is not None]
        agenda += [(s.arrival, 1, s.index) for s in at_router]
        agenda += [(at, 2, s.index) for at, s in on_link]
        agenda += [(at, 3, i) for i, at in idle.items()]
        if not agenda:
            return loop.everyone, pools
        now, kind, i = min(agenda)
        if kind == 0:
            pool = pools[i]
            for s in pool.end_step():
                if pool.one_token:
                    s.decoded_at = sent[1] % len(receivers) if turns[1] else min(range(len(receivers)), key=sequences)
                    sent[1] += 1
                    s.remote, s.arrival = True, now
                    receivers[s.decoded_at].coming.append(s)
                    if receivers[s.decoded_at].busy_until is None:
                        idle[len(senders) + s.decoded_at] = now
                else:
                    at_router += loop.ended(s, now)
            idle[i] = now
        elif kind == 1:
            s = loop.everyone[i]
            at_router.remove(s)
            s.prefilled_at = sent[0] % len(senders) if turns[0] else min(range(len(senders)), key=load)
            sent[0] += 1
            senders[s.prefilled_at].coming.append(s)
            if senders[s.prefilled_at].busy_until is None:
                idle[s.prefilled_at] = now
        elif kind == 2:
            s = loop.everyone[i]
            on_link.remove((now, s))
            senders[s.prefilled_at].holding.remove(s)
            receivers[s.decoded_at].landed.append(s)
            s.first = now
            s.arrivals.append((now, 1))
            if s.output == 1:
                at_router += loop.ended(s, now)
            for j in (s.prefilled_at, len(senders) + s.decoded_at):
                if pools[j].busy_until is None:
                    idle[j] = now
        else:
            del idle[i]
            pools[i].start_step(now)
            for s in pools[i].reserved_now:
                links_of = free_at[s.prefilled_at]
                k = links_of.index(min(links_of))
                links_of[k] = max(now, links_of[k]) + s.prompt * per_token
                on_link.append((links_of[k] + latency, s))
            pools[i].reserved_now = []
