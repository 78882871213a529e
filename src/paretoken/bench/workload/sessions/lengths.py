"""Lengths that a trace of sessions leaves out, and whether its prompts hold messages and answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from paretoken.bench.workload.sessions.tool_results import text_of
from paretoken.errors import BadConfig
from paretoken.plural import counted as plural
from paretoken.sessions.graph import NO_STEP, Call, Session, SessionTrace

Count = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class MissingLengths:
    """Fills in lengths that a trace does not state: from the texts by `count`, else `stated` tokens for an answer.

    Without `count_answers`, answers whose length is not recorded have the stated one.
    """

    count: Count
    stated: int | None = None
    count_answers: bool = True

    def filled(self, trace: SessionTrace) -> SessionTrace:
        """The trace with the lengths of all calls. BadConfig where nothing says how long an answer is."""
        if silent := sum(self._unknown(call) for session in trace.sessions for call in session.calls.values()):
            raise BadConfig(f"{plural(silent, 'call')} of {trace.file} state no output length and no answer; set --osl")
        return replace(trace, sessions=tuple(map(self._session, trace.sessions)))

    def _unknown(self, call: Call) -> bool:
        return call.output_tokens is None and call.answer is None and self.stated is None

    def _session(self, session: Session) -> Session:
        calls: dict[int, Call] = {}
        for step, call in session.calls.items():
            output = call.output_tokens
            if output is None and call.answer is not None and self.count_answers:
                output = max(1, self.count(text_of(call.answer)))
            calls[step] = replace(call, output_tokens=self.stated if output is None else output)
            if call.input_tokens is None:
                before = calls.get(call.continues)
                calls[step] = replace(calls[step], input_tokens=self._input_tokens(call, before, session.block_tokens))
        steps = tuple(replace(step, call=calls[i]) if i in calls else step for i, step in enumerate(session.steps))
        return replace(session, steps=steps)

    def _input_tokens(self, call: Call, before: Call | None, block_tokens: int) -> int:
        """The context that a call goes on with and what it adds."""
        if call.blocks:
            return len(call.blocks) * block_tokens
        context = 0 if before is None else (before.input_tokens or 1) + (before.output_tokens or 1)
        kept = context if call.kept_tokens is None else min(context, call.kept_tokens)
        added = sum(self.count(text_of(message)) for message in call.messages)
        return max(1, (kept or call.opening_tokens) + added)


def holds_messages(trace: SessionTrace) -> bool:
    """Whether the trace holds the text of its prompts."""
    return any(call.messages for session in trace.sessions for call in session.calls.values())


def goes_on(trace: SessionTrace) -> bool:
    """Whether prompts hold the answers to earlier calls, by context and not by block ids."""
    return any(c.continues != NO_STEP and not c.blocks for s in trace.sessions for c in s.calls.values())
