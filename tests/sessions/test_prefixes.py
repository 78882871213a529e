"""Trees of what prompts share, against the prompts written out token by token."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.sessions.graph import Call, Session, Step
from paretoken.sessions.prefixes import ROOT, possible_hits, tree_of_blocks, tree_of_sessions
from tests.support.patience import examples


def path(tree, segment):
    """The segments from the root to one."""
    rows = []
    while segment != ROOT:
        rows.insert(0, int(segment))
        segment = tree.parent[segment]
    return rows


def common(tree, one, other):
    """Tokens that the paths to two segments share."""
    shared = [a for a, b in zip(path(tree, one), path(tree, other), strict=False) if a == b]
    return int(tree.end[shared[-1]]) if shared else 0


def alike(one, other):
    """Tokens that two texts begin with alike."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def assert_tree(tree, prompts, wholes):
    """The tree has the lengths of the texts and every common prefix, each node once, parents first."""
    assert (tree.parent < np.arange(len(tree.parent))).all()
    assert (tree.start < tree.end).all()
    for segment, parent in enumerate(tree.parent):
        assert tree.start[segment] == (0 if parent == ROOT else tree.end[parent])
    for i, (prompt, whole) in enumerate(zip(prompts, wholes, strict=True)):
        assert sum(int(tree.end[s] - tree.start[s]) for s in path(tree, tree.whole[i])) == len(whole)
        assert sum(int(tree.end[s] - tree.start[s]) for s in path(tree, tree.prompt[i])) >= len(prompt)
        for j, other in enumerate(prompts):
            assert common(tree, tree.whole[i], tree.prompt[j]) == alike(whole, other)


def brute_hits(prompts, wholes, order, block):
    """Full blocks of each prompt that an earlier request left, less the one of the last token."""
    cache, hits = set(), [0] * len(prompts)
    for i in order:
        while (end := hits[i] + block) < len(prompts[i]) and prompts[i][:end] in cache:
            hits[i] = end
        cache |= {wholes[i][:end] for end in range(block, len(wholes[i]) + 1, block)}
    return hits


@st.composite
def blocks(draw):
    """(ids, size of a block, input tokens, output tokens): last blocks may be filled in part, or lie beyond the ids."""
    size = draw(st.integers(1, 5))
    rows = draw(st.lists(st.lists(st.integers(0, 2) | st.just(2**70), max_size=6), min_size=1, max_size=12))
    inputs = [max(len(row) * size + draw(st.integers(1 - size, 3)), 1) for row in rows]
    return rows, size, np.array(inputs), np.array([draw(st.integers(1, 9)) for _ in rows])


def texts_of_blocks(rows, size, inputs, outputs):
    prompts, wholes = [], []
    for i, (row, n, answer) in enumerate(zip(rows, inputs.tolist(), outputs.tolist(), strict=True)):
        full, text = n // size, []
        for level, block in enumerate(row[: -(-n // size)]):
            # Two blocks filled in part are the same only if they are as full.
            fill = size if level < full else n % size
            text += [(block, fill, t) for t in range(fill)]
        text += [("own", i, t) for t in range(n - len(text))]
        prompts.append(tuple(text))
        wholes.append((*text, *(("answer", i, t) for t in range(answer - 1))))
    return prompts, wholes


@examples(200)
@given(blocks())
def test_tree_of_blocks_has_every_common_prefix(case):
    rows, size, inputs, outputs = case
    tree = tree_of_blocks(rows, size, inputs, outputs)
    assert_tree(tree, *texts_of_blocks(*case))


@examples(100)
@given(blocks(), st.integers(1, 7), st.randoms())
def test_possible_hits_are_those_of_a_cache_that_keeps_all(case, block, random):
    rows, size, inputs, outputs = case
    order = list(range(len(rows)))
    random.shuffle(order)
    prompts, wholes = texts_of_blocks(*case)
    hits = possible_hits(tree_of_blocks(rows, size, inputs, outputs), order, inputs, block)
    assert hits.tolist() == brute_hits(prompts, wholes, order, block)


@st.composite
def tasks(draw):
    """Sessions whose calls go on with any earlier one, keep all or part of it, or begin with a shared opening."""
    sessions = []
    for name in range(draw(st.integers(1, 3))):
        steps, ends = [], []
        for i in range(draw(st.integers(1, 6))):
            continues = draw(st.integers(-1, i - 1))
            before = ends[continues] if continues >= 0 else 0
            kept = draw(st.none() | st.integers(0, before)) if continues >= 0 else None
            opening = draw(st.sampled_from(["", "system"])) if continues < 0 else ""
            tokens = (before if kept is None else kept) + draw(st.integers(0, 4)) + 3 * bool(opening)
            tokens = max(tokens - draw(st.integers(0, 2)), 1)
            call = Call(
                input_tokens=tokens,
                output_tokens=draw(st.integers(1, 4)),
                continues=continues,
                kept_tokens=kept,
                opening=opening,
                opening_tokens=3 * bool(opening),
            )
            ends.append(tokens + call.output_tokens - 1)
            steps.append(Step(after=(continues,) if continues >= 0 else (), call=call))
        sessions.append(Session(name=str(name), steps=tuple(steps)))
    return sessions


def texts_of_sessions(sessions, own_answers):
    prompts, wholes = [], []
    for k, session in enumerate(sessions):
        contexts = []
        for i, step in enumerate(session.steps):
            call, text = step.call, ()
            if call.continues >= 0:
                context = contexts[call.continues]
                kept = call.input_tokens if call.kept_tokens is None else call.kept_tokens
                text = context[: min(kept, call.input_tokens)]
            elif call.opening:
                text = tuple((call.opening, t) for t in range(min(call.opening_tokens, call.input_tokens)))
            text += tuple(("new", k, i, t) for t in range(call.input_tokens - len(text)))
            answer = tuple(("answer", k, i, t) for t in range(call.output_tokens))
            prompts.append(text)
            wholes.append(text + answer[:-1])
            contexts.append(
                wholes[-1] if own_answers else text + tuple(("recorded", k, i, t) for t, _ in enumerate(answer))
            )
    return prompts, wholes


@examples(200)
@given(tasks(), st.booleans())
def test_tree_of_sessions_has_every_common_prefix(sessions, own_answers):
    tree = tree_of_sessions(sessions, own_answers=own_answers)
    assert_tree(tree, *texts_of_sessions(sessions, own_answers))


def test_ids_beyond_a_prompt_are_left_out():
    lengths = np.array([4, 4]), np.array([1, 1])
    tree = tree_of_blocks([(1, 2, 3), (1, 2, 4)], 2, *lengths)
    assert tree.prompt[0] == tree.prompt[1] and tree.end.tolist() == [4]


@pytest.mark.parametrize("rows", [[], [()], [(), ()]])
def test_prompts_without_ids_share_nothing(rows):
    lengths = np.full(len(rows), 5), np.full(len(rows), 3)
    tree = tree_of_blocks(rows, 16, *lengths)
    assert possible_hits(tree, range(len(rows)), lengths[0], 1).sum() == 0
