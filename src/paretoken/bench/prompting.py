"""How the levels of a run get their prompts: synthetic, conversations, or a trace; as token ids or as text."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import cycle, islice

import numpy as np

from paretoken.bench.config import BenchConfig
from paretoken.bench.plan import Api, PromptSource
from paretoken.bench.probe import ProbedServer
from paretoken.bench.prompt_makers import (
    SAFE_VOCABULARY,
    maker_tokenizer,
    prompt_maker,
    stated_osl,
    token_counter,
    tokens_per_word,
    trace_tokenizer,
    word_counter,
)
from paretoken.bench.session_trace import (
    check_answers,
    first_texts,
    generated_trace,
    served_sessions,
    session_lengths,
    session_notes,
    session_trace,
    with_served_models,
)
from paretoken.bench.workload.bodies import Bodies, Synthetic, dialect, parse_extra
from paretoken.bench.workload.conversation import Conversations, Talk
from paretoken.bench.workload.images import parse_images
from paretoken.bench.workload.length_text import parse_length
from paretoken.bench.workload.lengths import RequestLengths
from paretoken.bench.workload.makers import Maker, PlainWords, TokenIds
from paretoken.bench.workload.prompts import Correction, Prefixes, PromptPlan
from paretoken.bench.workload.sessions.lengths import MissingLengths, holds_messages
from paretoken.bench.workload.sessions.of_requests import sessions_of_requests
from paretoken.bench.workload.sessions.possible import PossibleHits
from paretoken.bench.workload.sessions.source import RecordedSessions, SessionSource
from paretoken.bench.workload.traces import read_trace
from paretoken.bench.workload.traces.request import Trace, TraceLimits
from paretoken.bench.workload.traces.source import Replayed
from paretoken.catalog.session_workload import SessionWorkload
from paretoken.errors import BadConfig
from paretoken.plural import counted
from paretoken.sessions.graph import SessionTrace
from paretoken.sessions.possible import possible_share

SAMPLE = 128
"""Words of the sample: enough that a chat template adds little to their count."""
SAMPLED = 50
"""Requests of a trace that the sample is taken from."""
SAMPLED_TALKS = 200
"""Conversations whose hit rate is that of the run."""

SourceOf = Callable[[int, Correction], PromptSource]
"""The prompts of a level by its number."""


@dataclass(frozen=True, slots=True)
class PromptSetup:
    """How each level gets its prompts, whether our token count is exact, the hit rate they imply, and notes on them.

    `trace` is the recorded workload behind them, or `sessions` where it has sessions, with every length, and `possible`
    the cache hits that these allow.
    """

    source_of: SourceOf
    counts_itself: bool
    hit_rate: float
    notes: tuple[str, ...]
    trace: Trace | None = None
    sessions: SessionTrace | None = None
    possible: PossibleHits | None = None


def request_bodies(config: BenchConfig, server: ProbedServer, model: str, api: Api) -> Bodies:
    """The bodies of a run by its settings, with the fields that every server may be asked for."""
    return Bodies(
        model=model,
        api=api,
        dialect=dialect(config.dialect or server.dialect),
        stream=config.stream,
        ignore_eos=config.ignore_eos,
        min_tokens=config.min_tokens,
        max_tokens_field="max_tokens" if config.max_tokens_field == "auto" else config.max_tokens_field,
        temperature=config.temperature,
        images=parse_images(config.images) if config.images else None,
        extra=parse_extra(config.extra_body) if config.extra_body else {},
    )


def recorded_words(config: BenchConfig) -> str:
    """SAMPLE words of the texts of a trace, over and over if it has few; "" without any."""
    words = " ".join(_recorded_texts(config)).split()
    return " ".join(islice(cycle(words), SAMPLE)) if words else ""


def sample_words(seed: int) -> str:
    """SAMPLE made-up words, to learn how many tokens the server counts for them."""
    maker = PlainWords()
    return str(maker.prompt(maker.atoms(np.random.default_rng((seed, 0x7A)), SAMPLE)).content)


def _recorded_texts(config: BenchConfig) -> list[str]:
    """The first answers of the run's trace, else its prompts; none without a trace that holds text."""
    if not config.trace:
        return []
    sessions = session_trace(config)
    return first_texts(sessions) if sessions is not None else _first_texts(config.trace)


@lru_cache(maxsize=1)
def _first_texts(file: str) -> list[str]:
    first = read_trace(file, TraceLimits(requests=SAMPLED)).requests
    return [r.answer for r in first if r.answer] or [text for r in first for text in r.texts]


