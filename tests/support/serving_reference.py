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
    has_kv: bool = False  # its prompt was prefilled elsewhere
    made: Fraction = Fraction(0)  # tokens generated, with the fractions of a mean acceptance length
    held: Fraction = Fraction(0)  # tokens in the KV cache
    decoding: bool = False
    first: float | None = None
    last: float | None = None
    preempted: int = 0
    arrivals: list[tuple[float, int]] = field(default_factory=list)


@dataclass
class Pool:
    """One engine's queue, batch and clock."""

    step_time: object
    limits: object
    accept: Fraction
    one_token: bool = False
    waiting: list[Sequence] = field(default_factory=list)
    running: list[Sequence] = field(default_factory=list)
    coming: list[Sequence] = field(default_factory=list)
    busy_until: float | None = None
    doing: list[tuple[Sequence, str]] = field(default_factory=list)
    kv_trace: list[int] = field(default_factory=list)
    steps: int = 0  # that decoded
    opens: int = 0  # the step from which the queue is looked at, while others decode

    def blocks(self, tokens) -> int:
        return math.ceil(Fraction(math.floor(tokens), self.limits.block_tokens))

    def used(self) -> int:
        return sum(self.blocks(s.held) for s in self.running)

    def output_of(self, s: Sequence) -> int:
        return 1 if self.one_token else s.output

    def most_blocks(self, s: Sequence) -> int:
        return self.blocks(s.prompt + self.output_of(s) - 1 + math.ceil(self.accept) - 1)

    def start_step(self, now: float) -> None:
        """Decide what the step that begins now holds, and when it ends."""
        self.coming.sort(key=lambda s: (s.arrival, s.index))
        while self.coming and self.coming[0].arrival <= now:
            if not self.waiting:
                looked_at = math.ceil(Fraction(self.steps, self.limits.receive_interval))
                self.opens = looked_at * self.limits.receive_interval + self.limits.batch_wait
            self.waiting.append(self.coming.pop(0))
        if not self.running and not self.waiting:
            return
        self.doing, decodes, prompts = [], [], []
        calm = True
        if self.limits.mixed:
            calm = self.grow_decodes(decodes)
            if calm:
                left = self.limits.max_batched_tokens - math.ceil(len(decodes) * self.accept)
                self.fill_with_prompts(left, decodes, prompts)
        else:
            calm = self.fill_with_prompts(self.limits.max_batched_tokens, None, prompts)
            if not prompts:
                self.grow_decodes(decodes)
        tokens = sum(n for _, n, _ in prompts)
        pairs = sum(sum(before + i for i in range(1, n + 1)) for _, n, before in prompts)
        context = sum(s.held for s in decodes)
        took = self.step_time.step(len(decodes), float(context), tokens, pairs)
        self.doing = [(s, "decode") for s in decodes]
        self.doing += [(s, "prompt") for s, _, _ in prompts if s.held == s.prompt + math.floor(s.made)]
        self.busy_until = now + took
        self.kv_trace.append(self.used())
        self.steps += 1 if decodes else 0

    def grow_decodes(self, decodes: list[Sequence]) -> bool:
        """Each decoding sequence, oldest first, takes room for what this step yields; the newest pay for it."""
        calm = True
        queue = [s for s in self.running if s.decoding]
        for s in queue:
            if s not in self.running:
                continue
            while self.used() - self.blocks(s.held) + self.blocks(s.held + self.accept) > self.limits.kv_blocks:
                calm = False
                victim = self.running[-1]
                self.evict(victim)
                if victim is s:
                    break
            if s in self.running:
                s.held += self.accept
                decodes.append(s)
        return calm

    def evict(self, victim: Sequence) -> None:
        self.running.remove(victim)
        victim.held, victim.decoding = Fraction(0), False
        victim.preempted += 1
        self.waiting.insert(0, victim)

    def fill_with_prompts(self, left: int, decodes, prompts) -> bool:
        for s in [s for s in self.running if not s.decoding]:
            goal = s.prompt + math.floor(s.made)
            n = min(goal - int(s.held), left)
            if self.used() - self.blocks(s.held) + self.blocks(s.held + n) > self.limits.kv_blocks:
                self.evict(s)
                return False
            prompts.append((s, int(n), int(s.held)))
            s.held += n
            left -= n
        if self.steps < self.opens and any(s.decoding for s in self.running):
            return True
        cap = min(self.limits.max_num_seqs, self.limits.max_batched_tokens // math.ceil(self.accept))
        while self.waiting and left > 0 and len(self.running) < max(cap, 1):
            s = self.waiting[0]
            spare = int(self.limits.watermark * self.limits.kv_blocks) if self.running else 0
            free = self.limits.kv_blocks - self.used() - spare
            if self.limits.reserve_output:
                taken = sum(self.most_blocks(r) for r in self.running)
                free = self.limits.kv_blocks - spare - taken
                if self.most_blocks(s) > free:
                    break
            if s.has_kv:
                if not self.limits.reserve_output and self.blocks(s.prompt + self.accept) > free:
                    break
                self.waiting.pop(0)
                s.has_kv, s.decoding, s.made = False, True, Fraction(1)
                s.held = Fraction(s.prompt)
                self.running.append(s)
                if decodes is not None:
                    s.held += self.accept
                    decodes.append(s)
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
            s.held = Fraction(s.cached + n)
            left -= n
        return True

    def end_step(self) -> list[Sequence]:
        """Hand out the step's tokens; the sequences that are done, by index."""
        now, self.busy_until = self.busy_until, None
        done = []
        for s, kind in self.doing:
            before = min(math.floor(s.made), self.output_of(s))
            if kind == "prompt":
                s.held = s.prompt + s.made  # a fraction of a token, left from before a preemption, stays
            s.made += self.accept if kind == "decode" else 1
            s.decoding = True
            after = min(math.floor(s.made), self.output_of(s))
            if after > before and not self.one_token:
                s.arrivals.append((now, after - before))
                s.first = now if s.first is None else s.first
            if after == self.output_of(s):
                self.running.remove(s)
                done.append(s)
        self.doing = []
        return sorted(done, key=lambda s: s.index)


def further_stages(pool, stages: int, prompt: int, cached: int) -> float:
    """Seconds that the last chunk of a prompt needs for the stages after the first."""
    chunk = min(prompt - cached, pool.limits.max_batched_tokens // stages)
    pairs = sum(range(prompt - chunk + 1, prompt + 1))
    return (stages - 1) * (pool.step_time.step(0, 0.0, chunk, pairs) - pool.step_time.step(0, 0.0, 0, 0))


def serve(
    step_time, limits, *, users, due, inputs, outputs, cached, accept, think=0.0, frontend=0.0, stages=1, prefill=None
):
    """Every request's Sequence, after a closed loop of `users`, or one at `due` times.

    `prefill`: (step_time, limits, latency_s, s_per_token) of a pool of its own.
    """
    main = Pool(step_time, limits, accept)
    entry = Pool(prefill[0], prefill[1], Fraction(1), one_token=True) if prefill else main
    pools = [entry, main] if prefill else [main]
    everyone: list[Sequence] = []

    def send(user: int, at: float) -> None:
        i = len(everyone)
        queued = at + frontend + further_stages(entry, stages, inputs[i], cached[i])
        s = Sequence(i, inputs[i], outputs[i], cached[i], user, at, queued)
        everyone.append(s)
        entry.coming.append(s)

    for i in range(min(users, len(inputs)) if users else len(inputs)):
        send(i if users else -1, 0.0 if users else due[i])

    def complete(s: Sequence, at: float) -> None:
        s.last = at
        if users and len(everyone) < len(inputs):
            send(s.user, at + think)

    now, ending = 0.0, []
    while True:
        for pool in pools:
            if pool.busy_until is not None and pool.busy_until <= now:
                for s in pool.end_step():
                    if prefill and pool is entry:
                        there = now + prefill[2] + s.prompt * prefill[3]
                        s.first, s.made = there, Fraction(1)
                        s.arrivals.append((there, 1))
                        if s.output == 1:
                            ending.append((there, s))
                        else:
                            s.has_kv, s.decoding, s.arrival = True, False, there
                            main.coming.append(s)
                    else:
                        ending.append((now, s))
        for at, s in sorted(ending, key=lambda e: (e[0], e[1].index)):
            if at <= now:
                ending.remove((at, s))
                complete(s, at)
        for pool in pools:
            if pool.busy_until is None:
                pool.start_step(now)
        times = [p.busy_until for p in pools if p.busy_until is not None]
        times += [min(s.arrival for s in p.coming) for p in pools if p.busy_until is None and p.coming]
        times += [at for at, _ in ending]
        if not times:
            return everyone, pools
        now = max(now, min(times))
