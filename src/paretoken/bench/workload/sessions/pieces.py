"""Runs of tokens that prompts of sessions consist of: new ones, openings, blocks, synthetic answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b

import orjson

from paretoken.bench.workload.makers import Ints, Maker, PlainWords
from paretoken.bench.workload.prompts import BLOCK, PREFIX, REQUEST, SESSION, PromptPlan

MOST_BLOCK_BYTES = 64 * 2**20
"""Blocks kept ready by each worker: about three million tokens of prompts."""
TOKEN_BYTES, BLOCK_BYTES = 16, 1_024
"""Memory of a block for each token, as a number and as text or JSON, and beside its tokens."""
_STEP_BITS = 24


@dataclass(frozen=True, eq=False)
class Piece:
    """A run of `tokens` tokens. Its `atoms` are what the maker draws: one for each token, fewer where words are."""

    maker: Maker = field(repr=False)
    atoms: Ints = field(repr=False)
    tokens: int

    def cut(self, tokens: int) -> Piece:
        """The first tokens of it."""
        share = round(len(self.atoms) * tokens / self.tokens) if self.tokens else 0
        return self if tokens >= self.tokens else Piece(self.maker, self.atoms[:share], tokens)

    @property
    def counted(self) -> bool:
        """Whether its tokens are our own count, exactly."""
        return len(self.atoms) == self.tokens and not isinstance(self.maker, PlainWords)

    @cached_property
    def text(self) -> str:
        """Its words."""
        return str(self.maker.prompt(self.atoms).content) if len(self.atoms) else ""

    @cached_property
    def json(self) -> bytes:
        """Its token ids as JSON, without the brackets."""
        return orjson.dumps(self.atoms, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]


class Pieces:
    """Makes the pieces of a level: the same for the same purpose, whichever worker makes them.

    `again` counts how often the trace has begun anew: all pieces then differ, so that no prompt of the pass before is
    found in a cache.
    """

    def __init__(self, plan: PromptPlan, maker: Maker) -> None:
        self.maker = maker
        self._plan = plan
        self._blocks: dict[tuple[int, int, int], Piece] = {}
        self.block_bytes = 0

    def fresh(self, session: int, step: int, tokens: int) -> Piece:
        """What a step adds to its context."""
        return self._drawn(REQUEST, session << _STEP_BITS | step, tokens)

    def answer(self, session: int, step: int, tokens: int) -> Piece:
        """The synthetic answer to a step."""
        return self._drawn(SESSION, session << _STEP_BITS | step, tokens)

    def opening(self, name: str, again: int, tokens: int) -> Piece:
        """The beginning that all calls with that opening share; a longer one begins with a shorter one."""
        digest = int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
        return self._drawn(PREFIX, digest + (again << 64), tokens)

    def block(self, block: int, again: int, tokens: int) -> Piece:
        """The tokens of a block; its id may be a hash of any sign."""
        key = (block, again, tokens)
        piece = self._blocks.pop(key, None)
        if piece is None:
            piece = self._drawn(BLOCK, block % 2**64 + (again << 64), tokens)
            self._make_room(_kept_bytes(tokens))
        self._blocks[key] = piece  # the last one used is dropped last
        return piece

    def _make_room(self, size: int) -> None:
        """Drop the blocks that were not used for longest until there is room for one of that size."""
        while self._blocks and self.block_bytes + size > MOST_BLOCK_BYTES:
            oldest = next(iter(self._blocks))
            del self._blocks[oldest]
            self.block_bytes -= _kept_bytes(oldest[2])
        self.block_bytes += size

    def _drawn(self, purpose: int, k: int, tokens: int) -> Piece:
        return Piece(self.maker, self.maker.atoms(self._plan.rng(purpose, k), tokens), tokens)


def _kept_bytes(tokens: int) -> int:
    return BLOCK_BYTES + TOKEN_BYTES * tokens


def joined(pieces: list[Piece]) -> str:
    """The text of pieces one after the other, as if it were of one piece."""
    texts = [piece.text for piece in pieces if piece.text]
    # Words that begin with their own space need none between them.
    return ("" if all(text.startswith(" ") for text in texts) else " ").join(texts)
