"""The sessions of a run: read from its trace, with every length, as far as the server can serve them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from paretoken.bench.config import BenchConfig
from paretoken.bench.probe import ProbedServer
from paretoken.bench.prompt_makers import token_counter, tokens_per_word, trace_tokenizer
from paretoken.bench.workload.lengths import RequestLengths
from paretoken.bench.workload.makers import Maker, TokenIds
from paretoken.bench.workload.sessions.lengths import MissingLengths, goes_on, holds_messages
from paretoken.bench.workload.sessions.tool_results import text_of
from paretoken.catalog.session_workload import SessionWorkload
from paretoken.errors import BadConfig, BadFile
from paretoken.plural import counted
from paretoken.sessions.generate import generated
from paretoken.sessions.graph import NO_STEP, Call, SessionTrace
from paretoken.sessions.read import is_session_file, read_sessions

SAMPLED = 50
"""Sessions whose texts show how many tokens a word has."""
GENERATED, GENERATED_SEED = 256, 0
"""Sessions of a workload of the catalog, the first ones that predictions simulate."""


def session_trace(config: BenchConfig) -> SessionTrace | None:
    """The sessions of the run's trace file; None where it has no trace, or one of single requests."""
    if not config.trace:
        return None
    path = Path(config.trace)
    try:
        changed_ns = path.stat().st_mtime_ns
    except OSError:
        return None  # the reader of other traces says why
    trace = _read(str(path.absolute()), changed_ns, config.keep_going)
    return None if trace is None else replace(trace, file=config.trace)


@lru_cache(maxsize=1)
def _read(file: str, changed_ns: int, keep_going: bool) -> SessionTrace | None:
    return read_sessions(file, keep_going=keep_going) if is_session_file(file) else None


def generated_trace(workload: SessionWorkload, context: int | None) -> SessionTrace:
    """Sessions of a workload of the catalog that a server's context has room for. BadConfig where it has none."""
    sessions = generated(workload, GENERATED, GENERATED_SEED, context_tokens=context)
    within = "" if context is None else f" within a context of {context:,} tokens"
    rule = f"{GENERATED} sessions drawn from the workload{within}, with made-up text"
    return SessionTrace(file=workload.name, form="generated", rule=rule, sessions=tuple(sessions))


def first_texts(trace: SessionTrace) -> list[str]:
    """Some recorded answers, else some recorded prompts; none of a trace of lengths."""
    calls = [call for session in trace.sessions[:SAMPLED] for call in session.calls.values()]
    answers = [text_of(call.answer) for call in calls if call.answer is not None]
    return list(filter(None, answers)) or [text for call in calls for m in call.messages if (text := text_of(m))]


def needs_chat(config: BenchConfig) -> bool:
    """Whether the prompts of a run have roles, or answers of the server in them, which the chat API takes best."""
    trace = session_trace(config)
    return config.answers == "server" or (trace is not None and holds_messages(trace))


def session_lengths(
    config: BenchConfig, maker: Maker, shape: RequestLengths, server: ProbedServer, model: str, trace: SessionTrace
) -> tuple[MissingLengths, tuple[str, ...]]:
    """How the lengths are counted that a trace of sessions does not state, and notes on it."""
    missing = _unmeasured(trace)
    tokenizer = trace_tokenizer(config, maker, server, model) if missing else None
    count = token_counter(config, tokenizer)
    stated = round(shape.osl.mean) if config.osl is not None or config.workload else None
    silent = [call for call in missing if call.output_tokens is None]
    guessed = [call for call in silent if tokenizer is None or call.answer is None]
    total = sum(len(session.calls) for session in trace.sessions)
    of = f"{len(guessed):,} of {total:,} calls of {trace.file} state no output length"
    if guessed and stated is not None:
        option = f"--osl {config.osl}" if config.osl is not None else f"the mean of --workload {config.workload}"
        return MissingLengths(count, stated, count_answers=tokenizer is not None), (f"{of}: {option} is used",)
    if tokenizer is not None or not any(call.answer is not None for call in silent):
        return MissingLengths(count), ()
    per_word, how = tokens_per_word(config, of)
    return MissingLengths(lambda text: round(per_word * len(text.split()))), (how,)


def _unmeasured(trace: SessionTrace) -> list[Call]:
    """The calls without an output length, or without an input length that their texts can give."""
    calls = (call for session in trace.sessions for call in session.calls.values())
    return [call for call in calls if call.output_tokens is None or (call.input_tokens is None and call.messages)]


def served_sessions(
    trace: SessionTrace, lengths: MissingLengths, context: int | None, *, keep_going: bool
) -> SessionTrace:
    """The trace with all lengths. Sessions beyond the server's context are BadFile, or with `keep_going` left out."""
    filled = lengths.filled(trace)
    if context is None:
        return filled
    served = filled.within(context)
    beyond = len(filled.sessions) - len(served.sessions)
    if beyond and not keep_going:
        longest = max(session.longest_tokens for session in filled.sessions)
        raise BadFile(
            f"{trace.file}: {counted(beyond, 'session')} of {len(filled.sessions):,} exceed the server's context of "
            f"{context:,} tokens, the longest with {longest:,}; serve the model with a longer context, or leave them "
            "out with --keep-going"
        )
    return served


def check_answers(config: BenchConfig, maker: Maker, trace: SessionTrace | None) -> None:
    """BadConfig where later prompts cannot hold the server's answers."""
    if config.answers != "server":
        return
    if trace is not None and not goes_on(trace):
        raise BadConfig(
            f"--answers server: no prompt of {trace.file} goes on with an earlier call, so none can hold its answer; "
            "leave it out"
        )
    if isinstance(maker, TokenIds) and not (trace is not None and holds_messages(trace)):
        raise BadConfig("--answers server needs prompts of text, and these are token ids; add --api chat")


def session_notes(config: BenchConfig, trace: SessionTrace, *, repeats: bool) -> tuple[str, ...]:
    """How the sessions were read, and what a run of them does not reproduce, with counts."""
    notes = []
    if goes_on(trace):
        notes.append(_answers_note(config, trace))
    if config.idle_cap_s is not None:
        notes.append(f"waits and tools last at most {config.idle_cap_s:g} s")
    if repeats and holds_messages(trace):
        notes.append("after its last session the trace begins again with the same prompts, which a prefix cache finds")
    return (*trace.notes(), *(f"{Path(trace.file).name}: {note}" for note in notes))


def _answers_note(config: BenchConfig, trace: SessionTrace) -> str:
    if config.answers == "server":
        return "later prompts hold the server's own answers"
    missing = sum(_unrecorded(session.calls) for session in trace.sessions)
    rest = f"; text of the same length stands in for {counted(missing, 'answer')} that it lacks" if missing else ""
    return f"later prompts hold the answers of the trace{rest}"


def _unrecorded(calls: Mapping[int, Call]) -> int:
    """Calls that others go on with and whose answer is not recorded."""
    followed: Sequence[int] = [c.continues for c in calls.values() if c.continues != NO_STEP and not c.blocks]
    return sum(calls[step].answer is None for step in set(followed))
