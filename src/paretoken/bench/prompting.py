"""How the levels of a run get their prompts: synthetic, conversations, or a trace; as token ids or as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from paretoken.bench.config import BenchConfig
from paretoken.bench.plan import PromptSource
from paretoken.bench.probe import ProbedServer
from paretoken.bench.workload.bodies import Bodies, Synthetic, dialect, parse_extra
from paretoken.bench.workload.conversation import Conversations, Talk
from paretoken.bench.workload.length_text import parse_length
from paretoken.bench.workload.lengths import RequestLengths
from paretoken.bench.workload.makers import Maker, PlainWords, TokenIds, Words
from paretoken.bench.workload.prompts import Correction, Prefixes, PromptPlan
from paretoken.bench.workload.tokenizer import Tokenizer, load_tokenizer
from paretoken.bench.workload.traces import read_trace
from paretoken.bench.workload.traces.source import Replayed
from paretoken.errors import BadConfig

SAFE_VOCABULARY = 8192
"""Assumed where the vocabulary's size is unknown; every served language model has a larger one."""

SourceOf = Callable[[int, Correction], PromptSource]
"""The prompts of a level by its number."""


@dataclass(frozen=True, slots=True)
class PromptSetup:
    """How each level gets its prompts, whether our token count is exact, the hit rate they imply, and notes on them."""

    source_of: SourceOf
    counts_itself: bool
    hit_rate: float
    notes: tuple[str, ...]


def plan_prompts(
    config: BenchConfig, server: ProbedServer, model: str, shape: RequestLengths, seed: int
) -> PromptSetup:
    engine_dialect = dialect(config.dialect or server.dialect)
    bodies = Bodies(
        model=model,
        api=config.api,
        dialect=engine_dialect,
        stream=config.stream,
        ignore_eos=config.ignore_eos,
        min_tokens=config.min_tokens,
        temperature=config.temperature,
        extra=parse_extra(config.extra_body) if config.extra_body else {},
    )
    maker, notes = _maker(config, server, model, engine_dialect.token_ids and config.api == "completions")
    prefixes = Prefixes(config.prefix_share, config.prefixes) if config.prefix_share else None
    exact = isinstance(maker, TokenIds)
    if config.trace:
        count = None if isinstance(maker, PlainWords) else getattr(getattr(maker, "tokenizer", None), "count", None)
        trace = read_trace(config.trace).counted(count, round(shape.osl.mean))
        loops = config.arrivals != "trace"

        def replayed(level: int, correction: Correction) -> Replayed:
            return Replayed(
                plan=PromptPlan(maker, seed, level, None, correction), trace=trace, bodies=bodies, repeat=loops
            )

        return PromptSetup(replayed, exact, trace.hit_rate(), notes)
    if config.turns:
        talk = Talk(parse_length(config.turns), shape.isl, shape.osl, think_s=config.think_s)

        def talks(level: int, correction: Correction) -> Conversations:
            return Conversations(PromptPlan(maker, seed, level, None, correction), talk, bodies)

        return PromptSetup(talks, exact, talks(0, Correction()).hit_rate(200), notes)

    def synthetic(level: int, correction: Correction) -> Synthetic:
        return Synthetic(plan=PromptPlan(maker, seed, level, prefixes, correction), lengths=shape, bodies=bodies)

    return PromptSetup(synthetic, exact, prefixes.hit_rate(1000) if prefixes else 0.0, notes)


def _maker(config: BenchConfig, server: ProbedServer, model: str, token_ids: bool) -> tuple[Maker, tuple[str, ...]]:
    if config.prompt_unit == "words":
        return PlainWords(), ("prompt lengths are counted in words; token counts come from the server's usage",)
    size = config.vocab_size or server.vocab_size
    tokenizer = None
    if config.tokenizer:
        tokenizer = load_tokenizer(config.tokenizer)
    elif not (token_ids and size):
        tokenizer = _tokenizer_of(server, model)
    if token_ids:
        if tokenizer:
            return TokenIds.of_tokenizer(tokenizer), ()
        if size:
            return TokenIds.of_size(size), ()
        note = f"vocabulary size unknown: prompts use token ids below {SAFE_VOCABULARY:,}; set it with --vocab-size"
        return TokenIds.of_size(SAFE_VOCABULARY), (note,)
    if tokenizer is None:
        raise BadConfig(
            f"no tokenizer found for {model!r}; add --tokenizer PATH, or count words instead with --prompt-unit words"
        )
    return Words.of_tokenizer(tokenizer), ()


def _tokenizer_of(server: ProbedServer, model: str) -> Tokenizer | None:
    for name in (server.root, model):
        if not name:
            continue
        try:
            return load_tokenizer(name)
        except BadConfig:
            continue
    return None
