"""One engine under continuous batching, moved from event to event.

Between two events (a request comes or goes, a chunk of a prompt ends, KV blocks run out) the batch stays the
same and a step takes a + b · context seconds with a context that grows by the same amount each step, so k steps
are one sum: k·a + b·(k·context + growth·k·(k − 1)/2).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from heapq import heappop
from math import ceil, inf

from paretoken.predict.simulation.batch import NONE, DecodeBatch
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.steptime import StepTime

Segment = tuple[float, int, float, float, int, int, int, int, int]
"""The fields of `result.Timeline`, in their order."""


@dataclass(frozen=True, slots=True)
class SimulatedLengths:
    """Tokens of every request, shape (requests,); `cached` prompt tokens are in the prefix cache."""

    inputs: list[int]
    outputs: list[int]
    cached: list[int]


class EngineSimulator:
    """Requests 0..n−1; `pending` holds (arrival s, request), a heap; `on_finish` is called with each end.

    Cached prompt tokens need no compute, but KV memory. With `ready` the prompts' KV comes along with the requests (the
    decode pool of a disaggregated server).
    """

    def __init__(
        self,
        step_time: StepTime,
        limits: SchedulerLimits,
        lengths: SimulatedLengths,
        acceptance: Fraction,
        on_finish: Callable[[int, float], None],
        *,
        ready: bool = False,
        coupled: bool = False,
    ) -> None:
        n = len(lengths.inputs)
        self.step_time, self.limits, self.on_finish, self.coupled = step_time, limits, on_finish, coupled
        self.inputs, self.outputs, self.skipped = lengths.inputs, lengths.outputs, lengths.cached
        self.batch = DecodeBatch(n, limits.block_tokens, acceptance, limits.drafted_tokens)
        self.now = 0.0
        self.pending: list[tuple[float, int]] = []
        self.waiting: deque[int] = deque()
        self.used = 0  # KV blocks
        self.reserved = 0  # blocks that all running requests will hold at their ends, counted with `reserve_output`
        self.acceptance, self.per_step = acceptance, ceil(acceptance)
        self.most = limits.sequences(self.per_step)
        self.held_until = 0  # the step from which the queue is looked at again, while others decode
        self.partial, self.done = NONE, 0  # the prompt that is only begun, and its tokens so far
        self.progress: dict[int, int] = {}  # units made by sequences that were preempted
        self.carried = set(range(n)) if ready else set()  # requests that come with their prompt's KV
        self.late: list[int] = []  # of those, the ones admitted behind a prompt of the same step
        self.coefficients: dict[int, tuple[float, float]] = {}
        self.first, self.last = [inf] * n, [inf] * n
        self.stint_s = [0.0] * n  # when the first token of a request's last stint in the batch came,
        self.joined, self.left = [0] * n, [0] * n  # and the step numbers of that stint
        self.lost: list[tuple[int, float, int, int]] = []  # stints cut by a preemption
        self.preempted = [0] * n
        self.preemptions = 0
        self.segments: list[Segment] = []

    def next_s(self) -> float:
        """When the next step can start; inf where nothing is left to do."""
        if self.batch.offset or self.partial != NONE or self.waiting:
            return self.now
        return max(self.pending[0][0], self.now) if self.pending else inf

    def advance(self, until_s: float = inf) -> None:
        """Run the steps that start up to `until_s`; a coupled engine returns after each that ends a request."""
        pending, waiting = self.pending, self.waiting
        while self.now <= until_s:
            while pending and pending[0][0] <= self.now:
                if not waiting:
                    self.held_until = self.limits.held_until(self.batch.steps)
                waiting.append(heappop(pending)[1])
            if not (waiting or self.batch.offset or self.partial != NONE):
                if not pending or pending[0][0] > until_s:
                    return
                self.now = pending[0][0]
            elif self._step(until_s) and self.coupled:
                return

    def _step(self, until_s: float) -> bool:
        """One step, or many alike; whether a request ended."""
        if self.limits.mixed:
            return self._mixed_step(until_s)
        calm, tokens, pairs = True, 0, 0
        starting: list[int] = []
        if self._wants_prefill():
            calm, tokens, pairs, starting = self._plan(self.limits.max_batched_tokens, 0)
        if tokens:
            return self._run(0, tokens, pairs, starting)
        return self._jump(until_s, self._make_room() and calm, 0)

    def _mixed_step(self, until_s: float) -> bool:
        calm, grown = self._make_room(), 0
        if calm and self._wants_prefill():
            self.used += self.batch.crossings(self.batch.steps, 1)
            grown = 1
            budget = self.limits.max_batched_tokens - self.limits.decode_tokens(len(self.batch), self.acceptance)
            calm, tokens, pairs, starting = self._plan(budget, 1)
            if tokens:
                return self._run(len(self.batch), tokens, pairs, starting)
        return self._jump(until_s, calm, grown)

    def _wants_prefill(self) -> bool:
        return self.partial != NONE or (bool(self.waiting) and len(self.batch) < self.most and not self._holds())

    def _holds(self) -> bool:
        """Whether the queue is not looked at yet; it is where nothing else is to do."""
        return self.batch.steps < self.held_until and bool(self.batch.offset)

    # ---- KV blocks

    def _make_room(self) -> bool:
        """Preempt the latest admitted until the others can make a step; whether none had to go."""
        total = self.limits.kv_blocks
        if self.used + len(self.batch) <= total:
            return True
        need = self.batch.crossings(self.batch.steps, 1)
        if self.used + need <= total:
            return True
        while self.used + need > total:
            if self.partial != NONE:
                self._drop_partial()
            else:
                need -= self._preempt()
        return False

    def _drop_partial(self) -> None:
        self.used -= self.limits.blocks(self.done)
        self.waiting.appendleft(self.partial)
        self.preempted[self.partial] += 1
        self.preemptions += 1
        self.partial = NONE

    def _preempt(self) -> int:
        """Send the latest admitted sequence back to the queue; the blocks that it would have entered now."""
        request = next(reversed(self.batch.offset))
        units = self.batch.leave(request)
        self.used -= self.batch.blocks(units)
        self.progress[request] = units - (self.inputs[request] - 1) * self.batch.unit
        self.lost.append((request, self.stint_s[request], self.joined[request], self.batch.steps))
        self.waiting.appendleft(request)
        self.preempted[request] += 1
        self.preemptions += 1
        return int(self.batch.crosses(units))

    # ---- prompts

    def _plan(self, budget: int, grown: int) -> tuple[bool, int, int, list[int]]:
        """Prompts of the next step: (nobody was preempted, tokens, pairs, requests whose prompt ends in it)."""
        tokens = pairs = 0
        starting: list[int] = []
        held = self._holds()  # before prompts that are ready join the batch
        if self.partial != NONE:
            request, done = self.partial, self.done
            tokens = min(self._target(request) - done, budget)
            grow = self.limits.blocks(done + tokens) - self.limits.blocks(done)
            if self.used + grow > self.limits.kv_blocks:
                self._drop_partial()
                return False, 0, 0, starting
            self.used += grow
            pairs = tokens * done + tokens * (tokens + 1) // 2
            budget -= tokens
            self._begin(request, done + tokens, starting)
        while self.waiting and not held and budget > 0 and len(self.batch) + len(starting) < self.most:
            request = self.waiting[0]
            if request in self.carried:
                if not self._admit_ready(request, grown, starting):
                    break
                continue
            target, done = self._target(request), self.skipped[request]
            chunk = min(target - done, budget)
            if chunk < target - done and not self.limits.chunked:
                if tokens:
                    break
                chunk = target - done
            if not self._reserve(request, self.limits.blocks(target), starting):
                break
            self.waiting.popleft()
            self.used += self.limits.blocks(done + chunk)
            tokens += chunk
            pairs += chunk * done + chunk * (chunk + 1) // 2
            budget -= chunk
            self._begin(request, done + chunk, starting)
        return True, tokens, pairs, starting

    def _target(self, request: int) -> int:
        """Tokens to prefill: the prompt and, after a preemption, all that was generated."""
        return self.inputs[request] + self.progress.get(request, 0) // self.batch.unit

    def _reserve(self, request: int, blocks: int, starting: list[int]) -> bool:
        """Whether an admission that needs `blocks` has them; the watermark applies unless nothing runs."""
        taken = self.used
        if self.limits.reserve_output:
            blocks, taken = self._whole(request), self.reserved
        reserve = self.limits.reserve if self.batch.offset or starting else 0
        if taken + blocks + reserve > self.limits.kv_blocks:
            return False
        if self.limits.reserve_output:
            self.reserved += blocks
        return True

    def _whole(self, request: int) -> int:
        return self.limits.whole(self.inputs[request], self.outputs[request], self.per_step)

    def _begin(self, request: int, done: int, starting: list[int]) -> None:
        if done == self._target(request):
            self.partial = NONE
            starting.append(request)
        else:
            self.partial, self.done = request, done

    def _admit_ready(self, request: int, grown: int, starting: list[int]) -> bool:
        """Let a sequence whose prompt's KV came along decode from this step on, if its blocks are free."""
        units = self.inputs[request] * self.batch.unit
        if not self._reserve(request, self.batch.blocks(units + self.batch.gain), starting):
            return False
        self.waiting.popleft()
        self.carried.discard(request)
        self.used += self.batch.blocks(units + self.batch.gain * grown)
        self._join(request, self.batch.unit, self.first[request])
        if starting:
            self.late.append(request)
        return True

    # ---- time

    def _run(self, n: int, tokens: int, pairs: int, starting: list[int]) -> bool:
        """One step that holds prompt tokens and `n` decoding sequences (all or none)."""
        batch = self.batch
        spent = self.step_time.step(n, batch.context / batch.unit if n else 0, tokens, pairs)
        moves = 1 if n else 0
        self._record(moves, spent, 0.0, n, tokens)
        batch.move(moves)
        self.now += spent
        ended = self._ended() if n else []
        for request in starting:
            made = self.progress.get(request, 0) + self.batch.unit
            if self.first[request] > self.now:
                self.first[request] = self.now
            if made >= self.outputs[request] * self.batch.unit:
                self.used -= self.limits.blocks(self._target(request))
                self.stint_s[request], self.joined[request] = self.now, self.batch.steps
                ended.append(request)
            else:
                self._join(request, made, self.now)
        for request in self.late:
            if request in self.batch.offset:
                self.batch.offset[request] = self.batch.offset.pop(request)
        self.late.clear()
        return self._finish(ended)

    def _join(self, request: int, made: int, since_s: float) -> None:
        """Let a sequence decode from the next step on; `made` units of its output exist."""
        batch = self.batch
        units = (self.inputs[request] - 1) * batch.unit + made
        batch.join(request, units, self.outputs[request] * batch.unit - made)
        self.joined[request], self.stint_s[request] = batch.steps, since_s

    def _jump(self, until_s: float, calm: bool, grown: int) -> bool:
        """Decode steps up to the next event; the first `grown` of them have their blocks already."""
        batch, n = self.batch, len(self.batch)
        end = batch.next_end()
        k = end - batch.steps if calm else 1
        if k > 1 and self.used + n * (k * batch.gain // batch.cycle + 1) > self.limits.kv_blocks:
            k = self._steps_that_fit(k, grown)
        if self.waiting and self._holds():
            k = min(k, self.held_until - batch.steps)
        fixed, per_token = self.coefficients.get(n) or self._coefficients(n)
        first = fixed + per_token * (batch.context / batch.unit)
        more = per_token * (n * batch.gain / batch.unit)
        if self.pending and (n < self.most or self.limits.holds) and not self.waiting:
            until_s = min(until_s, self.pending[0][0])
        spent = k * first + more * (k * (k - 1) // 2)
        if self.now + spent > until_s and k > 1:
            k = self._steps_until(until_s, k, first, more)
            spent = k * first + more * (k * (k - 1) // 2)
        self.used += batch.crossings(batch.steps + grown, k - grown)
        self._record(k, first, more, n, 0)
        batch.move(k)
        self.now += spent
        return batch.steps == end and self._finish(self._ended())

    def _coefficients(self, n: int) -> tuple[float, float]:
        pair = self.coefficients[n] = self.step_time.decode(n)
        return pair

    def _steps_that_fit(self, k: int, grown: int) -> int:
        """The most steps, 1…k, for which there are blocks; there are for one."""
        free = self.limits.kv_blocks - self.used
        low, high = 1, k
        while low < high:
            middle = (low + high + 1) // 2
            if self.batch.crossings(self.batch.steps + grown, middle - grown) <= free:
                low = middle
            else:
                high = middle - 1
        return low

    def _steps_until(self, until_s: float, k: int, first: float, more: float) -> int:
        """The fewest steps, 1…k, after which it is `until_s` or later."""
        low, high = 1, k
        while low < high:
            middle = (low + high) // 2
            if self.now + (middle * first + more * (middle * (middle - 1) // 2)) >= until_s:
                high = middle
            else:
                low = middle + 1
        return low

    def _ended(self) -> list[int]:
        """Take out the sequences whose last step this was."""
        ended = self.batch.done()
        for request in ended:
            self.used -= self.batch.blocks(self.batch.leave(request))
        return ended

    def _finish(self, ended: list[int]) -> bool:
        for request in sorted(ended):
            self.last[request], self.left[request] = self.now, self.batch.steps
            if self.limits.reserve_output:
                self.reserved -= self._whole(request)
            self.on_finish(request, self.now)
        return bool(ended)

    def _record(self, moves: int, first: float, more: float, batch: int, tokens: int) -> None:
        """Keep a segment: start, decode steps, seconds of the first and of each one more, batch, …"""
        self.segments.append(
            (self.now, moves, first, more, batch, tokens, len(self.waiting), self.used, self.preemptions)
        )
