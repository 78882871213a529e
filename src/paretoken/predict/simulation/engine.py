"""One engine under continuous batching, moved from event to event.

Between two events (a request comes or goes, a chunk of a prompt ends, KV blocks run out) the batch stays the
same and a step takes a + b · context seconds with a context that grows by the same amount each step, so k steps
are one sum: k·a + b·(k·context + growth·k·(k − 1)/2).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from fractions import Fraction
from heapq import heappop, heappush
from math import ceil, inf

from paretoken.predict.simulation.batch import DecodeBatch, steps_until
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.requests import NONE, RequestLog, SimulatedLengths
from paretoken.predict.steptime import StepTime

Segment = tuple[float, int, float, float, int, int, int, int, int]
"""The fields of `result.Timeline`, in their order."""


class EngineSimulator:
    """Requests 0..n−1; `pending` holds (arrival s, request), a heap; `on_finish` is called with each end.

    Cached prompt tokens need no compute, but KV memory. `begin` starts a step, or steps alike, and `finish` ends them
    at `ends_s`. A prefill worker `keeps` the cache of a prompt until `release`. A decode worker calls `on_reserve` when
    a request queued by `offer` has its blocks; `arrive` reports that its cache is complete.
    """

    def __init__(
        self,
        step_time: StepTime,
        limits: SchedulerLimits,
        lengths: SimulatedLengths,
        acceptance: Fraction,
        log: RequestLog,
        on_finish: Callable[[int, float], None],
        *,
        keeps: bool = False,
        on_reserve: Callable[[int, float], None] | None = None,
    ) -> None:
        self.step_time, self.limits, self.log = step_time, limits, log
        self.on_finish, self.on_reserve, self.keeps = on_finish, on_reserve, keeps
        self.inputs, self.outputs, self.skipped = lengths.inputs, lengths.outputs, lengths.cached
        self.batch = DecodeBatch(log.ends, limits.block_tokens, acceptance, limits.drafted_tokens)
        self.now, self.ends_s = 0.0, inf
        self.pending: list[tuple[float, int]] = []
        self.waiting: deque[int] = deque()
        self.used = 0  # KV blocks
        self.reserved = 0  # blocks that all running requests will hold at their ends, counted with `reserve_output`
        self.acceptance, self.per_step = acceptance, ceil(acceptance)
        self.most = limits.sequences(self.per_step)
        self.opens_at = 0  # the step from which the queue is admitted again, while others decode
        self.partial, self.done = NONE, 0  # the prompt that is only begun, and its tokens so far
        self.starting: list[int] = []  # requests whose prompt ends with the running step
        self.alike, self.jump = 0, (0.0, 0.0, 0, 0)  # steps alike: first s, more s, grown, end
        self.moves = 0  # 1 if sequences decode in the running step with prompts
        self.progress: dict[int, int] = {}  # units made by sequences that were preempted
        self.remote: set[int] = set()  # requests prefilled elsewhere that have no blocks here yet
        self.coming = 0  # requests that have blocks, but whose KV cache does not decode yet
        self.arrived: list[int] = []  # of those, the ones that join with the next step
        self.coefficients: dict[int, tuple[float, float]] = {}
        self.preemptions = 0
        self.segments: list[Segment] = []

    def run(self) -> None:
        """Serve until nothing is left to do."""
        while True:
            if self.begin() < inf:
                self.finish()
            elif (at_s := self.next_s) < inf:
                self.now = at_s
            else:
                return

    @property
    def next_s(self) -> float:
        """When `step` has something to do, s; inf if never."""
        if self.ends_s < inf or not self.pending:
            return self.ends_s
        return self.pending[0][0]

    def step(self) -> None:
        """End what runs, or wait for the first pending request, and start what comes next."""
        if self.ends_s < inf:
            self.finish()
        else:
            self.now = self.next_s
        self.begin()

    def put(self, request: int, at_s: float) -> None:
        """Queue a request, perhaps during a step; the outcome is as if it had been pending all along."""
        heappush(self.pending, (at_s, request))
        if self.alike > 1 and at_s < self.ends_s and self._cuts_for_requests():
            self._cut(at_s)

    def offer(self, request: int, at_s: float) -> None:
        """Queue a request whose prompt is prefilled elsewhere."""
        self.remote.add(request)
        self.put(request, at_s)

    def arrive(self, request: int, at_s: float) -> None:
        """The KV cache of a request with blocks is here."""
        self.arrived.append(request)
        if self.alike > 1:
            self._cut(at_s)

    def release(self, request: int) -> None:
        """Free the blocks of a prompt that was kept."""
        self.used -= self.limits.blocks(self.inputs[request])
        if self.limits.reserve_output:
            self.reserved -= self._whole(request)

    def begin(self) -> float:
        """Start the step, or the steps alike, of `now`: when they end, s, inf where nothing can run."""
        pending, waiting = self.pending, self.waiting
        while pending and pending[0][0] <= self.now:
            if not waiting:
                self.opens_at = self.limits.opens_at(self.batch.steps)
            waiting.append(heappop(pending)[1])
        if self.arrived:
            self._join_arrived()
        if waiting or self.batch.offset or self.partial != NONE:
            self._start()
        return self.ends_s

    def finish(self) -> None:
        """End what `begin` started."""
        if self.alike:
            self._finish_alike()
        else:
            self._finish_prompts()

    def _start(self) -> None:
        calm, grown, tokens, pairs = True, 0, 0, 0
        mixed = self.limits.mixed
        if mixed:
            calm = self._make_room()
        if calm and self._wants_prefill():
            budget = self.limits.max_batched_tokens
            if mixed:
                self.used += self.batch.crossings(self.batch.steps, 1)
                grown = 1
                budget -= self.limits.decode_tokens(len(self.batch.offset), self.acceptance)
            calm, tokens, pairs = self._plan(budget)
            if tokens:
                self._run(len(self.batch.offset) if mixed else 0, tokens, pairs)
                return
        if not mixed:
            calm = self._make_room() and calm
        if self.batch.offset:
            self._jump(calm, grown)
        elif not calm:
            self._start()  # every sequence was preempted: plan again without them

    def _join_arrived(self) -> None:
        for request in self.arrived:
            if self.outputs[request] > 1:
                self._join(request, self.batch.unit, self.log.first[request])
            else:
                self.release(request)
        self.coming -= len(self.arrived)
        self.arrived.clear()

    def _places(self) -> bool:
        """Whether one more sequence may run."""
        return len(self.batch.offset) + len(self.starting) + self.coming < self.most

    def _wants_prefill(self) -> bool:
        return self.partial != NONE or (bool(self.waiting) and self._places() and not self._queue_closed())

    def _queue_closed(self) -> bool:
        """Whether the scheduler does not admit yet; an idle engine always admits."""
        return self.batch.steps < self.opens_at and bool(self.batch.offset)

    def _cuts_for_requests(self) -> bool:
        """Whether a request that comes during steps alike ends them early."""
        return not self.waiting and (self._places() or self.limits.delays_requests)

    # ---- KV blocks

    def _make_room(self) -> bool:
        """Preempt the latest admitted until the others can make a step; whether none had to go."""
        total = self.limits.kv_blocks
        if self.used + len(self.batch.offset) <= total:
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
        self._free(self.partial, self.done, self.limits.blocks(self.done))
        self._requeue(self.partial)
        self.partial = NONE

    def _preempt(self) -> int:
        """Send the latest admitted sequence back to the queue; the blocks that it would have entered now."""
        request = next(reversed(self.batch.offset))
        units = self.batch.leave(request)
        self._free(request, units // self.batch.unit, self.batch.blocks(units))
        self.progress[request] = units - (self.inputs[request] - 1) * self.batch.unit
        log = self.log
        log.lost.append((request, log.stint_s[request], log.joined[request], self.batch.steps))
        self._requeue(request)
        return int(self.batch.crosses(units))

    def _free(self, request: int, tokens: int, blocks: int) -> None:
        """Take the blocks of a request that leaves the batch; its KV cache holds `tokens`."""
        self.used -= blocks

    def _requeue(self, request: int) -> None:
        self.waiting.appendleft(request)
        self.log.preempted[request] += 1
        self.preemptions += 1

    # ---- prompts

    def _plan(self, budget: int) -> tuple[bool, int, int]:
        """Prompts of the next step: (nobody was preempted, tokens, pairs); those that end in it are `starting`."""
        tokens = pairs = 0
        if self.partial != NONE:
            request, done = self.partial, self.done
            tokens = min(self._target(request) - done, budget)
            grow = self.limits.blocks(done + tokens) - self.limits.blocks(done)
            if self.used + grow > self.limits.kv_blocks:
                self._drop_partial()
                return False, 0, 0
            self.used += grow
            pairs = tokens * done + tokens * (tokens + 1) // 2
            budget -= tokens
            self._advance(request, done + tokens)
        if self._queue_closed():
            return True, tokens, pairs
        while self.waiting and budget > 0 and self._places():
            admitted = self._admit(self.waiting[0], budget, alone=not tokens)
            if admitted is None:
                break
            chunk, done = admitted
            tokens += chunk
            pairs += chunk * done + chunk * (chunk + 1) // 2
            budget -= chunk
        return True, tokens, pairs

    def _admit(self, request: int, budget: int, *, alone: bool) -> tuple[int, int] | None:
        """Tokens of the first in the queue for this step, and those before; None where it waits."""
        if request in self.remote:
            return (0, 0) if self._expect(request) else None
        target, done = self._target(request), self.skipped[request]
        chunk = self.limits.chunk(target - done, budget, alone=alone)
        if not chunk or not self._reserve(request, self.limits.blocks(target)):
            return None
        self.waiting.popleft()
        self.used += self.limits.blocks(done + chunk)
        self._advance(request, done + chunk)
        return chunk, done

    def _target(self, request: int) -> int:
        """Tokens to prefill: the prompt and, after a preemption, all that was generated."""
        return self.inputs[request] + self.progress.get(request, 0) // self.batch.unit

    def _reserve(self, request: int, blocks: int) -> bool:
        """Whether an admission that needs `blocks` has them; the watermark applies unless the cache is empty."""
        taken = self.used
        if self.limits.reserve_output:
            blocks, taken = self._whole(request), self.reserved
        if taken + blocks + (self.limits.reserve if self.used else 0) > self.limits.kv_blocks:
            return False
        if self.limits.reserve_output:
            self.reserved += blocks
        return True

    def _whole(self, request: int) -> int:
        return self.limits.whole(self.inputs[request], self.outputs[request], self.per_step)

    def _advance(self, request: int, done: int) -> None:
        """A prompt is computed up to `done` tokens with the next step."""
        if done == self._target(request):
            self.partial = NONE
            self.starting.append(request)
        else:
            self.partial, self.done = request, done

    def _expect(self, request: int) -> bool:
        """Reserve a place and blocks for a prompt's KV cache; whether it has blocks."""
        blocks = self.limits.blocks(self.inputs[request])
        if not self._reserve(request, blocks):
            return False
        self.waiting.popleft()
        self.remote.discard(request)
        self.used += blocks
        self.coming += 1
        if self.on_reserve:
            self.on_reserve(request, self.now)
        return True

    # ---- time

    def _run(self, n: int, tokens: int, pairs: int) -> None:
        """Start a step that holds prompt tokens and `n` decoding sequences (all or none)."""
        batch = self.batch
        spent = self.step_time.step(n, batch.context / batch.unit if n else 0, tokens, pairs)
        self.alike, self.moves = 0, 1 if n else 0
        self._record(self.moves, spent, 0.0, n, tokens)
        self.ends_s = self.now + spent

    def _finish_prompts(self) -> None:
        self.now, self.ends_s = self.ends_s, inf
        batch, log = self.batch, self.log
        batch.move(self.moves)
        ended = self._ended() if self.moves else []
        for request in self.starting:
            made = self.progress.get(request, 0) + batch.unit
            if log.first[request] > self.now:
                log.first[request] = self.now
            if made >= self.outputs[request] * batch.unit:
                if not self.keeps:
                    self._free(request, self._target(request), self.limits.blocks(self._target(request)))
                log.stint_s[request], log.joined[request] = self.now, batch.steps
                ended.append(request)
            else:
                self._join(request, made, self.now)
        self.starting.clear()
        self._leave(ended)

    def _join(self, request: int, made: int, since_s: float) -> None:
        """Let a sequence decode from the next step on; `made` units of its output exist."""
        batch = self.batch
        units = (self.inputs[request] - 1) * batch.unit + made
        batch.join(request, units, self.outputs[request] * batch.unit - made)
        self.log.joined[request], self.log.stint_s[request] = batch.steps, since_s

    def _jump(self, calm: bool, grown: int) -> None:
        """Start decode steps up to the next event; the first `grown` of them have their blocks already."""
        batch, n = self.batch, len(self.batch.offset)
        end = batch.next_end()
        k = end - batch.steps if calm else 1
        if k > 1 and self.used + n * (k * batch.gain // batch.cycle + 1) > self.limits.kv_blocks:
            k = batch.steps_that_fit(self.limits.kv_blocks - self.used, k, grown)
        if self.waiting and self._queue_closed():
            k = min(k, self.opens_at - batch.steps)
        fixed, per_token = self.coefficients.get(n) or self._coefficients(n)
        first = fixed + per_token * (batch.context / batch.unit)
        more = per_token * (n * batch.gain / batch.unit)
        self.alike, self.jump = k, (first, more, grown, end)
        self.ends_s = self.now + (k * first + more * (k * (k - 1) // 2))
        if k > 1 and self.pending and self.pending[0][0] < self.ends_s and self._cuts_for_requests():
            self._cut(self.pending[0][0])

    def _cut(self, at_s: float) -> None:
        """End the running steps alike at the first that ends at `at_s` or later."""
        first, more, _, _ = self.jump
        self.alike = k = steps_until(at_s, self.now, self.alike, first, more)
        self.ends_s = self.now + (k * first + more * (k * (k - 1) // 2))

    def _finish_alike(self) -> None:
        batch, k = self.batch, self.alike
        first, more, grown, end = self.jump
        self.alike = 0
        self.used += batch.crossings(batch.steps + grown, k - grown)
        self._record(k, first, more, len(batch.offset), 0)
        self.now, self.ends_s = self.ends_s, inf
        batch.move(k)
        if batch.steps == end:
            self._leave(self._ended())

    def _coefficients(self, n: int) -> tuple[float, float]:
        pair = self.coefficients[n] = self.step_time.decode(n)
        return pair

    def _ended(self) -> list[int]:
        """Take out the sequences whose last step this was."""
        ended = self.batch.done()
        for request in ended:
            units = self.batch.leave(request)
            self._free(request, units // self.batch.unit, self.batch.blocks(units))
        return ended

    def _leave(self, ended: list[int]) -> None:
        log = self.log
        for request in sorted(ended):
            log.last[request], log.left[request] = self.now, self.batch.steps
            if self.limits.reserve_output and not self.keeps:
                self.reserved -= self._whole(request)
            self.on_finish(request, self.now)

    def _record(self, moves: int, first: float, more: float, batch: int, tokens: int) -> None:
        """Append a segment, whose fields are those of `result.Timeline`."""
        self.segments.append(
            (self.now, moves, first, more, batch, tokens, len(self.waiting), self.used, self.preemptions)
        )
