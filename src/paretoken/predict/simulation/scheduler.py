"""The rules of continuous batching, one step at a time: what the simulation jumps over, for a server in real time.

scheduler.add(sequence)
step = scheduler.schedule()      what runs now; None where there is nothing
…                                step.seconds(step_time) later
for sequence, tokens in scheduler.finish(step): …
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import Generic, TypeVar

from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.steptime import StepTime

Owner = TypeVar("Owner")


@dataclass(slots=True, eq=False)
class Sequence(Generic[Owner]):
    """One request: token counts, and in `owner` the caller's object for it. Units are those of `Scheduler`."""

    prompt: int
    output: int
    cached: int = 0
    owner: Owner | None = None
    made: int = 0  # units of output
    units: int = 0  # in the KV cache
    room: int = 0  # units that its blocks hold
    decoding: bool = False
    preempted: int = 0


@dataclass(slots=True, eq=False)
class EngineStep(Generic[Owner]):
    """What one step holds: decoding sequences, prompt tokens, and the sequences whose prompt ends with it."""

    decodes: list[Sequence[Owner]] = field(default_factory=list)
    starting: list[Sequence[Owner]] = field(default_factory=list)
    context: float = 0.0  # tokens in the caches of the decoding sequences
    tokens: int = 0
    pairs: int = 0

    def seconds(self, step_time: StepTime) -> float:
        return step_time.step(len(self.decodes), self.context, self.tokens, self.pairs)


class Scheduler(Generic[Owner]):
    """Queue, batch and KV blocks of one engine. Counts are in units of 1/`unit` token (1 without speculation)."""

    def __init__(self, limits: SchedulerLimits, acceptance: Fraction = Fraction(1)) -> None:
        self.limits = limits
        self.gain, self.unit = acceptance.numerator, acceptance.denominator
        self.acceptance, self.per_step = acceptance, ceil(acceptance)
        self.most = limits.sequences(self.per_step)
        self.block = limits.block_tokens * self.unit
        self.waiting: deque[Sequence[Owner]] = deque()
        self.running: dict[Sequence[Owner], None] = {}  # in order of admission
        self.used = 0
        self.preemptions = 0
        self.steps = 0  # in which sequences decoded
        self.held_until = 0  # the step from which the queue is looked at again, while others decode

    @property
    def busy(self) -> bool:
        return bool(self.running or self.waiting)

    def add(self, sequence: Sequence[Owner]) -> None:
        if not self.waiting:
            self.held_until = self.limits.held_until(self.steps)
        self.waiting.append(sequence)

    def remove(self, sequence: Sequence[Owner]) -> None:
        """Forget a sequence whose user went away."""
        if sequence in self.running:
            self._release(sequence)
        elif sequence in self.waiting:
            self.waiting.remove(sequence)

    def schedule(self) -> EngineStep[Owner] | None:
        """Decide on the next step and take its blocks."""
        if not self.busy:
            return None
        step: EngineStep[Owner] = EngineStep()
        if self.limits.mixed:
            if self._decode(step):
                taken = self.limits.decode_tokens(len(step.decodes), self.acceptance)
                self._prefill(step, self.limits.max_batched_tokens - taken)
        else:
            self._prefill(step, self.limits.max_batched_tokens)
            if not step.tokens:
                self._decode(step)
        step.context = sum(s.units for s in step.decodes) / self.unit
        return step

    def finish(self, step: EngineStep[Owner]) -> list[tuple[Sequence[Owner], int]]:
        """End a step: the tokens that each sequence gained; those complete (`made` ≥ `output`) have left."""
        gained = []
        self.steps += bool(step.decodes)
        for s in step.decodes:
            if s in self.running:
                gained.append((s, self._make(s, self.gain)))
        for s in step.starting:
            if s in self.running:
                s.units, s.decoding = s.prompt * self.unit + s.made, True
                gained.append((s, self._make(s, self.unit)))
        return gained

    def complete(self, sequence: Sequence[Owner]) -> bool:
        return sequence.made >= sequence.output * self.unit

    def _make(self, s: Sequence[Owner], units: int) -> int:
        before = s.made // self.unit
        s.made += units
        if self.complete(s):
            self._release(s)
        return min(s.made // self.unit, s.output) - before

    def _release(self, s: Sequence[Owner]) -> None:
        del self.running[s]
        self.used -= s.room // self.block
        s.room = s.units = 0

    def _decode(self, step: EngineStep[Owner]) -> bool:
        """Every decoding sequence, oldest first, takes room for its next tokens; whether none was preempted."""
        before = self.preemptions
        for s in [s for s in self.running if s.decoding]:
            if s.decoding and self._grow(s, s.units + self.gain, preempt=True):
                step.decodes.append(s)
        return self.preemptions == before

    def _grow(self, s: Sequence[Owner], units: int, *, preempt: bool) -> bool:
        """Give a sequence room for `units` and what is drafted, at the cost of the latest admitted; False if that was
        itself.
        """
        whole = (units // self.unit + self.limits.drafted_tokens) * self.unit
        while s.room < whole:
            if self.used < self.limits.kv_blocks:
                self.used += 1
                s.room += self.block
            elif not preempt or self._preempt() is s:
                return False
        s.units = units
        return True

    def _preempt(self) -> Sequence[Owner]:
        victim = next(reversed(self.running))
        self._release(victim)
        victim.decoding = False
        victim.preempted += 1
        self.preemptions += 1
        self.waiting.appendleft(victim)
        return victim

    def _prefill(self, step: EngineStep[Owner], budget: int) -> None:
        """Go on with the prompt that is begun, then admit in order of arrival."""
        newest = next(reversed(self.running), None)
        if newest is not None and not newest.decoding:
            budget -= self._chunk(step, newest, newest.units // self.unit, budget)
            if newest not in self.running:
                return
        if self.steps < self.held_until and any(s.decoding for s in self.running):
            return
        while self.waiting and budget > 0 and len(self.running) < self.most:
            s = self.waiting[0]
            left = self._target(s) - s.cached
            if not self._fits(s):
                break
            if left > budget and not self.limits.chunked:
                if step.tokens:
                    break
                budget = left
            self.running[self.waiting.popleft()] = None
            budget -= self._chunk(step, s, s.cached, budget)

    def _chunk(self, step: EngineStep[Owner], s: Sequence[Owner], done: int, budget: int) -> int:
        """Put what the budget allows of a prompt into the step; its tokens, 0 where no block was left."""
        n = min(self._target(s) - done, budget)
        if not self._grow(s, (done + n) * self.unit, preempt=False):
            self._preempt()
            return 0
        step.tokens += n
        step.pairs += n * done + n * (n + 1) // 2
        if done + n == self._target(s):
            step.starting.append(s)
        return n

    def _fits(self, s: Sequence[Owner]) -> bool:
        """Whether there are blocks for a sequence; with `reserve_output`, for its whole answer and all others'."""
        taken, need = self.used, self.limits.blocks(self._target(s))
        if self.limits.reserve_output:
            taken, need = sum(map(self._whole, self.running)), self._whole(s)
        return taken + need + (self.limits.reserve if self.running else 0) <= self.limits.kv_blocks

    def _whole(self, s: Sequence[Owner]) -> int:
        return self.limits.whole(s.prompt, s.output, self.per_step)

    def _target(self, s: Sequence[Owner]) -> int:
        """Tokens to prefill: the prompt and, after a preemption, all that was generated."""
        return s.prompt + s.made // self.unit
