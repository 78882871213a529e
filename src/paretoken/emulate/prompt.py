"""The tokens of a prompt: their number and their ids. Prompts that begin alike begin with the same ids.

A text has a token for every four characters, or those of a tokenizer. A message has four more: three for its role in
front of its text, and one behind it. For an assistant all four come behind, because an engine generates its text right
behind the prompt. So a later prompt that contains an answer begins with the tokens of the prompt before and its answer.
An answer of this server has a token for each word, wherever a client sends it back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

import numpy as np
import numpy.typing as npt

from paretoken.emulate.words import WORD_CHARS, WORDS, text_of, word_at
from paretoken.sessions.estimate import CHARS_PER_TOKEN, estimated_tokens

Ids = npt.NDArray[np.uint64]
TOKENS_PER_MESSAGE, IN_FRONT = 4, 3
IMAGE_TOKENS = 256
"""Tokens of an image of any size."""
ASSISTANT = "assistant"
_MOST = (1 << 64) - 1
_OWN = re.compile(f"((?: [a-z]{{{WORD_CHARS - 1}}})+)")
_MIX = np.random.default_rng(2026).integers(1 << 62, 1 << 63, 64, np.uint64) * np.uint64(2) + np.uint64(1)


class TextTokens(Protocol):
    """Turns a text into tokens."""

    def count(self, text: str) -> int:
        """The number of tokens of a text."""
        ...

    def ids(self, text: str) -> Ids:
        """Their ids, shape (`count`,)."""
        ...


class QuarterTokens:
    """One token for four characters; the last one of a text may have fewer."""

    def count(self, text: str) -> int:
        return estimated_tokens(text)

    def ids(self, text: str) -> Ids:
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        padded = np.zeros(self.count(text) * CHARS_PER_TOKEN, np.uint64)
        padded[: len(points)] = points.astype(np.uint64) + np.uint64(1)
        mixed: Ids = padded.reshape(-1, CHARS_PER_TOKEN) @ _MIX[:CHARS_PER_TOKEN]
        return mixed


@dataclass(frozen=True, slots=True)
class EncodedTokens:
    """The tokens of a tokenizer's `encode`."""

    encode: Callable[[str], list[int]]

    def count(self, text: str) -> int:
        return len(self.encode(text))

    def ids(self, text: str) -> Ids:
        return np.array(self.encode(text), np.uint64)


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its role, its text, its tool calls as (name, arguments), and its images, each by its JSON."""

    role: str
    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """Tokens without text: those of a role or of an image."""

    name: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Words that this server generated: `tokens` of them, from word `start` of the round on."""

    start: int
    tokens: int


Piece = str | Mark | Answer | list[int]


def pieces_of(messages: Iterable[Message]) -> Iterator[Piece]:
    """The pieces of a chat."""
    for message in messages:
        in_front = 0 if message.role == ASSISTANT else IN_FRONT
        if in_front:
            yield Mark(message.role, in_front)
        yield _piece(message.text)
        for image in message.images:
            yield Mark(image, IMAGE_TOKENS)
        for name, arguments in message.calls:
            own = own_words(arguments)
            if own:
                yield own
            else:
                yield name + arguments
        yield Mark(message.role, TOKENS_PER_MESSAGE - in_front)


def count_tokens(pieces: Iterable[Piece], texts: TextTokens) -> int:
    """The number of tokens of a prompt."""
    return sum(texts.count(p) if isinstance(p, str) else len(p) if isinstance(p, list) else p.tokens for p in pieces)


def token_ids(pieces: Sequence[Piece], texts: TextTokens) -> Ids:
    """The token ids of a prompt, shape (tokens,)."""
    return np.concatenate([_ids(piece, texts) for piece in pieces]) if pieces else np.empty(0, np.uint64)


def answer_ids(start: int, tokens: int) -> Ids:
    """The token ids of words from `start` on."""
    return _named("word") + (np.arange(start, start + tokens, dtype=np.uint64) % np.uint64(len(WORDS)))


def block_ids(ids: Ids, block_tokens: int) -> list[int]:
    """An id for each full block: equal ids mean equal tokens up to the end of that block.

    Block j has b_j = Σ token · weight mod 2⁶⁴, prefix j the id Σ_{i ≤ j} b_i · m^i, for odd weights and an odd m.
    """
    blocks = len(ids) // block_tokens
    weights = np.resize(_MIX, block_tokens)
    mixed = (ids[: blocks * block_tokens] * _MIX[0]) ^ (ids[: blocks * block_tokens] >> np.uint64(29))
    content = mixed.reshape(blocks, block_tokens) @ weights
    powers = np.cumprod(np.full(blocks, _MIX[-1]))
    prefixes: list[int] = np.cumsum((content ^ (content >> np.uint64(31))) * powers).tolist()
    return prefixes


def own_words(text: str) -> Answer | None:
    """The words of this server in the arguments of a tool call; None where they hold other text."""
    match = _OWN.search(text)
    piece = _piece(match[1]) if match else ""
    return piece if isinstance(piece, Answer) else None


def _piece(text: str) -> Piece:
    """A text; an `Answer` if this server generated it."""
    words, rest = divmod(len(text), WORD_CHARS)
    start = word_at(text[:WORD_CHARS])
    if rest or start is None or text != text_of(start, 0, words):
        return text
    return Answer(start, words)


def _ids(piece: Piece, texts: TextTokens) -> Ids:
    if isinstance(piece, str):
        return texts.ids(piece)
    if isinstance(piece, list):
        return _sent_ids(piece)
    if isinstance(piece, Answer):
        return answer_ids(piece.start, piece.tokens)
    return _named(piece.name) + np.arange(piece.tokens, dtype=np.uint64)


def _sent_ids(ids: list[int]) -> Ids:
    """Token ids as a client sent them, modulo 2⁶⁴."""
    try:
        return np.array(ids, np.int64).astype(np.uint64)
    except OverflowError:
        return np.array([token & _MOST for token in ids], np.uint64)


def _named(name: str) -> np.uint64:
    return np.uint64(int.from_bytes(blake2b(name.encode(errors="replace"), digest_size=8).digest()) >> 1)
