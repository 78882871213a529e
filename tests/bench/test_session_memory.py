"""What sessions keep in memory: blocks of prompts have a limit in bytes."""

from __future__ import annotations

import sys

import pytest

from paretoken.bench.workload.makers import PlainWords, TokenIds
from paretoken.bench.workload.prompts import PromptPlan
from paretoken.bench.workload.sessions import pieces
from paretoken.bench.workload.sessions.pieces import BLOCK_BYTES, TOKEN_BYTES, Piece, Pieces


def memory_of(piece: Piece) -> int:
    """Bytes of a block as prompts use it: its tokens, and its text or JSON."""
    shown = piece.text if isinstance(piece.maker, PlainWords) else piece.json
    return sys.getsizeof(piece) + sys.getsizeof(piece.atoms) + sys.getsizeof(piece.__dict__) + sys.getsizeof(shown)


@pytest.mark.parametrize("tokens", [1, 16, 64, 512, 4096])
@pytest.mark.parametrize("maker", [PlainWords(), TokenIds.of_size(200_000)], ids=["words", "ids"])
def test_a_block_takes_no_more_than_it_is_counted_for(maker, tokens):
    block = Pieces(PromptPlan(maker, 1), maker).block(7, 0, tokens)
    assert memory_of(block) <= BLOCK_BYTES + TOKEN_BYTES * tokens


@pytest.mark.parametrize("tokens", [16, 512])
def test_blocks_are_kept_up_to_a_number_of_bytes(monkeypatch, tokens):
    size = BLOCK_BYTES + TOKEN_BYTES * tokens
    monkeypatch.setattr(pieces, "MOST_BLOCK_BYTES", 10 * size + 1)
    maker = TokenIds.of_size(1000)
    made = Pieces(PromptPlan(maker, 1), maker)
    first = [made.block(n, 0, tokens) for n in range(10)]
    assert made.block_bytes == 10 * size and all(made.block(n, 0, tokens) is first[n] for n in range(10))
    made.block(0, 0, tokens)  # used last
    for n in range(10, 19):
        made.block(n, 0, tokens)
    assert made.block_bytes == 10 * size and made.block(0, 0, tokens) is first[0]
    again = made.block(1, 0, tokens)
    assert again is not first[1] and again.json == first[1].json


def test_a_block_beyond_the_limit_is_made_all_the_same(monkeypatch):
    monkeypatch.setattr(pieces, "MOST_BLOCK_BYTES", 5_000)
    maker = TokenIds.of_size(1000)
    made = Pieces(PromptPlan(maker, 1), maker)
    assert made.block(1, 0, 4096).tokens == 4096 and made.block(2, 0, 16).tokens == 16
    assert made.block_bytes == BLOCK_BYTES + TOKEN_BYTES * 16
