"""How the levels of a run get their prompts: synthetic, conversations, or a trace; as token ids or as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from paretoken.bench.config import BenchConfig
from paretoken.bench.keys import is_loopback
from paretoken.bench.plan import Api, PromptSource
from paretoken.bench.probe import ProbedServer
from paretoken.bench.workload.bodies import Bodies, Synthetic, dialect, parse_extra
from paretoken.bench.workload.conversation import Conversations, Talk
from paretoken.bench.workload.length_text import parse_length
from paretoken.bench.workload.lengths import RequestLengths
from paretoken.bench.workload.makers import Maker, PlainWords, TokenIds, Words
from paretoken.bench.workload.prompts import Correction, Prefixes, PromptPlan
from paretoken.bench.workload.tokenizer import Tokenizer, load_tokenizer
from paretoken.bench.workload.traces import read_trace
from paretoken.bench.workload.traces.request import Trace
from paretoken.bench.workload.traces.source import Replayed
from paretoken.errors import BadConfig
from paretoken.foreign_text import visible

SAFE_VOCABULARY = 8192
"""Assumed where the vocabulary's size is unknown; every served language model has a larger one."""

SAMPLE = 128
"""Words of the sample: enough that a chat template adds little to their count."""

SourceOf = Callable[[int, Correction], PromptSource]
"""The prompts of a level by its number."""


@dataclass(frozen=True, slots=True)
class PromptSetup:
    """How each level gets its prompts, whether our token count is exact, the hit rate they imply, and notes on them.

    `trace` is the recorded workload behind them, with every length.
    """

    source_of: SourceOf
    counts_itself: bool
    hit_rate: float
    notes: tuple[str, ...]
    trace: Trace | None = None


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
        extra=parse_extra(config.extra_body) if config.extra_body else {},
    )


def sample_words(seed: int) -> str:
    """SAMPLE words as prompts are made of, to learn how many tokens the server counts for them."""
    maker = PlainWords()
    return str(maker.prompt(maker.atoms(np.random.default_rng((seed, 0x7A)), SAMPLE)).content)


