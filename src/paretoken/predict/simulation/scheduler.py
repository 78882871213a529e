"""The rules of continuous batching, one step at a time: what the simulation jumps over, for a server in real time.

scheduler.add(sequence)
step = scheduler.schedule()      what runs now; None where there is nothing
…                                step.seconds(step_time) later
for sequence, tokens in scheduler.finish(step): …
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import Generic, TypeVar

from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.steptime import StepTime
from paretoken.sessions.prefixes import ROOT

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
    remote: bool = False  # prefilled elsewhere, without blocks here yet
    leaf: int = ROOT  # where it ends, with its answer, in the tree of a prefix cache
    depth: int = 0  # blocks of that path that it holds


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
    """Queue, batch and KV blocks of one engine. Counts are in units of 1/`unit` token (1 without speculation).

    A prefill worker `keeps` the blocks of a prompt until it is removed. A decode worker calls `on_reserve` for a remote
    sequence that has its blocks now; `arrive` reports that its cache is complete.
    """

    def __init__(
        self,
        limits: SchedulerLimits,
        acceptance: Fraction = Fraction(1),
        *,
        keeps: bool = False,
        on_reserve: Callable[[Sequence[Owner]], None] | None = None,
    ) -> None:
        self.limits, self.keeps, self.on_reserve = limits, keeps, on_reserve
        self.gain, self.unit = acceptance.numerator, acceptance.denominator
        self.acceptance, self.per_step = acceptance, ceil(acceptance)
        self.most = limits.sequences(self.per_step)
        self.block = limits.block_tokens * self.unit
        self.waiting: deque[Sequence[Owner]] = deque()
        self.running: dict[Sequence[Owner], None] = {}  # in order of admission, or of arrival
        self.holding: dict[Sequence[Owner], None] = {}  # with blocks, but not in the batch: on the way here or away
        self.landed: list[Sequence[Owner]] = []  # of those, the ones that join with the next step
        self.partial: Sequence[Owner] | None = None  # the prompt that is only begun
        self.used = 0
        self.preemptions = 0
        self.steps = 0  # in which sequences decoded
        self.opens_at = 0  # the step from which the queue is admitted again, while others decode

    @property
    def busy(self) -> bool:
        return bool(self.running or self.waiting or self.landed)

    def add(self, sequence: Sequence[Owner]) -> None:
        if not self.waiting:
            self.opens_at = self.limits.opens_at(self.steps)
        self.waiting.append(sequence)

    def remove(self, sequence: Sequence[Owner]) -> None:
        """Forget a sequence whose user went away, or whose cache is not needed here any more."""
        if sequence in self.running or sequence in self.holding:
            self._release(sequence)
        elif sequence in self.waiting:
            self.waiting.remove(sequence)

    def arrive(self, sequence: Sequence[Owner]) -> None:
        """The cache of a sequence with blocks is here: it decodes from the next step on."""
        if sequence in self.holding:
            self.landed.append(sequence)

    def schedule(self) -> EngineStep[Owner] | None:
        """Decide on the next step and take its blocks; None where nothing can run."""
        self._join_landed()
        while self.running or self.waiting:
            before, step = self.preemptions, self._plan()
            if step.decodes or step.tokens:
                step.context = sum(s.units for s in step.decodes) / self.unit
                return step
            if self.preemptions == before:
                break
        return None

    def _join_landed(self) -> None:
        for s in self.landed:
            if s in self.holding:
                del self.holding[s]
                self.running[s] = None
                s.decoding, s.made = True, self.unit
                if self.complete(s):
                    self._release(s)
        self.landed.clear()

    def _plan(self) -> EngineStep[Owner]:
        step: EngineStep[Owner] = EngineStep()
        if self.limits.mixed:
            if self._decode(step):
                taken = self.limits.decode_tokens(len(step.decodes), self.acceptance)
                self._prefill(step, self.limits.max_batched_tokens - taken)
        else:
            self._prefill(step, self.limits.max_batched_tokens)
            if not step.tokens:
                self._decode(step)
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
                del self.running[s]  # the latest to decode is the first to be preempted
                self.running[s] = None
                gained.append((s, self._make(s, self.unit)))
        return gained

    def complete(self, sequence: Sequence[Owner]) -> bool:
        return sequence.made >= sequence.output * self.unit

    def _make(self, s: Sequence[Owner], units: int) -> int:
        before = s.made // self.unit
        s.made += units
        if self.complete(s):
            if self.keeps:
                del self.running[s]
                self.holding[s] = None
            else:
                self._release(s)
        return min(s.made // self.unit, s.output) - before

    def _release(self, s: Sequence[Owner]) -> None:
        del (self.running if s in self.running else self.holding)[s]
        self.partial = None if self.partial is s else self.partial
        self._free(s)
        s.room = s.units = 0

    def _free(self, s: Sequence[Owner]) -> None:
        """Take the blocks of a sequence."""
        self.used -= s.room // self.block

    def _decode(self, step: EngineStep[Owner]) -> bool:
        """Every decoding sequence, oldest first, takes room for its next tokens; whether none was preempted."""
        before = self.preemptions
        for s in [s for s in self.running if s.decoding]:
            if s.decoding and self._grow(s, s.units + self.gain, preempt=True):
                step.decodes.append(s)
        return self.preemptions == before

    def _grow(self, s: Sequence[Owner], units: int, *, preempt: bool) -> bool:
        """Give a sequence room for `units` and its drafted tokens; False without blocks.

        With `preempt` the latest admitted pay for it; False then means that the sequence itself was the latest.
        """
        whole = (units // self.unit + self.limits.drafted_tokens) * self.unit
        if not preempt and self.used + -(-(whole - s.room) // self.block) > self.limits.kv_blocks:
            return False
        while s.room < whole:
            if self.used < self.limits.kv_blocks:
                self.used += 1
                s.room += self.block
            elif not preempt or self._preempt() is s:
                return False
        s.units = units
        return True

    def _preempt(self) -> Sequence[Owner]:
        victim = self.partial or next(reversed(self.running))
        self._release(victim)
        victim.decoding = False
        victim.preempted += 1
        self.preemptions += 1
        self._requeue(victim)
        return victim

    def _requeue(self, victim: Sequence[Owner]) -> None:
        self.waiting.appendleft(victim)

    def _prefill(self, step: EngineStep[Owner], budget: int) -> None:
        """Go on with the prompt that is begun, then admit in order of arrival."""
        if self.partial is not None:
            budget -= self._chunk(step, self.partial, self.partial.units // self.unit, budget)
            if not step.tokens:
                return
        if self.steps < self.opens_at and any(s.decoding for s in self.running):
            return
        while self.waiting and budget > 0 and self._places():
            tokens = self._admit(step, self.waiting[0], budget)
            if tokens is None:
                return
            budget -= tokens

    def _admit(self, step: EngineStep[Owner], s: Sequence[Owner], budget: int) -> int | None:
        """Let the first of the queue run: its tokens in this step, None where it waits."""
        if not self._fits(s):
            return None
        if s.remote:
            self._expect(s)
            return 0
        n = self.limits.chunk(self._target(s) - s.cached, budget, alone=not step.tokens)
        if not n:
            return None
        self.running[self.waiting.popleft()] = None
        return self._chunk(step, s, s.cached, n)

    def _places(self) -> bool:
        """Whether one more sequence may run."""
        return len(self.running) + (0 if self.keeps else len(self.holding)) < self.most

    def _expect(self, s: Sequence[Owner]) -> None:
        """Reserve a place and blocks for the cache of a remote sequence."""
        s.remote = False
        self.holding[self.waiting.popleft()] = None
        self._grow(s, s.prompt * self.unit, preempt=False)
        if self.on_reserve:
            self.on_reserve(s)

    def _chunk(self, step: EngineStep[Owner], s: Sequence[Owner], done: int, budget: int) -> int:
        """Put what the budget allows of a prompt into the step; its tokens, 0 where no block was left."""
        n = min(self._target(s) - done, budget)
        self.partial = s
        if not self._grow(s, (done + n) * self.unit, preempt=False):
            self._preempt()
            return 0
        step.tokens += n
        step.pairs += n * done + n * (n + 1) // 2
        if done + n == self._target(s):
            self.partial = None
            step.starting.append(s)
        return n

    def _fits(self, s: Sequence[Owner]) -> bool:
        """Whether there are blocks for a sequence; with `reserve_output`, for its whole answer and all others'."""
        taken, need = self.used, self.limits.blocks(self._target(s))
        if self.limits.reserve_output:
            taken, need = sum(map(self._whole, (*self.running, *self.holding))), self._whole(s)
        return taken + need + (self.limits.reserve if self.used else 0) <= self.limits.kv_blocks

    def _whole(self, s: Sequence[Owner]) -> int:
        return self.limits.whole(s.prompt, s.output, self.per_step)

    def _target(self, s: Sequence[Owner]) -> int:
        """Tokens to prefill: the prompt and, after a preemption, all that was generated."""
        return s.prompt + s.made // self.unit
