"""What later calls of a session go on with, kept no longer than a call needs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Generic, TypeVar

from paretoken.bench.workload.sessions.pieces import Piece, Pieces
from paretoken.sessions.graph import NO_STEP, Call, Session

T = TypeVar("T")


class Contexts(Generic[T]):
    """The context after each step that another continues, until the last of these has taken it."""

    def __init__(self, session: Session) -> None:
        self._left = Counter(c.continues for c in session.calls.values() if c.continues != NO_STEP and not c.blocks)
        self._kept: dict[int, list[T]] = {}

    def wanted(self, step: int) -> bool:
        """Whether a call goes on with the context of a step."""
        return self._left[step] > 0

    def keep(self, step: int, context: list[T]) -> None:
        """Keep the context after a step."""
        self._kept[step] = context

    def add(self, step: int, part: T) -> None:
        """Append what the context of a step lacked."""
        self._kept[step] = [*self._kept[step], part]

    def take(self, step: int) -> list[T]:
        """The context after a step, for one of the calls that continue it."""
        self._left[step] -= 1
        return self._kept[step] if self._left[step] else self._kept.pop(step)


def kept_pieces(context: Sequence[Piece], kept_tokens: int | None, tokens: int) -> list[Piece]:
    """The part of a context with which a prompt of that many tokens begins."""
    left = tokens if kept_tokens is None else min(kept_tokens, tokens)
    kept = []
    for piece in context:
        if left <= 0:
            break
        kept.append(piece.cut(left))
        left -= piece.tokens
    return kept


def opening_pieces(call: Call, again: int, tokens: int, pieces: Pieces) -> list[Piece]:
    """The shared beginning of a call that continues no other."""
    if not call.opening or not call.opening_tokens:
        return []
    return [pieces.opening(call.opening, again, call.opening_tokens).cut(tokens)]


def block_pieces(blocks: Sequence[int], block_tokens: int, again: int, tokens: int, pieces: Pieces) -> list[Piece]:
    """The blocks of a prompt, the last one cut where the prompt ends."""
    wanted = blocks[: -(-tokens // block_tokens)]
    return kept_pieces([pieces.block(block, again, block_tokens) for block in wanted], None, tokens)
