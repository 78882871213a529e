"""The sessions of a run: read from its trace, with every length, as far as the server can serve them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from paretoken.bench.config import BenchConfig
from paretoken.bench.probe import ProbedServer
from paretoken.bench.prompt_makers import stated_osl, token_counter, tokens_per_word, trace_tokenizer, word_counter
from paretoken.bench.workload.lengths import RequestLengths
from paretoken.bench.workload.makers import Maker, TokenIds
from paretoken.bench.workload.sessions.lengths import MissingLengths, goes_on, holds_messages
from paretoken.bench.workload.sessions.tool_results import text_of
from paretoken.catalog.session_workload import SessionWorkload
from paretoken.emulated import marked
from paretoken.errors import BadConfig, BadFile
from paretoken.foreign_text import visible
from paretoken.plural import counted
from paretoken.sessions.generate import generated
from paretoken.sessions.graph import NO_STEP, Call, SessionTrace, Step
from paretoken.sessions.label import SAMPLE_SESSIONS
from paretoken.sessions.read import is_session_file, read_sessions

MOST_MODELS, LONGEST_NAME = 5, 100
"""Of models that a note names, and characters of a name."""
SAMPLED = 50
"""Sessions whose texts show how many tokens a word has."""


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


def generated_trace(config: BenchConfig, workload: SessionWorkload, context: int | None) -> SessionTrace:
    """Sessions of a workload of the catalog that a server's context has room for. BadConfig where it has none."""
    count, seed = config.sessions or SAMPLE_SESSIONS, config.session_seed
    sessions = generated(workload, count, seed, context_tokens=context)
    within = "" if context is None else f" within a context of {context:,} tokens"
    rule = f"{counted(count, 'session')} drawn from the workload with seed {seed}{within}, with made-up text"
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
    stated = stated_osl(config, shape)
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
    return MissingLengths(word_counter(per_word)), (how,)


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
    if not served.sessions:
        shortest = min(session.longest_tokens for session in filled.sessions)
        raise BadFile(
            f"{trace.file} holds no session within the server's context of {context:,} tokens; "
            f"its shortest session needs {shortest:,}"
        )
    if beyond and not keep_going:
        raise BadFile(
            f"{trace.file}: {beyond:,} of {counted(len(filled.sessions), 'session')} "
            f"{'exceeds' if beyond == 1 else 'exceed'} the server's context of {context:,} tokens, the longest with "
            f"{filled.longest_tokens:,}; serve the model with a longer context, or leave them "
            "out with --keep-going"
        )
    return served


def with_served_models(
    trace: SessionTrace, models: Collection[str], instead: str
) -> tuple[SessionTrace, tuple[str, ...]]:
    """The trace whose calls name no model but those served, and notes on both kinds; `instead` serves the others."""
    sent, replaced = Counter[str](), Counter[str]()

    def step_of(step: Step) -> Step:
        if step.call is None or not (recorded := step.call.model):
            return step
        name = next((n for n in (marked(recorded), recorded) if n in models), "")
        (sent if name else replaced)[name or recorded] += 1
        return step if name == recorded else replace(step, call=replace(step.call, model=name))

    sessions = tuple(replace(s, steps=tuple(map(step_of, s.steps))) for s in trace.sessions)
    notes = []
    if sent:
        notes.append(f"{counted(sent.total(), 'call')} go to the model that the trace names: {_named(sent)}")
    if replaced and set(replaced) != {instead}:
        by = visible(instead) if models else "those of the endpoints"
        what = f"the recorded models of {counted(replaced.total(), 'call')} were replaced by {by}"
        notes.append(f"{what}: {_named(replaced)}")
    name = Path(trace.file).name
    return replace(trace, sessions=sessions), tuple(f"{name}: {note}" for note in notes)


def _named(calls: Counter[str]) -> str:
    """`a (12), b (3) and 2 more`."""
    listed = ", ".join(f"{visible(model)[:LONGEST_NAME]} ({n:,})" for model, n in calls.most_common(MOST_MODELS))
    return f"{listed} and {len(calls) - MOST_MODELS} more" if len(calls) > MOST_MODELS else listed


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
    if holds_messages(trace):
        again = "in every level after the first" + (", and when the trace begins again" if repeats else "")
        notes.append(
            f"{again}, prompts begin with a line that names level and pass, so that no prefix cache holds them from "
            "before; they are longer by its few tokens"
        )
    notes += _odd_lengths(trace)
    if holds_messages(trace) or config.prompt_unit == "words":
        notes.append("only the server counts these prompts: hits possible are the same share of each as in the trace")
    return (*trace.notes(), *(f"{Path(trace.file).name}: {note}" for note in notes))


def _odd_lengths(trace: SessionTrace) -> Iterator[str]:
    """Lengths that no server can produce as the trace states them, and what is sent instead."""
    pairs = [(call, session.calls) for session in trace.sessions for call in session.calls.values()]
    if empty := sum(call.output_tokens == 0 for call, _ in pairs):
        yield f"{counted(empty, 'call')} with 0 output tokens: 1 is asked for"
    if short := sum(_shortened(call, calls) for call, calls in pairs):
        yield (
            f"{counted(short, 'prompt')} shorter than the prompt and answer of the call that it continues, with no "
            "stated part of them kept: its beginning is kept"
        )


def _shortened(call: Call, calls: Mapping[int, Call]) -> bool:
    if call.continues == NO_STEP or call.blocks or call.messages or call.kept_tokens is not None:
        return False
    before = calls[call.continues]
    return (call.input_tokens or 1) < (before.input_tokens or 1) + (before.output_tokens or 1)


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