def sample_ids(config: BenchConfig, server: ProbedServer) -> list[int] | None:
    """A few token ids of the server's vocabulary; None where prompts are text."""
    if config.prompt_unit == "words" or not dialect(config.dialect or server.dialect).token_ids:
        return None
    if _recorded_texts(config):
        return None
    size = config.vocab_size or server.vocab_size or SAFE_VOCABULARY
    return [size // 2] * 4


def plan_prompts(
    config: BenchConfig,
    server: ProbedServer,
    bodies: Bodies,
    shape: RequestLengths,
    seed: int,
    models: Collection[str] = (),
    workload: SessionWorkload | None = None,
) -> PromptSetup:
    """The prompts of a run: of single requests, of a trace, or of a workload of sessions.

    Without a tokenizer and without token ids they are words, as a note then says. Calls of a trace go to the model that
    they name if it is one of `models`.
    """
    maker, notes = prompt_maker(config, server, bodies)
    plan = PromptPlan(maker, seed)
    if workload is not None:
        return _of_sessions(config, plan, bodies, generated_trace(config, workload, server.max_context), notes)
    sessions = session_trace(config)
    if sessions is not None:
        lengths, more = session_lengths(config, maker, shape, server, bodies.model, sessions)
        sessions = served_sessions(sessions, lengths, server.max_context, keep_going=config.keep_going)
        sessions, of_models = with_served_models(sessions, models, bodies.model)
        return _of_sessions(config, plan, bodies, sessions, (*notes, *more, *of_models))
    if config.trace:
        return _of_requests(config, plan, bodies, shape, server, notes)
    if config.turns:
        return _of_talks(config, plan, bodies, shape, notes)
    return _synthetic(config, plan, bodies, shape, notes)


def _synthetic(
    config: BenchConfig, plan: PromptPlan, bodies: Bodies, shape: RequestLengths, notes: tuple[str, ...]
) -> PromptSetup:
    """Single prompts by their lengths, with shared prefixes if there are any."""
    prefixes = Prefixes(config.prefix_share, config.prefixes) if config.prefix_share else None

    def synthetic(level: int, correction: Correction) -> Synthetic:
        of_level = replace(plan, point=level, prefixes=prefixes, correction=correction)
        return Synthetic(plan=of_level, lengths=shape, bodies=bodies, batch=config.batch)

    notes = (*notes, *_extent_notes(config, bodies))
    exact = isinstance(plan.maker, TokenIds)
    return PromptSetup(synthetic, exact, prefixes.hit_rate(1000) if prefixes else 0.0, notes)


def _of_talks(
    config: BenchConfig, plan: PromptPlan, bodies: Bodies, shape: RequestLengths, notes: tuple[str, ...]
) -> PromptSetup:
    """The prompts of synthetic conversations."""
    talk = Talk(parse_length(str(config.turns)), shape.isl, shape.osl, think_s=config.think_s)
    check_answers(config, plan.maker, None)

    def talks(level: int, correction: Correction) -> SessionSource:
        of_level = replace(plan, point=level, correction=correction)
        conversations = Conversations(of_level, talk)
        return SessionSource(plan=of_level, sessions=conversations, bodies=bodies, answers=config.answers)

    some = [Conversations(plan, talk).drawn(k) for k in range(SAMPLED_TALKS)]
    hit_rate = possible_share(some, own_answers=config.answers == "server")
    return PromptSetup(talks, isinstance(plan.maker, TokenIds), hit_rate, notes)


def _of_requests(
    config: BenchConfig,
    plan: PromptPlan,
    bodies: Bodies,
    shape: RequestLengths,
    server: ProbedServer,
    notes: tuple[str, ...],
) -> PromptSetup:
    """The prompts of a trace of requests; those of its turns, which follow each other, are those of sessions."""
    trace, trace_notes = _trace(config, plan.maker, shape, server, bodies)
    if trace.in_turns:
        lengths = MissingLengths(token_counter(config, maker_tokenizer(config, plan.maker)))
        sessions = sessions_of_requests(trace, config.think_s)
        sessions = served_sessions(sessions, lengths, server.max_context, keep_going=True)
        return _of_sessions(config, plan, bodies, sessions, (*notes, *trace_notes))
    if server.max_context is not None:
        trace = trace.within(server.max_context)
    loops = config.arrivals != "trace"

    def replayed(level: int, correction: Correction) -> Replayed:
        of_level = replace(plan, point=level, correction=correction)
        return Replayed(plan=of_level, trace=trace, bodies=bodies, repeat=loops)

    notes = (*notes, *trace_notes, *trace.notes(repeats=loops))
    return PromptSetup(replayed, isinstance(plan.maker, TokenIds), trace.hit_rate(), notes, trace)


def _of_sessions(
    config: BenchConfig, plan: PromptPlan, bodies: Bodies, trace: SessionTrace, notes: tuple[str, ...]
) -> PromptSetup:
    """The prompts of recorded sessions, which a closed loop and a rate begin anew at their end."""
    check_answers(config, plan.maker, trace)
    recorded = RecordedSessions(trace.sessions, repeat=config.arrivals != "trace")

    def played(level: int, correction: Correction) -> SessionSource:
        return SessionSource(
            plan=replace(plan, point=level, correction=correction),
            sessions=recorded,
            bodies=bodies,
            answers=config.answers,
            idle_cap_s=config.idle_cap_s,
        )

    exact = isinstance(plan.maker, TokenIds) and not holds_messages(trace)
    notes = (*notes, *session_notes(config, trace, repeats=recorded.repeat))
    own = config.answers == "server"
    return PromptSetup(
        played,
        exact,
        possible_share(trace.sessions, own_answers=own),
        notes,
        sessions=trace,
        possible=PossibleHits.of(trace.sessions, own_answers=own),
    )


def _extent_notes(config: BenchConfig, bodies: Bodies) -> list[str]:
    """What a request holds beside one text: images, or several inputs. BadConfig for images where none can be."""
    if bodies.images is not None:
        if not bodies.takes_messages:
            raise BadConfig(f"--images needs messages, which --api {bodies.api} does not take; use --api chat")
        return [bodies.images.note]
    if bodies.api == "messages" and config.ignore_eos:
        return ["Messages has no field that forces the length of an answer: answers may end before --osl"]
    if bodies.api != "embeddings":
        return []
    inputs = counted(config.batch, "input")
    return [f"each request embeds {inputs}, so inputs/s is {config.batch} times requests/s; there are no output tokens"]


def _trace(
    config: BenchConfig, maker: Maker, shape: RequestLengths, server: ProbedServer, bodies: Bodies
) -> tuple[Trace, tuple[str, ...]]:
    """The trace with the lengths that it leaves out, and notes on where they are from. BadConfig where nothing says.

    Recorded answers are counted by the tokenizer, else by the server's own tokens per word of this trace; --osl is for
    what neither knows.
    """
    trace = read_trace(str(config.trace))
    notes = _limits_note(trace, bodies)
    silent = [r for r in trace.requests if r.output_tokens is None]
    tokenizer = trace_tokenizer(config, maker, server, bodies.model) if silent else maker_tokenizer(config, maker)
    count = tokenizer.count if tokenizer else None
    stated = stated_osl(config, shape)
    unanswered = [r for r in silent if r.answer is None]
    guessed = silent if tokenizer is None else unanswered
    of = f"of {len(trace.requests):,} requests of {config.trace} state no output length"
    if guessed and stated is not None:
        option = f"--osl {config.osl}" if config.osl is not None else f"the mean of --workload {config.workload}"
        return trace.counted(count, stated), (*notes, f"{len(guessed):,} {of}: {option} is used")
    if unanswered:
        raise BadConfig(f"{len(unanswered):,} {of}, and no answer either; set --osl")
    if tokenizer or not silent:
        return trace.counted(count), notes
    per_word, how = tokens_per_word(config, f"{len(silent):,} {of}")
    counted = trace.counted(word_counter(per_word))
    # Input lengths by words would pass for the server's count; they stay unknown.
    requests = tuple(
        replace(c, input_tokens=r.input_tokens) for c, r in zip(counted.requests, trace.requests, strict=True)
    )
    return replace(counted, requests=requests), (*notes, how)


def _limits_note(trace: Trace, bodies: Bodies) -> tuple[str, ...]:
    """That answers are made as long as a limit on them, where the trace states no more than that."""
    limits = sum(r.output_is_limit for r in trace.requests)
    if not limits or not bodies.forces_length:
        return ()
    return (
        f"{limits:,} of {len(trace.requests):,} requests of {trace.file} state max_tokens, a limit, and every answer "
        "is made that long; for answers that end by themselves, add --no-ignore-eos",
    )
