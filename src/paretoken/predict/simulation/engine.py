"""One engine under continuous batching, moved from event to event.

Between two events (a request comes or goes, a chunk of a prompt ends, KV blocks run out) the batch stays the
same and a step takes a + b · context seconds with a context that grows by the same amount each step, so k steps
are one sum: k·a + b·(k·context + growth·k·(k − 1)/2).

Bookkeeping is in exact integers. A decoding sequence gains `gain`/`unit` tokens a step (1, or the acceptance
length of speculative decoding, as a fraction). `steps` counts the steps in which the batch decoded: all of it
moves together, so a sequence is the constant `offset` with

    tokens in its KV cache after step n  =  (offset + gain · n) / unit

and ends at a step number that is known when it joins. It enters a new block where that count passes a multiple
of the block size: at one of `cycle` = block · unit phases, so sequences counted by phase give the blocks of k
steps as the sum of a slice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from fractions import Fraction
from heapq import heappop, heappush
from math import ceil, inf

from paretoken.predict.simulation.limits import Limits
from paretoken.predict.steptime import StepTime

NONE = -1


class Engine:
    """Requests 0..n−1 with given lengths; `pending` holds (arrival s, request), a heap; `on_finish` hears of ends.

    `skipped[i]` prompt tokens of request i are in the prefix cache: no compute, but KV memory. With `ready`
    the prompts' KV comes along with the requests (the decode pool of a disaggregated server).
    """

    def __init__(
        self,
        step_time: StepTime,
        limits: Limits,
        inputs: list[int],
        outputs: list[int],
        skipped: list[int],
        acceptance: Fraction,
        on_finish: Callable[[int, float], None],
        *,
        ready: bool = False,
        coupled: bool = False,
    ) -> None:
        n = len(inputs)
        self.step_time, self.limits, self.on_finish, self.coupled = step_time, limits, on_finish, coupled
        self.inputs, self.outputs, self.skipped, self.requests = inputs, outputs, skipped, n
        self.gain, self.unit = acceptance.numerator, acceptance.denominator
        self.cycle = limits.block_tokens * self.unit
        self.most = limits.sequences(ceil(acceptance))
        self.now = 0.0
        self.steps = 0
        self.pending: list[tuple[float, int]] = []
        self.waiting: deque[int] = deque()
        self.offset: dict[int, int] = {}  # decoding sequences, the latest admitted last
        self.phase = [0] * self.cycle
        self.ends = [NONE] * n  # the step number after which a decoding sequence is done
        self.heap: list[int] = []  # ends[i] * requests + i, also of sequences preempted since
        self.context = 0  # units in the caches of all decoding sequences after the next step
        self.used = 0  # KV blocks
        self.partial, self.done = NONE, 0  # the prompt that is only begun, and its tokens so far
        self.progress: dict[int, int] = {}  # units made by sequences that were preempted
        self.carried = set(range(n)) if ready else set()  # requests that come with their prompt's KV
        self.late: list[int] = []  # of those, the ones admitted behind a prompt of the same step
        self.coefficients: dict[int, tuple[float, float]] = {}
        self.first = [inf] * n
        self.last = [inf] * n
        self.joined, self.left = [0] * n, [0] * n  # step numbers of the last stint
        self.preempted = [0] * n
        self.preemptions = 0
        self.lost: list[tuple[int, float, int, int]] = []  # stints cut by a preemption
        self.stint_s = [0.0] * n  # when the first token of the current stint came
        self.events: list[tuple] = []

    def next_s(self) -> float:
        """When the next step can start; inf where nothing is left to do."""
        if self.offset or self.partial != NONE or self.waiting:
            return self.now
        return max(self.pending[0][0], self.now) if self.pending else inf

    def advance(self, until_s: float = inf) -> None:
        """Run the steps that start up to `until_s`; a coupled engine returns after each that ends a request."""
        pending, waiting = self.pending, self.waiting
        while True:
            while pending and pending[0][0] <= self.now:
                waiting.append(heappop(pending)[1])
            if not (waiting or self.offset or self.partial != NONE):
                if not pending or pending[0][0] > until_s:
                    return
                self.now = pending[0][0]
            elif self.now > until_s or (self._step(until_s) and self.coupled):
                return

    def _step(self, until_s: float) -> bool:
        """One step, or many alike; whether a request ended."""
        if self.limits.mixed:
            return self._mixed_step(until_s)
        calm, tokens, pairs, starting = True, 0, 0, []
        if self._wants_prefill():
            calm, tokens, pairs, starting = self._plan(self.limits.max_batched_tokens, 0)
        if tokens:
            return self._run(0, tokens, pairs, starting)
        return self._jump(until_s, self._make_room() and calm, 0)

    def _mixed_step(self, until_s: float) -> bool:
        calm, grown = self._make_room(), 0
        if calm and self._wants_prefill():
            self.used += self._crossings(self.steps, 1)
            grown = 1
            budget = self.limits.max_batched_tokens - -(-len(self.offset) * self.gain // self.unit)
            calm, tokens, pairs, starting = self._plan(budget, 1)
            if tokens:
                return self._run(len(self.offset), tokens, pairs, starting)
        return self._jump(until_s, calm, grown)

    def _wants_prefill(self) -> bool:
        return self.partial != NONE or (bool(self.waiting) and len(self.offset) < self.most)

    # ---- KV blocks

    def _crossings(self, step: int, k: int) -> int:
        """Blocks that the decoding sequences enter in steps `step` … `step` + k − 1."""
        whole, part = divmod(k * self.gain, self.cycle)
        high = (1 - step) * self.gain % self.cycle
        low = high - part
        phase = self.phase
        some = sum(phase[low:high]) if low >= 0 else sum(phase[:high]) + sum(phase[low:])
        return whole * len(self.offset) + some

    def _blocks(self, units: int) -> int:
        return (units - self.unit) // self.cycle + 1

    def _make_room(self) -> bool:
        """Preempt the latest admitted until the others can make a step; whether none had to go."""
        total = self.limits.kv_blocks
        if self.used + len(self.offset) <= total:
            return True
        need = self._crossings(self.steps, 1)
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
        request, offset = self.offset.popitem()
        units = self._forget(offset)
        self.progress[request] = units - self.inputs[request] * self.unit + self.unit
        self.lost.append((request, self.stint_s[request], self.joined[request], self.steps))
        self.ends[request] = NONE
        self.waiting.appendleft(request)
        self.preempted[request] += 1
        self.preemptions += 1
        return int((units + self.gain - self.unit) % self.cycle < self.gain)

    def _forget(self, offset: int) -> int:
        """Take a decoding sequence out of the sums and free its blocks; the units in its cache."""
        units = offset + (self.steps - 1) * self.gain
        self.used -= self._blocks(units)
        self.context -= units + self.gain
        self.phase[(offset - self.unit) % self.cycle] -= 1
        return units

    # ---- prompts

    def _plan(self, budget: int, grown: int) -> tuple[bool, int, int, list[int]]:
        """Prompts of the next step: (nobody was preempted, tokens, pairs, requests whose prompt ends in it)."""
        tokens = pairs = 0
        starting: list[int] = []
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
        while self.waiting and budget > 0 and len(self.offset) + len(starting) < self.most:
            request = self.waiting[0]
            if request in self.carried:
                if not self._admit_ready(request, grown, starting):
                    break
                continue
            target, done = self._target(request), self.skipped[request]
            free = self._free(starting)
            chunk = min(target - done, budget)
            if self.limits.blocks(target) > free:
                break
            if chunk < target - done and not self.limits.chunked:
                if tokens:
                    break
                chunk = target - done
            self.waiting.popleft()
            self.used += self.limits.blocks(done + chunk)
            tokens += chunk
            pairs += chunk * done + chunk * (chunk + 1) // 2
            budget -= chunk
            self._begin(request, done + chunk, starting)
        return True, tokens, pairs, starting

    def _target(self, request: int) -> int:
        """Tokens to prefill: the prompt and, after a preemption, all that was generated."""
        return self.inputs[request] + self.progress.get(request, 0) // self.unit

    def _free(self, starting: list[int]) -> int:
        """Blocks that an admission may take; the watermark holds unless nothing runs."""
        free = self.limits.kv_blocks - self.used
        return free - self.limits.reserve if self.offset or starting else free

    def _begin(self, request: int, done: int, starting: list[int]) -> None:
        if done == self._target(request):
            self.partial = NONE
            starting.append(request)
        else:
            self.partial, self.done = request, done

    def _admit_ready(self, request: int, grown: int, starting: list[int]) -> bool:
        """Let a sequence whose prompt's KV came along decode from this step on, if its blocks are free."""
        units = self.inputs[request] * self.unit
        if self._blocks(units + self.gain) > self._free(starting):
            return False
        self.waiting.popleft()
        self.carried.discard(request)
        self.used += self._blocks(units + self.gain * grown)
        self._join(request, self.unit, self.first[request])
        if starting:
            self.late.append(request)
        return True

    # ---- time

    def _run(self, batch: int, tokens: int, pairs: int, starting: list[int]) -> bool:
        """One step that holds prompt tokens."""
        spent = self.step_time.step(batch, self.context / self.unit if batch else 0, tokens, pairs)
        moves = 1 if batch else 0
        self._record(moves, spent, 0.0, batch, tokens)
        self.steps += moves
        self.context += moves * batch * self.gain
        self.now += spent
        ended = self._ended() if batch else []
        for request in starting:
            made = self.progress.get(request, 0) + self.unit
            if self.first[request] > self.now:
                self.first[request] = self.now
            if made >= self.outputs[request] * self.unit:
                self.used -= self.limits.blocks(self._target(request))
                self.stint_s[request], self.joined[request] = self.now, self.steps
                ended.append(request)
            else:
                self._join(request, made, self.now)
        for request in self.late:
            if request in self.offset:
                self.offset[request] = self.offset.pop(request)
        self.late.clear()
        return self._finish(ended)

    def _join(self, request: int, made: int, since_s: float) -> None:
        """Let a sequence decode from the next step on; `made` units of its output exist."""
        units = self.inputs[request] * self.unit + made - self.unit
        offset = units - (self.steps - 1) * self.gain
        self.offset[request] = offset
        self.phase[(offset - self.unit) % self.cycle] += 1
        self.context += units + self.gain
        left = self.outputs[request] * self.unit - made
        end = self.steps - (-left // self.gain)
        self.ends[request] = end
        self.joined[request], self.stint_s[request] = self.steps, since_s
        heappush(self.heap, end * self.requests + request)

    def _jump(self, until_s: float, calm: bool, grown: int) -> bool:
        """Decode steps up to the next event; the first `grown` of them have their blocks already."""
        batch, steps = len(self.offset), self.steps
        end = self._next_end()
        k = end - steps if calm else 1
        if k > 1 and self.used + batch * (k * self.gain // self.cycle + 1) > self.limits.kv_blocks:
            k = self._steps_that_fit(k, grown)
        pair = self.coefficients.get(batch)
        if pair is None:
            pair = self.coefficients[batch] = self.step_time.decode(batch)
        first = pair[0] + pair[1] * (self.context / self.unit)
        more = pair[1] * (batch * self.gain / self.unit)
        if self.pending and batch < self.most and not self.waiting:
            until_s = min(until_s, self.pending[0][0])
        spent = k * first + more * (k * (k - 1) // 2)
        if self.now + spent > until_s and k > 1:
            k = self._steps_until(until_s, k, first, more)
            spent = k * first + more * (k * (k - 1) // 2)
        self.used += self._crossings(steps + grown, k - grown)
        self._record(k, first, more, batch, 0)
        self.steps = steps = steps + k
        self.context += k * batch * self.gain
        self.now += spent
        return steps == end and self._finish(self._ended())

    def _next_end(self) -> int:
        heap, ends, n = self.heap, self.ends, self.requests
        while ends[heap[0] % n] != heap[0] // n:
            heappop(heap)
        return heap[0] // n

    def _steps_that_fit(self, k: int, grown: int) -> int:
        """The most steps, 1…k, for which there are blocks; there are for one."""
        free = self.limits.kv_blocks - self.used
        low, high = 1, k
        while low < high:
            middle = (low + high + 1) // 2
            if self._crossings(self.steps + grown, middle - grown) <= free:
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
        """Take out the sequences whose last step this was, in order of request."""
        heap, ends, n, steps = self.heap, self.ends, self.requests, self.steps
        ended = []
        while heap and heap[0] < (steps + 1) * n:
            request = heappop(heap) % n
            if ends[request] == steps:
                ends[request] = NONE
                self._forget(self.offset.pop(request))
                ended.append(request)
        return ended

    def _finish(self, ended: list[int]) -> bool:
        for request in sorted(ended):
            self.last[request], self.left[request] = self.now, self.steps
            self.on_finish(request, self.now)
        return bool(ended)

    def _record(self, moves: int, first: float, more: float, batch: int, tokens: int) -> None:
        """Keep what a segment was: start, decode steps, seconds of the first and of each one more, batch, …"""
        self.events.append(
            (self.now, moves, first, more, batch, tokens, len(self.waiting), self.used, self.preemptions)
        )
