"""A session as a graph: model calls and tool calls, each after the steps that it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from math import inf
from pathlib import Path

from paretoken.plural import counted

Message = Mapping[str, object]
NO_STEP = -1
BLOCK_TOKENS = 64
"""Prompt tokens of a block, where a form does not state them."""
UNTIMED_CALL_S = 1.0
"""How long a call lasts whose duration was not recorded, unless the next one began earlier."""
FAR_APART_S = 3600.0
"""A longer gap between the starts of two consecutive sessions is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a model call sends and asks for. None is a value that the trace does not state.

    `input_tokens` counts the whole prompt. The prompt begins with `kept_tokens` of the context of step `continues`, its
    prompt and its answer; None keeps all of it. A call that continues no step begins with the `opening_tokens` that all
    calls with the same `opening` share, such as a system prompt.

    `blocks` are ids of the blocks of the whole prompt; equal ids are equal prompts up to the end of that block, and
    they take precedence over `continues`. `messages` are those that the context of `continues` lacks, all of them where
    there is none. `answer` is the recorded answer, `model` the recorded model or adapter. `tools` are definitions of
    tools.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    continues: int = NO_STEP
    kept_tokens: int | None = None
    opening: str = ""
    opening_tokens: int = 0
    blocks: tuple[int, ...] = ()
    messages: tuple[Message, ...] = ()
    answer: Message | None = None
    tools: tuple[Mapping[str, object], ...] = ()
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A model call, which has a `call`, or a tool call.

    It begins `wait_s` after the last of the steps `after` has ended; without any, `wait_s` after its session. `seconds`
    is how long a tool runs; of a model call it is the recorded duration, None if unknown. `began_s` is when it began in
    the recording, counted from the start of the session. `agent` is "" for the main agent, else the name of a
    sub-agent.
    """

    name: str = ""
    after: tuple[int, ...] = ()
    wait_s: float = 0.0
    seconds: float | None = None
    began_s: float | None = None
    agent: str = ""
    call: Call | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The steps of one task, each behind those that it waits for. `begin_s` counts from the first session of a trace.

    `block_tokens` are the prompt tokens of a block id.
    """

    name: str
    steps: tuple[Step, ...]
    begin_s: float | None = None
    block_tokens: int = BLOCK_TOKENS

    @property
    def calls(self) -> dict[int, Call]:
        """The model calls by their index among the steps."""
        return {i: step.call for i, step in enumerate(self.steps) if step.call is not None}

    @property
    def agents(self) -> frozenset[str]:
        """The names of the sub-agents."""
        return frozenset(step.agent for step in self.steps) - {""}

    @property
    def longest_tokens(self) -> int:
        """The most tokens of a prompt and its answer; lengths that the trace does not state count as 0."""
        return max(((c.input_tokens or 0) + (c.output_tokens or 0) for c in self.calls.values()), default=0)

    def times(self, call_s: float | None = None) -> list[tuple[float, float]]:
        """Start and end of each step in s from the start of the session: as recorded, else after what it waits for.

        With `call_s` all are after what they wait for, and each call lasts that long. Without it, a call whose duration
        was not recorded lasts `UNTIMED_CALL_S`, or less where a step that waits for it was due earlier.
        """
        times: list[tuple[float, float]] = []
        due = self._due_after() if call_s is None else {}
        for index, step in enumerate(self.steps):
            begin, seconds = (step.began_s, step.seconds) if call_s is None else (None, step.seconds)
            if call_s is not None and step.call is not None:
                seconds = call_s
            if begin is None:
                begin = max((times[parent][1] for parent in step.after), default=0.0) + step.wait_s
            if seconds is None:
                lasts = 0.0 if step.call is None else UNTIMED_CALL_S
                seconds = max(min(lasts, due.get(index, inf) - begin), 0.0)
            times.append((begin, begin + seconds))
        return times

    def _due_after(self) -> dict[int, float]:
        """By step, the earliest that a recorded begin leaves for its end."""
        due: dict[int, float] = {}
        for step in self.steps:
            if step.began_s is not None:
                for parent in step.after:
                    due[parent] = min(due.get(parent, inf), step.began_s - step.wait_s)
        return due

    @property
    def widest(self) -> int:
        """The most model calls that run at once, by `times`."""
        times = self.times()
        changes = [change for i in self.calls for change in ((times[i][0], 1), (times[i][1], -1))]
        return max(accumulate(n for _, n in sorted(changes)), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTrace:
    """The sessions of a file, in the order of their start, and what was left out.

    `rule` says how the form was read. `left_out` counts sessions by reason, `beyond_context` those of them that exceed
    a server's context of `context_tokens`. `begin_unix_s` is the recorded start of the first session, seconds since
    1970, None where the file has no dates.
    """

    file: str
    form: str
    rule: str
    sessions: tuple[Session, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    beyond_context: int = 0
    context_tokens: int | None = None
    begin_unix_s: float | None = None

    @property
    def timed(self) -> bool:
        """Whether every session has a time of its own."""
        return all(session.begin_s is not None for session in self.sessions)

    @property
    def longest_tokens(self) -> int:
        """The most tokens of a prompt and its answer."""
        return max((session.longest_tokens for session in self.sessions), default=0)

    def within(self, context_tokens: int) -> SessionTrace:
        """Without the sessions in which a prompt and its answer exceed the context of a server; maybe without any."""
        kept = tuple(s for s in self.sessions if s.longest_tokens <= context_tokens)
        left_out, dropped = dict(self.left_out), len(self.sessions) - len(kept)
        if dropped:
            reason = f"a call of more than {context_tokens:,} tokens"
            left_out[reason] = left_out.get(reason, 0) + dropped
        return replace(
            self,
            sessions=kept,
            left_out=left_out,
            beyond_context=self.beyond_context + dropped,
            context_tokens=context_tokens,
        )

    def notes(self) -> tuple[str, ...]:
        """How the trace was read, what it holds, and what was left out, with counts."""
        notes = [f"{self.form}, {self.rule}", self._counts()]
        notes += [f"{counted(n, 'session')} left out: {reason}" for reason, n in self.left_out.items()]
        begins = [session.begin_s or 0.0 for session in self.sessions] if self.timed else []
        gaps = [gap for a, b in pairwise(begins) if (gap := b - a) > FAR_APART_S]
        if gaps:
            notes.append(
                f"{counted(len(gaps), 'pause')} of more than an hour between the starts of two sessions, "
                f"the longest {max(gaps) / 3600:,.1f} hours"
            )
        return tuple(f"{Path(self.file).name}: {note}" for note in notes)

    def _counts(self) -> str:
        steps = [step for session in self.sessions for step in session.steps]
        calls = sum(step.call is not None for step in steps)
        agents = sum(len(session.agents) for session in self.sessions)
        widest = max(session.widest for session in self.sessions)
        return (
            f"{counted(len(self.sessions), 'session')} of {counted(calls, 'model call')}, "
            f"{counted(len(steps) - calls, 'tool call')} and {counted(agents, 'sub-agent')}; "
            f"at most {counted(widest, 'model call')} of a session at once"
        )
