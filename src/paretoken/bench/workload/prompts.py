"""Synthetic prompts of an exact token count, unlike each other unless they are asked to share a prefix.

A maker draws *atoms*, one for each token, and turns any run of atoms into a prompt. Prefixes, trace blocks
and conversations are runs of atoms put together, so they share what they should, token for token.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from paretoken.bench.workload.tokenizer import Tokenizer
from paretoken.errors import BadConfig

Ints = npt.NDArray[np.int64]

# What each stream of randomness is for: the second word of its key, so that none repeats another.
REQUEST, LENGTHS, PREFIX, BLOCK, SESSION = range(5)
_LETTERS = "bcdfghjklmnprstvwz", "aeiou"
_POOL = 2048
_ROW = 16


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text or a list of token ids, and its length by our own count; -1 where only the server can count."""

    content: str | list[int]
    tokens: int


class Maker(Protocol):
    """Makes prompts from atoms."""

    def atoms(self, rng: np.random.Generator, n: int) -> Ints:
        """n atoms at random, int64, shape (n,)."""
        ...

    def prompt(self, atoms: Ints) -> Prompt:
        """The prompt of exactly len(atoms) tokens; equal beginnings of atoms are equal beginnings of prompts."""
        ...


@dataclass(frozen=True, eq=False)
class TokenIds:
    """Prompts as token ids, which the completions API of vLLM, SGLang, TensorRT-LLM and llama.cpp takes.

    `ids` are those to draw from; no special ones, for a BOS or an end of turn would change what is measured.
    """

    ids: Ints

    def __post_init__(self) -> None:
        if len(self.ids) < 2:
            raise BadConfig("token-id prompts need a vocabulary of at least 2 tokens; check --vocab-size")

    @classmethod
    def of_tokenizer(cls, tokenizer: Tokenizer) -> TokenIds:
        return cls(tokenizer.plain_ids())

    @classmethod
    def of_size(cls, vocab_size: int) -> TokenIds:
        """Without a tokenizer: the first and last eighth are left out, for special tokens sit at the ends."""
        edge = max(3, vocab_size // 8)
        return cls(np.arange(edge, vocab_size - edge, dtype=np.int64))

    def atoms(self, rng: np.random.Generator, n: int) -> Ints:
        return self.ids[rng.integers(len(self.ids), size=n)]

    def prompt(self, atoms: Ints) -> Prompt:
        return Prompt(atoms.tolist(), len(atoms))


@dataclass(frozen=True, eq=False)
class Words:
    """Prompts as words of one token each; every prompt is encoded again and mended until its count is exact.

    A prompt that cannot be mended raises BadConfig. `lead` is what stands before the first word. Encoding again
    is nearly all of the cost (1 to 2 ms for 1,024 tokens); `verify_one_in` n does it for one prompt in n, which
    rests on the pool, whose words were found to be stable beside each other.
    """

    tokenizer: Tokenizer
    pool: tuple[str, ...]
    lead: str
    verify_one_in: int = 1

    @classmethod
    def of_tokenizer(cls, tokenizer: Tokenizer, most: int = _POOL, verify_one_in: int = 1) -> Words:
        """With the words of the vocabulary that stay one token each in any order."""
        for lead in (" ", ""):
            pool = _safe_words(tokenizer, lead, most)
            if len(pool) >= 16:
                return cls(tokenizer, pool, lead, verify_one_in)
        raise BadConfig(
            f"the tokenizer {tokenizer.path} has too few words of one token to build text of an exact length; "
            "send token ids to a completions server, or use --prompt-unit words"
        )

    def atoms(self, rng: np.random.Generator, n: int) -> Ints:
        return rng.integers(len(self.pool), size=n)

    def prompt(self, atoms: Ints) -> Prompt:
        wanted, words = len(atoms), [self.pool[a] for a in atoms.tolist()]
        text = self._join(words)
        # Chosen by its content, so that it does not matter which worker builds it.
        if int(atoms[0]) % self.verify_one_in == 0 and self.tokenizer.count(text) != wanted:
            text = self._mended(words, wanted)
        return Prompt(text, wanted)

    def _mended(self, words: list[str], wanted: int) -> str:
        """The words cut to at most `wanted` tokens, then filled with whatever words of the pool still fit."""
        while words and self.tokenizer.count(self._join(words)) > wanted:
            words = words[:-1]
        missing = wanted - (self.tokenizer.count(self._join(words)) if words else 0)
        if missing == 0:
            return self._join(words)
        for word in itertools.islice(itertools.cycle(self.pool), len(self.pool) * (missing + 1)):
            counted = self.tokenizer.count(self._join([*words, word]))
            if counted <= wanted:
                words.append(word)
            if counted == wanted:
                return self._join(words)
        raise BadConfig(
            f"no text of exactly {wanted} tokens can be built with the tokenizer {self.tokenizer.path}; "
            "send token ids to a completions server, or use --prompt-unit words"
        )

    def _join(self, words: list[str]) -> str:
        return self.lead + " ".join(words)


@dataclass(frozen=True, eq=False)
class PlainWords:
    """Prompts of n pronounceable words where there is no tokenizer; the server says how many tokens they were."""

    @cached_property
    def pool(self) -> tuple[str, ...]:
        syllables = [c + v for c in _LETTERS[0] for v in _LETTERS[1]]
        return tuple(a + b for a in syllables for b in syllables)

    def atoms(self, rng: np.random.Generator, n: int) -> Ints:
        return rng.integers(len(self.pool), size=n)

    def prompt(self, atoms: Ints) -> Prompt:
        return Prompt(" ".join(self.pool[a] for a in atoms.tolist()), -1)


def _safe_words(tokenizer: Tokenizer, lead: str, most: int) -> tuple[str, ...]:
    """Up to `most` plain words, spread over the vocabulary, that stay one token each beside any other."""
    ids = tokenizer.plain_ids()
    words: dict[str, None] = {}
    # Any fixed order that spreads: the pool belongs to the tokenizer, not to the run's seed.
    for token in np.random.default_rng(0).permutation(ids).tolist():
        word = tokenizer.decode([token]).strip()
        if 3 <= len(word) <= 16 and word.isascii() and word.isalpha() and word.islower():
            if tokenizer.count(lead + word) == 1 and tokenizer.count(f"{lead}{word} {word}") == 2:
                words[word] = None
            if len(words) == most:
                break
    rows = [list(words)[k : k + _ROW] for k in range(0, len(words), _ROW)]
    pool = [w for row in rows if tokenizer.count(lead + " ".join(row)) == len(row) for w in row]
    return tuple(pool) if tokenizer.count(lead + " ".join(reversed(pool))) == len(pool) else ()


@dataclass(frozen=True, slots=True)
class Correction:
    """Tokens that the server counts beyond ours: `offset`, and `per_turn` for each turn of a chat after the first.

    A turn is an answer and the message after it. `spread` is the largest deviation of an answer; 0 when the
    template adds a constant.
    """

    offset: int = 0
    per_turn: int = 0
    spread: int = 0

    @classmethod
    def learn(cls, seen: Sequence[tuple[int, int, int]]) -> Correction:
        """From (turns, our count, the server's `usage.prompt_tokens`) of some answers, by medians.

        Our count is what was built: `Prepared.input_tokens` of requests made without a correction.
        """
        if not seen:
            return cls()
        extra = [(turns, served - ours) for turns, ours, served in seen]
        fewest = min(t for t, _ in extra)
        base = _median([e for t, e in extra if t == fewest])
        slopes = [(e - base) / (t - fewest) for t, e in extra if t > fewest]
        per_turn = _median(slopes) if slopes else 0
        offset = base - per_turn * (fewest - 1)
        spread = max(abs(e - offset - per_turn * (t - 1)) for t, e in extra)
        return cls(offset, per_turn, spread)

    def of(self, turns: int = 1) -> int:
        """Tokens that the server will add to a prompt of so many turns."""
        return self.offset + self.per_turn * (turns - 1)

    def ours(self, wanted: int, turns: int = 1) -> int:
        """How many tokens to build so that the server counts `wanted`; at least 1."""
        return max(1, wanted - self.of(turns))


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Every prompt begins with `share` of its tokens taken from one of `distinct` prefixes, drawn evenly."""

    share: float
    distinct: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1 or self.distinct < 1:
            raise BadConfig(
                f"prefix share {self.share:g} of {self.distinct} prefixes: the share must be 0 or more and below 1, "
                "with at least 1 prefix"
            )

    def tokens(self, prompt_tokens: int) -> int:
        """Shared tokens of a prompt of that length; at least one token stays its own."""
        return min(prompt_tokens - 1, round(self.share * prompt_tokens))

    def hit_rate(self, requests: int) -> float:
        """Share of prompt tokens that a large enough prefix cache finds: share·(1 − E[prefixes used]/requests).

        E[prefixes used] = D·(1 − (1 − 1/D)^N). An upper bound: a cache of whole blocks finds a little less.
        """
        if requests < 1:
            return 0.0
        used = self.distinct * (1 - (1 - 1 / self.distinct) ** requests)
        return self.share * (1 - used / requests)


@dataclass(frozen=True, eq=False)
class PromptPlan:
    """Request k's prompt as a pure function of (seed, point, k): the same whatever the number of workers.

    `point` is the load level, so that no level repeats the prompts of another and finds them cached.
    """

    maker: Maker
    seed: int
    point: int = 0
    prefixes: Prefixes | None = None
    correction: Correction = Correction()

    def rng(self, purpose: int, k: int) -> np.random.Generator:
        """The generator of one purpose (REQUEST, LENGTHS, …) and its k-th use."""
        return np.random.default_rng((self.seed, purpose, self.point, k))

    def atoms(self, k: int, n: int) -> Ints:
        """n atoms of request k, its shared prefix included."""
        rng = self.rng(REQUEST, k)
        if self.prefixes is None or self.prefixes.share == 0:
            return self.maker.atoms(rng, n)
        shared = self.prefixes.tokens(n)
        which = int(rng.integers(self.prefixes.distinct))
        # Drawn one purpose and one number apart, so a longer prefix begins with the shorter one.
        head = self.maker.atoms(self.rng(PREFIX, which), shared)
        return np.concatenate([head, self.maker.atoms(rng, n - shared)])

    def prompt(self, k: int, tokens: int) -> Prompt:
        """A prompt that the server counts as `tokens`, by what is known of its template."""
        made = self.maker.prompt(self.atoms(k, self.correction.ours(tokens)))
        return Prompt(made.content, tokens if made.tokens >= 0 else -1)


def fresh_seed() -> int:
    """A seed for a run that was given none: 32 bits, to be recorded with the result."""
    return secrets.randbits(32)


def _median(values: Sequence[float]) -> int:
    return round(float(np.median(np.asarray(values, dtype=float))))
