"""The engine's clock: steps end when the step time says, on an absolute schedule, and tokens leave then."""

from __future__ import annotations

from math import inf

from paretoken.emulate.prometheus import EmulatorMetrics, WorkerLoad
from paretoken.emulate.reply import Reply
from paretoken.emulate.settings import EmulatorSettings
from paretoken.emulate.spacing import BATCH, SendSpacing
from paretoken.predict.simulation.pools import Worker
from paretoken.predict.simulation.scheduler import Scheduler, Sequence

DueTokens = tuple[Reply, int, bool]
"""A reply, the tokens that it gains, and whether they are its last."""
SLIP_S = 0.25
"""A server that is later than this gives up the time it lost instead of catching up in a burst."""


class Pacer:
    """A scheduler in real time; `now_s` comes from the caller's clock, `worker` is the settings' engine by default."""

    def __init__(
        self,
        settings: EmulatorSettings,
        counters: EmulatorMetrics,
        spacing: SendSpacing | None = None,
        *,
        worker: Worker | None = None,
        scheduler: Scheduler[Reply] | None = None,
    ) -> None:
        self.settings, self.counters, self.spacing = settings, counters, spacing or SendSpacing()
        self.step_time = worker.step_time if worker else settings.step_time
        self.scheduler: Scheduler[Reply] = scheduler or Scheduler(settings.limits, settings.acceptance)
        self.due: list[DueTokens] | None = None  # tokens of the running step, None while the engine is idle
        self.begun_s, self.ends_s, self.lasts_s = 0.0, inf, inf
        self.drafted = self.scheduler.limits.drafted_tokens
        if self.drafted:
            counters.count_drafts((), self.drafted)

    def loads(self) -> list[WorkerLoad]:
        """The load of the engine."""
        return [WorkerLoad.of(self.scheduler)]

    def submit(self, reply: Reply) -> None:
        """Queue a request; the next step considers it."""
        self.scheduler.add(reply.sequence)

    def abandon(self, reply: Reply) -> None:
        self.scheduler.remove(reply.sequence)
        reply.sequence.owner = None
        self.counters.success["abort"] += 1

    def start(self, now_s: float) -> None:
        """Begin a step if the engine is idle and has something to do."""
        if self.due is None and self.scheduler.busy:
            self._begin(now_s)

    def run(self, now_s: float) -> None:
        """End the steps that are due, each followed by the next without a gap."""
        while self.due is not None and self.ends_s <= now_s:
            self.end_step(now_s)

    def end_step(self, now_s: float) -> None:
        """End the running step, which is due by `now_s`, and begin the next."""
        late_s = now_s - self.ends_s
        self.counters.late_s = max(self.counters.late_s, late_s)
        if late_s > SLIP_S:
            self.counters.slipped_s += late_s
            self.ends_s = now_s
        due, ends_s = self.due or [], self.ends_s
        self.due, self.ends_s = None, inf
        self.emit([d for d in due if d[0].sequence.owner is d[0]], ends_s)  # not to users who left
        if self.scheduler.busy:
            self._begin(ends_s)

    def _begin(self, at_s: float) -> None:
        """Begin a step, and work out the tokens due at its end in advance: only sending them remains then."""
        self.begun_s = at_s
        step = self.scheduler.schedule()
        if step is None:
            return
        self.lasts_s = step.seconds(self.step_time) / self.settings.time_scale
        self.ends_s = at_s + self.lasts_s
        self.counters.step_tokens.observe(step.tokens + len(step.decodes) * (1 + self.drafted))
        made = self.scheduler.finish(step)
        if self.drafted:
            self.counters.count_drafts([tokens for s, tokens in made if s not in step.starting], self.drafted)
        gained = [(s.owner, tokens, self.scheduler.complete(s)) for s, tokens in made]
        self.due = [(reply, tokens, done) for reply, tokens, done in gained if reply is not None and (tokens or done)]
        self.due.sort(key=_place)

    def emit(self, due: list[DueTokens], at_s: float) -> None:
        """Pass on the tokens of a step. Every connection has its place in the order, so that its gaps are even."""
        before_s = [reply.last_s for reply, _, _ in due]
        spacing, sent = self.spacing, 0
        spacing.begin(at_s, self.lasts_s, len(due))
        for reply, tokens, done in due:
            if not sent % BATCH and sent:
                spacing.keep(sent)
            sent += 1
            try:
                if not reply.gain(tokens, at_s, done) and reply.sequence.owner is reply:
                    self.end(reply)
            except Exception:
                reply.connection.failed()
        spacing.end(sent)
        self._count(due, before_s, at_s)

    def _count(self, due: list[DueTokens], before_s: list[float], at_s: float) -> None:
        gaps: dict[float, int] = {}
        for (reply, tokens, _), last_s in zip(due, before_s, strict=True):
            self.counters.generation_tokens += tokens
            if last_s < 0:
                self._count_first(reply, at_s)
            else:
                gap = at_s - last_s
                gaps[gap] = gaps.get(gap, 0) + 1
        for gap, n in gaps.items():
            self.counters.itl_s.observe(gap, n)

    def _count_first(self, reply: Reply, at_s: float) -> None:
        sequence, counters = reply.sequence, self.counters
        counters.ttft_s.observe(at_s - reply.received_s)
        counters.prompt_tokens += sequence.prompt
        counters.cache_queries += sequence.prompt
        counters.cache_hits += sequence.cached - self.loaded_tokens(sequence)

    def loaded_tokens(self, sequence: Sequence[Reply]) -> int:
        """Cached tokens of a prompt that came from below GPU memory."""
        return 0

    def end(self, reply: Reply) -> None:
        """Release a reply that is complete, or was cut by a fault."""
        self.scheduler.remove(reply.sequence)
        reply.sequence.owner = None
        self.counters.success["stop" if reply.reason == "tool_calls" else reply.reason] += 1
        self.counters.e2e_s.observe(reply.last_s - reply.received_s)
        if reply.made > 1:
            self.counters.tpot_s.observe((reply.last_s - reply.first_s) / (reply.made - 1))
        reply.leave()


def _place(due: DueTokens) -> int:
    return due[0].connection.place
