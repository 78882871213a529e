"""A tree of blocks that grows: its paths, and caches that are split while they hold blocks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from paretoken.predict.simulation.cache.blocks import block_tree
from paretoken.predict.simulation.cache.growing import GrowingTree
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.cache.scheduler import CachingScheduler
from paretoken.predict.simulation.run import simulate
from paretoken.predict.simulation.scheduler import Sequence
from paretoken.sessions.prefixes import ROOT
from tests.predict.test_simulation_cache import cached_cases, tiers
from tests.support.patience import examples

PATHS = st.lists(st.lists(st.integers(0, 2), max_size=8), min_size=1, max_size=12)


def chained(contents):
    """Ids that name all blocks up to their end."""
    return [hash(tuple(contents[: i + 1])) & (1 << 64) - 1 for i in range(len(contents))]


@examples(100)
@given(PATHS)
def test_a_sequence_is_the_path_to_its_leaf(paths):
    tree = GrowingTree()
    leaves = [tree.insert(chained(path)) for path in paths]
    for path, leaf in zip(paths, leaves, strict=True):
        assert tree.insert(chained(path)) == leaf
        assert (tree.last[leaf] if leaf != ROOT else 0) == len(path)
        found, segment = [], leaf
        while segment != ROOT:
            found = list(range(tree.first[segment], tree.last[segment])) + found
            segment = tree.parent[segment]
        assert found == list(range(len(path)))
    distinct = {tuple(path[: i + 1]) for path in paths for i in range(len(path))}
    assert sum(tree.last) - sum(tree.first) == len(distinct)


def ids_of(tree, leaf, blocks):
    """An id for each block of a path, from the tree of all prompts."""
    ids = []
    while leaf != ROOT:
        ids = [(leaf << 20) + depth + 1 for depth in range(tree.first[leaf], tree.last[leaf])] + ids
        leaf = tree.parent[leaf]
    return ids[:blocks]


@examples(60)
@given(cached_cases(), tiers(), st.sampled_from(["vllm", "sglang"]))
def test_a_scheduler_over_it_equals_the_simulation(case, below, policy):
    """Sequences are inserted as they come, so that segments are split while others hold them."""
    step_time, limits, source, serving = case
    options = CacheOptions(policy=policy, tiers=below)
    run = simulate(*case, options)
    inputs, outputs = source.input_tokens.tolist(), source.output_tokens.tolist()
    whole = block_tree(getattr(source, "prefixes", None), limits.block_tokens, inputs, outputs)
    tree, loads, now = GrowingTree(), [], 0.0

    def load(s, depth, below):
        loads.append((scheduler.cache.load(depth, below, now), s.owner))
        loads.sort()

    scheduler = CachingScheduler(limits, serving.acceptance, options=options, tree=tree, on_load=load)
    for cache in (scheduler.cache.gpu, *scheduler.cache.stores):
        tree.follow(cache)
    due = run.due_s + serving.frontend_s
    coming = sorted((due[i], i) for i in range(len(inputs)))
    sequences, last = {}, {}
    while coming or scheduler.busy or loads:
        while coming and coming[0][0] <= now:
            i = coming.pop(0)[1]
            leaf = tree.insert(ids_of(whole, whole.leaf[i], (inputs[i] + outputs[i] - 1) // limits.block_tokens))
            sequences[i] = Sequence(inputs[i], outputs[i], 0, i, leaf=leaf)
            scheduler.add(sequences[i])
        while loads and loads[0][0] <= now:
            scheduler.loaded(sequences[loads.pop(0)[1]])
        step = scheduler.schedule()
        if step is None:
            now = min([at for at, _ in coming[:1]] + [max(at, now) for at, _ in loads[:1]])
            continue
        now += step.seconds(step_time)
        for s, _ in scheduler.finish(step):
            if scheduler.complete(s):
                last[s.owner] = now
    assert [sequences[i].cached for i in range(len(inputs))] == run.cached_tokens.tolist()
    np.testing.assert_allclose([last[i] for i in range(len(inputs))], run.last_s, rtol=1e-9)
