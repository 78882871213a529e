"""Makers of synthetic prompts of an exact token count.

A maker draws *atoms*, one for each token, and turns any run of atoms into a prompt. Prefixes, trace blocks
and conversations are runs of atoms put together, so they share what they should, token for token.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from paretoken.bench.workload.tokenizer import Tokenizer
from paretoken.errors import BadConfig

Ints = npt.NDArray[np.int64]

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

    A prompt that cannot be corrected raises BadConfig. `lead` is the text before the first word. Encoding again
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
    """Prompts of n / `tokens_per_word` pronounceable words, without a tokenizer; the server reports their tokens.

    At 1, lengths are counted in words. An atom is a word.
    """

    tokens_per_word: float = 1.0

    @cached_property
    def pool(self) -> tuple[str, ...]:
        syllables = [c + v for c in _LETTERS[0] for v in _LETTERS[1]]
        return tuple(a + b for a in syllables for b in syllables)

    def atoms(self, rng: np.random.Generator, n: int) -> Ints:
        return rng.integers(len(self.pool), size=max(1, round(n / self.tokens_per_word)) if n else 0)

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
