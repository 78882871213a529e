"""Prefix reuse by size of the cache, against a cache that is simulated block by block."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

from paretoken.bench.workload.traces.request import Trace, TraceRequest
from paretoken.errors import BadConfig
from paretoken.traffic.reuse import _weight_above, reuse
from paretoken.traffic.traffic import PrefixBlocks, Traffic
from tests.support.traffic import traffic

BLOCK = 16


def simulated(requests: Traffic, capacity_tokens: float, replica: np.ndarray) -> np.ndarray:
    """The same by an LRU cache of tuples of ids, each a prefix."""
    assert requests.prefixes is not None
    tokens = requests.prefixes.tokens
    caches: dict[int, OrderedDict[tuple[int, ...], None]] = {}
    cached = []
    for i, ids in enumerate(requests.prefixes.ids):
        cache = caches.setdefault(int(replica[i]), OrderedDict())
        prefixes = [ids[: k + 1] for k in range(len(ids))]
        run = next((k for k, p in enumerate(prefixes) if p not in cache), len(prefixes))
        cached.append(min(run * tokens, int(requests.input_tokens[i]) - 1))
        for prefix in reversed(prefixes):
            cache[prefix] = None
            cache.move_to_end(prefix)
            while len(cache) > capacity_tokens // tokens:
                cache.popitem(last=False)
    return np.array(cached)


def with_blocks(rng: np.random.Generator, n: int, kind: str) -> Traffic:
    """Requests whose prompts share blocks: grown from earlier ones, or of few ids in any order."""
    chains: list[tuple[int, ...]] = []
    fresh = iter(range(10**6))
    for _ in range(n):
        if kind == "contents":
            ids = tuple(rng.integers(0, 3, rng.integers(0, 6)).tolist())
        else:
            old = chains[rng.integers(len(chains))] if chains and rng.random() < 0.8 else ()
            ids = (*old[: rng.integers(len(old) + 1)], *(next(fresh) for _ in range(rng.integers(0, 5))))
        chains.append(ids)
    inputs = [len(c) * BLOCK + int(rng.integers(1, BLOCK)) for c in chains]
    return traffic(input_tokens=inputs, prefixes=PrefixBlocks(tuple(chains), BLOCK))


@pytest.mark.parametrize("kind", ["grown", "contents"])
@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("routing", ["random", "affine"])
@pytest.mark.parametrize("seed", range(5))
def test_every_size_of_cache_is_as_simulated(kind, replicas, routing, seed):
    requests = with_blocks(np.random.default_rng(seed), 150, kind)
    curve = reuse(requests, replicas=replicas, routing=routing, seed=seed)
    assert curve is not None
    for blocks in (0, 1, 2, 3, 5, 8, 13, 21, 34, 60, 100, 300, 10**6):
        capacity = blocks * BLOCK + 3
        expected = simulated(requests, capacity, curve.replica)
        assert curve.cached_tokens(capacity).tolist() == expected.tolist(), blocks


def test_an_endless_cache_agrees_with_the_trace():
    requests = with_blocks(np.random.default_rng(1), 300, "grown")
    assert requests.prefixes is not None
    recorded = tuple(
        TraceRequest(input_tokens=int(n), output_tokens=1, blocks=ids)
        for n, ids in zip(requests.input_tokens, requests.prefixes.ids, strict=True)
    )
    curve = reuse(requests)
    assert curve is not None
    expected = Trace("a.jsonl", "mooncake", recorded, block_tokens=BLOCK).hit_rate()
    assert expected > 0.3
    assert curve.hit_share(np.inf) == pytest.approx(expected, abs=1e-12)


def test_a_larger_cache_never_finds_less():
    curve = reuse(with_blocks(np.random.default_rng(2), 300, "grown"))
    assert curve is not None
    shares = [curve.hit_share(c) for c in range(0, 5000, 7)]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] > 0.2


def test_the_last_token_is_computed():
    twice = traffic(input_tokens=[32, 32], prefixes=PrefixBlocks(((1, 2), (1, 2)), BLOCK))
    curve = reuse(twice)
    assert curve is not None and curve.cached_tokens(np.inf).tolist() == [0, 31]


def test_ids_may_be_hashes_of_any_size():
    curve = reuse(traffic(input_tokens=[32, 33], prefixes=PrefixBlocks(((2**70, -5), (2**70, 9)), BLOCK)))
    assert curve is not None and curve.cached_tokens(np.inf).tolist() == [0, 16]


class TestSessions:
    def test_a_growing_conversation_shares_each_turn_with_its_answer(self):
        talk = traffic(input_tokens=[10, 40, 70, 5], output_tokens=[20, 20, 5, 5], session=[7, 7, 7, -1])
        curve = reuse(talk)
        assert curve is not None
        assert curve.cached_tokens(np.inf).tolist() == [0, 30, 60, 0]
        assert "100% of later turns" in curve.note

    def test_other_sessions_between_need_room(self):
        talk = traffic(input_tokens=[10, 50, 40], output_tokens=[20, 50, 1], session=[0, 1, 0])
        curve = reuse(talk)
        assert curve is not None
        assert [int(curve.cached_tokens(c)[2]) for c in (100, 115, 129, 130, 200)] == [0, 15, 29, 30, 30]

    @pytest.mark.parametrize("inputs", [[10, 20, 20], [100, 50, 20]])
    def test_requests_that_do_not_grow_tell_nothing(self, inputs):
        assert reuse(traffic(input_tokens=inputs, output_tokens=[20, 20, 20], session=[0, 0, 0])) is None

    def test_a_turn_that_begins_anew_shares_nothing(self):
        inputs = [10 + 30 * k for k in range(12)] + [5]
        curve = reuse(traffic(input_tokens=inputs, output_tokens=[20] * 13, session=[0] * 13))
        assert curve is not None
        assert curve.cached_tokens(np.inf).tolist() == [0, *(30 * k for k in range(1, 12)), 0]

    def test_without_sessions_or_blocks_nothing_is_known(self):
        assert reuse(traffic(input_tokens=[10, 30])) is None


class TestRouting:
    def test_a_session_stays_on_its_replica(self):
        session = np.arange(600) % 60
        curve = reuse(traffic(input_tokens=100 * (np.arange(600) // 60) + 10, session=session), replicas=4)
        assert curve is not None
        assert all(len(set(curve.replica[session == s])) == 1 for s in range(60))
        assert set(curve.replica) == {0, 1, 2, 3}
        assert curve.hit_share(np.inf) == pytest.approx(
            reuse(traffic(input_tokens=100 * (np.arange(600) // 60) + 10, session=session)).hit_share(np.inf)
        )

    def test_a_common_system_prompt_does_not_crowd_one_replica(self):
        ids = tuple((0, 1, 100 + k % 50) for k in range(1000))
        requests = traffic(input_tokens=[3 * BLOCK + 1] * 1000, prefixes=PrefixBlocks(ids, BLOCK))
        curve = reuse(requests, replicas=4)
        assert curve is not None
        assert np.bincount(curve.replica, minlength=4).min() > 100
        assert all(len(set(curve.replica[np.arange(1000) % 50 == k])) == 1 for k in range(50))

    def test_random_routing_finds_less(self):
        requests = with_blocks(np.random.default_rng(5), 400, "grown")
        shares = {r: reuse(requests, replicas=8, routing=r).hit_share(np.inf) for r in ("random", "affine")}
        assert shares["random"] < 0.9 * shares["affine"]

    def test_no_replica_is_refused(self):
        with pytest.raises(BadConfig, match="1 replica or more, not 0"):
            reuse(traffic(input_tokens=[10, 50], session=[0, 0]), replicas=0)

    def test_a_cache_below_nothing_is_refused(self):
        curve = reuse(traffic(input_tokens=[10, 50], session=[0, 0]))
        with pytest.raises(BadConfig, match="0 tokens or more"):
            curve.cached_tokens(-1)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 64, 101])
def test_weight_above_is_the_sum_over_pairs(n):
    rng = np.random.default_rng(n)
    keys, weights = rng.integers(0, 9, n), rng.integers(1, 5, n)
    expected = [int(weights[:k][keys[:k] > keys[k]].sum()) for k in range(n)]
    assert _weight_above(keys, weights).tolist() == expected