def sample_ids(config: BenchConfig, server: ProbedServer) -> list[int] | None:
    """A few token ids of the server's vocabulary; None where prompts are text."""
    if config.prompt_unit == "words" or not dialect(config.dialect or server.dialect).token_ids:
        return None
    size = config.vocab_size or server.vocab_size or SAFE_VOCABULARY
    return [size // 2] * 4


def plan_prompts(
    config: BenchConfig, server: ProbedServer, bodies: Bodies, shape: RequestLengths, seed: int
) -> PromptSetup:
    """The prompts of a run. Without a tokenizer and without token ids they are words, as a note then says."""
    maker, notes = _maker(config, server, bodies)
    prefixes = Prefixes(config.prefix_share, config.prefixes) if config.prefix_share else None
    exact = isinstance(maker, TokenIds)
    if config.trace:
        trace, trace_notes = _trace(config, maker, shape)
        loops = config.arrivals != "trace"
        if server.max_context is not None:
            trace = trace.within(server.max_context)
        notes = (*notes, *trace_notes, *trace.notes(repeats=loops))

        def replayed(level: int, correction: Correction) -> Replayed:
            return Replayed(
                plan=PromptPlan(maker, seed, level, None, correction), trace=trace, bodies=bodies, repeat=loops
            )

        return PromptSetup(replayed, exact, trace.hit_rate(), notes, trace)
    if config.turns:
        talk = Talk(parse_length(config.turns), shape.isl, shape.osl, think_s=config.think_s)

        def talks(level: int, correction: Correction) -> Conversations:
            return Conversations(PromptPlan(maker, seed, level, None, correction), talk, bodies)

        return PromptSetup(talks, exact, talks(0, Correction()).hit_rate(200), notes)

    def synthetic(level: int, correction: Correction) -> Synthetic:
        return Synthetic(plan=PromptPlan(maker, seed, level, prefixes, correction), lengths=shape, bodies=bodies)

    return PromptSetup(synthetic, exact, prefixes.hit_rate(1000) if prefixes else 0.0, notes)


def _trace(config: BenchConfig, maker: Maker, shape: RequestLengths) -> tuple[Trace, tuple[str, ...]]:
    """The trace with every length it leaves out: counted by the tokenizer, else by words; --osl where it is set."""
    trace = read_trace(str(config.trace))
    tokenizer = (
        maker.tokenizer if isinstance(maker, Words) else load_tokenizer(config.tokenizer) if config.tokenizer else None
    )
    silent = sum(r.output_tokens is None for r in trace.requests)
    if tokenizer or not silent:
        return trace.counted(tokenizer.count if tokenizer else None, round(shape.osl.mean)), ()
    lengths = f"{silent:,} of {len(trace.requests):,} requests of {config.trace} state no output length"
    if config.osl is not None:
        return trace.counted(None, round(shape.osl.mean)), (f"{lengths}: --osl {config.osl} is used",)
    if any(r.output_tokens is None and r.answer is None for r in trace.requests):
        raise BadConfig(f"{lengths}, and no answer either; set --osl")
    per_word = maker.tokens_per_word if isinstance(maker, PlainWords) else 1.0
    counted = trace.counted(lambda text: round(per_word * len(text.split())))
    # Input lengths by words would pass for the server's count; they stay unknown.
    requests = tuple(
        replace(c, input_tokens=r.input_tokens) for c, r in zip(counted.requests, trace.requests, strict=True)
    )
    unit = "words" if per_word == 1.0 else f"words at {per_word:.2f} tokens each"
    return replace(counted, requests=requests), (
        f"{lengths}, and there is no tokenizer: they are counted in {unit}; for tokens, add --tokenizer PATH",
    )


def _maker(config: BenchConfig, server: ProbedServer, bodies: Bodies) -> tuple[Maker, tuple[str, ...]]:
    if config.prompt_unit == "words":
        return PlainWords(), ("prompt lengths are counted in words; token counts come from the server's usage",)
    token_ids = bodies.dialect.token_ids and bodies.api == "completions"
    size = config.vocab_size or server.vocab_size
    tokenizer = None
    if config.tokenizer:
        tokenizer = load_tokenizer(config.tokenizer)
    elif not (token_ids and size):
        tokenizer = _tokenizer_of(server, bodies.model)
    if token_ids:
        if tokenizer:
            return TokenIds.of_tokenizer(tokenizer), ()
        if size:
            return TokenIds.of_size(size), ()
        note = f"vocabulary size unknown: prompts use token ids below {SAFE_VOCABULARY:,}; set it with --vocab-size"
        return TokenIds.of_size(SAFE_VOCABULARY), (note,)
    if tokenizer is None:
        return _plain_words(config, bodies.model)
    return Words.of_tokenizer(tokenizer), ()


def _plain_words(config: BenchConfig, model: str) -> tuple[Maker, tuple[str, ...]]:
    """Words, at the tokens per word that the server counted where it did."""
    ratio = config.tokens_per_word
    how = (
        f"prompts are words at {ratio:.2f} tokens each, by the server's own count, so their length is approximate"
        if ratio
        else "prompt lengths are counted in words"
    )
    note = f"no tokenizer found for {visible(model)!r}: {how}; token counts come from the server's usage; for exact "
    return PlainWords(ratio or 1.0), (note + "lengths, add --tokenizer PATH",)


def _tokenizer_of(server: ProbedServer, model: str) -> Tokenizer | None:
    for name in (server.root, model):
        # A server elsewhere names files of its own machine; only this one may name a file here.
        if not name or (not is_loopback(server.base_url) and (name.startswith(("/", "~")) or ".." in name)):
            continue
        try:
            return load_tokenizer(name)
        except BadConfig:
            continue
    return None
