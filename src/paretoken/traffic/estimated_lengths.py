"""Lengths that a trace of sessions does not state, estimated from its recorded texts."""

from __future__ import annotations

from dataclasses import replace

from paretoken.bench.workload.sessions.lengths import MissingLengths
from paretoken.errors import BadFile
from paretoken.plural import counted
from paretoken.sessions.estimate import CHARS_PER_TOKEN, estimated_tokens
from paretoken.sessions.graph import Call, SessionTrace

LEFT_OUT = "a call without lengths"


def with_lengths(trace: SessionTrace, *, keep_going: bool = False) -> SessionTrace:
    """The trace with the lengths of all calls, by four characters a token where only their text says them.

    Sessions with a call whose length neither a number nor a text gives are BadFile, or with `keep_going` left out.
    """
    unknown = sum(not _measurable(call) for session in trace.sessions for call in session.calls.values())
    if unknown:
        trace = _left_out(trace, unknown, keep_going=keep_going)
    silent = sum(_silent(call) for session in trace.sessions for call in session.calls.values())
    if not silent:
        return trace
    filled = MissingLengths(estimated_tokens).filled(trace)
    rule = f"lengths of {counted(silent, 'call')} estimated from their text at {CHARS_PER_TOKEN} characters a token"
    return replace(filled, rule=f"{trace.rule}; {rule}")


def _left_out(trace: SessionTrace, unknown: int, *, keep_going: bool) -> SessionTrace:
    kept = tuple(session for session in trace.sessions if all(map(_measurable, session.calls.values())))
    if not (keep_going and kept):
        leave = "" if keep_going or not kept else ", or leave their sessions out with --keep-going"
        raise BadFile(
            f"{counted(unknown, 'model call')} of {trace.file} without input or output tokens and without a text to "
            f"count; add their numbers{leave}"
        )
    dropped = len(trace.sessions) - len(kept)
    left_out = {**trace.left_out, LEFT_OUT: trace.left_out.get(LEFT_OUT, 0) + dropped}
    return replace(trace, sessions=kept, left_out=left_out)


def _silent(call: Call) -> bool:
    return call.input_tokens is None or call.output_tokens is None


def _measurable(call: Call) -> bool:
    """Whether numbers or texts give both lengths."""
    prompt = call.input_tokens or (call.input_tokens is None and (call.messages or call.blocks))
    answer = call.output_tokens or (call.output_tokens is None and call.answer is not None)
    return bool(prompt and answer)
