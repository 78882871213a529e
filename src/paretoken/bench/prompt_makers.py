"""What the prompts of a run are made of, and what counts the tokens of recorded texts."""

from __future__ import annotations

from paretoken.bench.apis import TAKE_IDS
from paretoken.bench.config import BenchConfig
from paretoken.bench.keys import is_loopback
from paretoken.bench.probe import ProbedServer
from paretoken.bench.workload.bodies import Bodies
from paretoken.bench.workload.lengths import RequestLengths
from paretoken.bench.workload.makers import Maker, PlainWords, TokenIds, Words
from paretoken.bench.workload.sessions.lengths import Count
from paretoken.bench.workload.tokenizer import Tokenizer, load_tokenizer
from paretoken.errors import BadConfig
from paretoken.foreign_text import visible

SAFE_VOCABULARY = 8192
"""Assumed where the vocabulary's size is unknown; every served language model has a larger one."""


def prompt_maker(config: BenchConfig, server: ProbedServer, bodies: Bodies) -> tuple[Maker, tuple[str, ...]]:
    """The maker of synthetic prompts, and notes on it."""
    if config.prompt_unit == "words":
        return PlainWords(), ("prompt lengths are counted in words; token counts come from the server's usage",)
    token_ids = bodies.dialect.token_ids and bodies.api in TAKE_IDS
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


def maker_tokenizer(config: BenchConfig, maker: Maker) -> Tokenizer | None:
    """The tokenizer that is set, or that prompts are made by."""
    if isinstance(maker, Words):
        return maker.tokenizer
    return load_tokenizer(config.tokenizer) if config.tokenizer else None


def trace_tokenizer(config: BenchConfig, maker: Maker, server: ProbedServer, model: str) -> Tokenizer | None:
    """What counts recorded answers: the tokenizer that is set, else that of the model if this machine has it."""
    own = maker_tokenizer(config, maker)
    return own or (None if config.prompt_unit == "words" else _tokenizer_of(server, model))


def tokens_per_word(config: BenchConfig, lengths: str) -> tuple[float, str]:
    """Tokens per word of recorded answers without a tokenizer, and the note on it."""
    if config.prompt_unit == "words":
        return 1.0, f"{lengths}: a word of the recorded answer counts as one token; for tokens, add --tokenizer PATH"
    if config.tokens_per_recorded_word is None:
        raise BadConfig(
            f"{lengths}; their answers are text, there is no tokenizer of the model here, and the server counts no "
            "tokens: add --tokenizer PATH, set --osl, or count words with --prompt-unit words"
        )
    ratio = config.tokens_per_recorded_word
    return ratio, (
        f"{lengths}, and there is no tokenizer: the recorded answers have {ratio:.2f} tokens a word, by the server's "
        "count of the first of them; for exact lengths, add --tokenizer PATH"
    )


def token_counter(config: BenchConfig, tokenizer: Tokenizer | None) -> Count:
    """Tokens of a text: by a tokenizer, else by its words."""
    return tokenizer.count if tokenizer else word_counter(config.tokens_per_recorded_word or 1.0)


def word_counter(per_word: float) -> Count:
    """Tokens of a text at a fixed number of tokens per word."""
    return lambda text: round(per_word * len(text.split()))


def stated_osl(config: BenchConfig, shape: RequestLengths) -> int | None:
    """The output length that the user states, for calls of a trace without one; None without any."""
    return round(shape.osl.mean) if config.osl is not None or config.workload else None
