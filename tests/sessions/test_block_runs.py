"""Block ids as runs, against a comparison of every pair of prompts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from paretoken.sessions.block_runs import BlockRuns
from paretoken.sessions.graph import Call, Session, Step
from paretoken.sessions.prefixes import possible_hits, tree_of_blocks, tree_of_sessions

PROMPTS = st.lists(st.lists(st.integers(0, 2), max_size=9).map(tuple), max_size=12)


def common(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


@given(PROMPTS)
def test_the_longest_common_beginning_is_found(prompts):
    runs = BlockRuns()
    for number, prompt in enumerate(prompts):
        blocks, leaf = runs.longest(prompt)
        assert blocks == max((common(prompt, earlier) for earlier in prompts[:number]), default=0)
        assert common(prompt, prompts[leaf]) == blocks if blocks else leaf == -1
        runs.add(prompt, number)


def test_equal_ids_of_blocks_of_another_size_are_other_prompts():
    call = Call(input_tokens=64, output_tokens=1, blocks=(1, 2))
    sessions = [Session(name=str(size), steps=(Step(call=call),) * 2, block_tokens=size) for size in (16, 32)]
    hits = possible_hits(tree_of_sessions(sessions), range(4), np.full(4, 64), 1)
    assert hits.tolist() == [0, 32, 0, 63]


@given(PROMPTS, st.integers(1, 5))
def test_the_tree_of_sessions_gives_the_hits_of_the_tree_of_blocks(prompts, block_tokens):
    lengths = np.array([max(len(prompt) * block_tokens, 1) for prompt in prompts], np.int64)
    calls = [
        Call(input_tokens=int(n), output_tokens=1, blocks=prompt) for prompt, n in zip(prompts, lengths, strict=True)
    ]
    session = Session(name="s", steps=tuple(Step(call=call) for call in calls), block_tokens=block_tokens)
    order = range(len(prompts))
    of_blocks = tree_of_blocks(prompts, block_tokens, lengths, np.ones_like(lengths))
    expected = possible_hits(of_blocks, order, lengths, block_tokens)
    np.testing.assert_array_equal(possible_hits(tree_of_sessions([session]), order, lengths, block_tokens), expected)
