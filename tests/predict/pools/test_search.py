"""The search for disaggregated layouts: planted workers whose best layout is known, and brute force."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import gcd
from types import SimpleNamespace

import numpy as np
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig
from paretoken.predict.calibration.file import shipped_calibration
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.pools import search as search_file
from paretoken.predict.pools.candidates import SearchSpace, excess
from paretoken.predict.pools.layout import worker, worker_kind
from paretoken.predict.pools.measured import measured_workers
from paretoken.predict.pools.predictor import predict_pools
from paretoken.predict.pools.search import pareto_places, search_pools
from paretoken.predict.pools.workers import headroom, worker_kinds
from paretoken.slo import parse_slos

CATALOG = load_catalog()
ONE = Deployment(accelerator="GB200", model="deepseek-r1", precision="fp4", engine="trtllm", gpus=1, tp=1)
LENGTHS = Lengths(8192, 1024, 0.8)
MANY = (1, 4, 16, 64, 256, 1024, 4096)


MI355X = replace(ONE, accelerator="MI355X", precision="fp8", engine="sglang")
H200 = replace(MI355X, accelerator="H200")


def space(gpus=16, lengths=LENGTHS, loads=MANY, prefill=("DEP4", "TP2"), decode=("DEP4", "DEP8", "TP4"), one=ONE):
    kinds = [
        tuple(worker(name.rstrip("0123456789"), int(name.lstrip("TDEP")), one) for name in names)
        for names in (prefill, decode)
    ]
    engine = {"GB200": "dynamo-trtllm", "MI355X": "mori-sglang", "H200": "dynamo-sglang"}[one.accelerator]
    return SearchSpace(engine=engine, prefill=kinds[0], decode=kinds[1], gpus=gpus, lengths=lengths, loads=loads)


def searched(s, slo=""):
    return search_pools(s, parse_slos(slo), calibration=shipped_calibration(), catalog=CATALOG)


def brute_force(s, slo):
    """The best case of every layout in lowest terms at every load."""
    cases = [
        s.case(p, d, n, m, users)
        for p, one in enumerate(s.prefill)
        for d, other in enumerate(s.decode)
        for n in range(1, s.gpus + 1)
        for m in range(1, s.gpus + 1)
        if n * one.gpus + m * other.gpus <= s.gpus and gcd(n, m) == 1
        for users in s.loads
    ]
    r = predict_pools(cases, calibration=shipped_calibration(), catalog=CATALOG)
    over = excess(parse_slos(slo), s.lengths, r.state.ttft_s, r.state.tpot_s)
    share = np.array([s.gpus // c.pools.gpus * c.pools.gpus / s.gpus for c in cases])
    rented = r.total_tput_per_gpu * share
    within = [(float(tput), c) for tput, c, x in zip(rented, cases, over, strict=True) if x <= 1]
    return max(within, key=lambda pair: pair[0])


@pytest.mark.parametrize(
    "slo", ["ttft=1s", "ttft=2s,interactivity=40", "interactivity=90", "ttft=2s,interactivity=60", "e2e=20s", "ttft=5s"]
)
def test_a_search_names_the_best_of_brute_force(slo):
    s = space()
    tput, case = brute_force(s, slo)
    result = searched(s, slo)
    (best, *_) = result.best(1)
    assert result.rented[best] == pytest.approx(tput, rel=0.005)
    assert result.cases[best].pools.layout == case.pools.layout


@pytest.mark.parametrize(
    ("one", "isl", "osl", "slo"),
    [
        (MI355X, 1024, 1024, "ttft=500ms"),
        (MI355X, 1024, 8192, "ttft=500ms"),
        (MI355X, 8192, 1024, "ttft=2s,interactivity=20"),
        (ONE, 1024, 1024, "ttft=500ms"),
        (ONE, 1024, 8192, "ttft=1s"),
        (H200, 1024, 4096, "ttft=1s"),
    ],
)
def test_long_outputs_under_a_short_limit_of_ttft(one, isl, osl, slo):
    """The start and the end of a run are no part of the TTFT, however long the outputs."""
    kinds = {} if one is ONE else {"prefill": ("DEP8", "TP8"), "decode": ("DEP8", "TP8")}
    s = space(gpus=16 if one is ONE else 48, lengths=Lengths(isl, osl, 0.8), one=one, **kinds)
    tput, _ = brute_force(s, slo)
    result = searched(s, slo)
    assert result.rented[result.best(1)[0]] == pytest.approx(tput, rel=0.005)


def users_of(cases):
    return np.array([c.concurrency for c in cases])


def planted(monkeypatch, prefill_per_s=1.0, step_s=0.01, sequence_s=1e-4):
    """Workers of known pace: a prefill GPU takes `prefill_per_s` prompts, a decode GPU steps in closed form."""

    def predicted(cases, **_):
        rows = []
        for c in cases:
            pools, tokens = c.pools, c.lengths.mean_osl - 1
            most = pools.prefill_gpus * prefill_per_s
            low, high = 0.0, c.concurrency / pools.decode_gpus
            for _ in range(50):
                batch = (low + high) / 2
                rate = batch * pools.decode_gpus / ((step_s + sequence_s * batch) * tokens)
                low, high = (batch, high) if rate < 0.98 * most else (low, batch)
            tpot = step_s + sequence_s * low
            rate = low * pools.decode_gpus / (tpot * tokens)
            rows.append((tpot, c.concurrency / rate - tpot * tokens + 0.1, rate))
        tpot, ttft, rate = np.array(rows).T
        per_gpu = (c.lengths.mean_isl + c.lengths.mean_osl) / np.array([c.pools.gpus for c in cases])
        state = SimpleNamespace(tpot_s=tpot, ttft_s=ttft, requests_per_s=rate, e2e_s=users_of(cases) / rate)
        return SimpleNamespace(state=state, total_tput_per_gpu=rate * per_gpu)

    monkeypatch.setattr(search_file, "predict_pools", predicted)


@pytest.mark.parametrize(
    ("prefill_for_one_decode", "layout"), [(2, "2xTP2+1xTP2"), (1, "1xTP2+1xTP2"), (3, "3xTP2+1xTP2")]
)
def test_the_ratio_is_that_of_the_planted_paces(monkeypatch, prefill_for_one_decode, layout):
    """At the limit of TPOT one decode GPU takes 0.97 of what this number of prefill GPUs can prefill."""
    batch, tpot = 200, 0.01 + 200e-4
    needed = batch / (tpot * (LENGTHS.mean_osl - 1))
    planted(monkeypatch, prefill_per_s=needed / prefill_for_one_decode / 0.97)
    s = space(gpus=24, prefill=("TP2",), decode=("TP2",), loads=(25, 50, 100, 200, 400, 800, 1600))
    result = searched(s, f"ttft=0.5s,tpot={tpot * 1.001}")
    assert result.cases[result.best(1)[0]].pools.layout == f"{prefill_for_one_decode}xTP2+1xTP2"


def test_long_prompts_want_more_prefill_workers():
    def prefill_share(isl, osl):
        result = searched(space(gpus=120, lengths=Lengths(isl, osl, 0.8)), "ttft=3s,tpot=25ms")
        pools = result.cases[result.best(1)[0]].pools
        return pools.prefill_gpus / pools.gpus

    assert prefill_share(16384, 128) > prefill_share(8192, 1024) > prefill_share(512, 4096)


def test_the_best_meet_the_limits_and_narrow_down_to_them():
    s = replace(space(), loads=search_file.LOADS)
    slo = "ttft=2s,interactivity=50"
    result = searched(s, slo)
    best = result.best(3)
    assert all(result.ttft_s[i] <= 2 and result.tpot_s[i] <= 1 / 50 for i in best)
    more = replace(result.cases[best[0]], concurrency=result.cases[best[0]].concurrency * 1.1)
    p = predict_pools([more], calibration=shipped_calibration(), catalog=CATALOG)
    assert p.state.ttft_s[0] > 2 or p.state.tpot_s[0] > 1 / 50
    pairs = [(result.cases[i].pools.prefill, result.cases[i].pools.decode) for i in best]
    assert len(set(pairs)) == len(pairs)
    assert [result.rented[i] for i in best] == sorted((result.rented[i] for i in best), reverse=True)


def test_layouts_are_in_lowest_terms_and_within_the_gpus():
    result = searched(space(gpus=24))
    for c in result.cases:
        assert gcd(c.pools.prefill_workers, c.pools.decode_workers) == 1
        assert c.pools.gpus <= 24


def test_a_looser_limit_never_serves_less():
    best = []
    for ttft in ("0.5s", "1s", "2s", "4s"):
        result = searched(space(), f"ttft={ttft},interactivity=40")
        best.append(result.rented[result.best(1)[0]])
    assert best == sorted(best)


@pytest.mark.parametrize(("one", "slo"), [(ONE, "ttft=2s,interactivity=38"), (MI355X, "ttft=2s,interactivity=20")])
def test_multiples_of_the_gpus_never_serve_less_per_gpu(one, slo):
    kinds = ("DEP4", "DP4", "TP8") if one is ONE else ("TP4", "TP8", "DEP8")
    best = []
    for gpus in (24, 48, 144, 288, 1152):
        result = searched(space(gpus=gpus, one=one, prefill=kinds, decode=kinds, loads=search_file.LOADS), slo)
        best.append(result.rented[result.best(1)[0]])
        assert all(c.pools.gpus <= 144 for c in result.cases)
    assert all(more >= less * 0.995 for less, more in pairwise(best))


def test_idle_gpus_count():
    """What serves most per GPU of its own has 22 of 40 GPUs; all of them serve more in a layout that leaves none."""
    s = space(gpus=40, prefill=("TP2",), decode=("TP4",))
    assert s.used(np.array([22, 20, 40, 12])).tolist() == [22 / 40, 1, 1, 36 / 40]
    result = searched(s, "ttft=3s")
    (best,) = result.best(1)
    gpus = result.cases[best].pools.gpus
    assert result.rented[best] == pytest.approx(result.tput[best] * (40 // gpus * gpus) / 40)
    assert (
        result.rented[best] >= max(x for x, over in zip(result.rented, result.excess, strict=True) if over <= 1) * 0.99
    )


def test_a_frontier_has_what_nothing_beats():
    tpot, tput = np.array([1.0, 2.0, 2.0, 3.0, 4.0]), np.array([5.0, 7.0, 8.0, 6.0, 9.0])
    assert pareto_places(tpot, tput, np.ones(5, dtype=bool)) == [0, 2, 4]
    assert pareto_places(tpot, tput, np.array([False, True, False, True, True])) == [1, 4]
    assert pareto_places(tpot, tput, np.zeros(5, dtype=bool)) == []


def test_a_limit_of_tpot_ends_no_frontier():
    tight, loose = searched(space(), "ttft=2s,interactivity=100"), searched(space(), "ttft=2s")
    assert min(1 / tight.tpot_s[i] for i in tight.frontier()) < 100
    assert max(tight.rented[tight.frontier()]) == pytest.approx(max(loose.rented[loose.frontier()]))


def names(kinds):
    return {worker_kind(d) for d in kinds}


def kinds_of(one, gpus, prefill, **more):
    return names(worker_kinds(one, gpus, LENGTHS, CATALOG, prefill=prefill, **more))


def test_sizes_are_powers_of_two_that_nodes_share_evenly():
    prefill, decode = kinds_of(ONE, 144, True), kinds_of(ONE, 144, False)
    assert {n for n in decode if n.startswith("DEP")} == {"DEP4", "DEP8", "DEP16", "DEP32", "DEP64"}
    assert {n for n in prefill if n.startswith("DEP")} == {"DEP4", "DEP8", "DEP16"}
    assert max(int(n.lstrip("TDEP")) for n in kinds_of(MI355X, 144, False)) == 16, "two nodes of 8"


def test_published_workers_are_tried_at_any_size():
    assert {"DEP24", "DP48"} <= kinds_of(ONE, 144, False, measured={"DEP24", "DP48", "TP8"})
    prefill, decode = measured_workers("deepseek-r1", "GB200")
    assert "DEP4" in prefill and "DEP32" in decode and "DEP1024" not in decode
    assert measured_workers("deepseek-r1", "A100")[0] == frozenset()


def test_an_engine_that_documents_one_node_has_workers_of_one():
    kinds = kinds_of(replace(MI355X, engine="atom"), 64, False, engine="atom-disagg")
    assert kinds and max(int(n.lstrip("TDEP")) for n in kinds) == 8


def test_experts_are_shared_without_redundant_ones():
    experts = CATALOG.models["qwen3-235b-a22b"].moe.experts
    one = replace(H200, model="qwen3-235b-a22b")
    sizes = {int(n[3:]) for n in kinds_of(one, 64, False) if n.startswith("DEP")}
    assert sizes and all(experts % n == 0 for n in sizes)


def test_a_worker_needs_memory_to_work_in():
    """A prefill rank has room for the prompts of one full step, every rank for two requests; else all count."""
    long = Lengths(100_000, 1024, 0.8)
    wide, tight = worker("TP", 8, ONE), worker("TP", 2, ONE)
    assert headroom(wide, LENGTHS, CATALOG, prefill=True) and not headroom(tight, LENGTHS, CATALOG, prefill=True)
    alone = worker_kinds(tight, 3, Lengths(512, 64, 0.8), CATALOG, prefill=True)
    assert {d.gpus for d in alone} == {2}
    assert all(headroom(d, long, CATALOG, prefill=False) for d in worker_kinds(ONE, 32, long, CATALOG, prefill=False))


def test_worker_kinds_fit_and_leave_a_gpu():
    kinds = worker_kinds(ONE, 8, LENGTHS, CATALOG, prefill=False)
    assert {d.gpus for d in kinds} == {4}, "weights on 2 GB200 leave little memory"
    dense = replace(ONE, model="llama-3-70b", engine="vllm", precision="fp8")
    assert all(not d.dp_attention and d.ep == 1 for d in worker_kinds(dense, 16, LENGTHS, CATALOG, prefill=True))


def test_a_worker_that_shares_attention_stays_in_a_scale_up_domain():
    of_h200 = worker_kinds(replace(ONE, accelerator="H200", precision="fp8"), 64, LENGTHS, CATALOG, prefill=False)
    assert max(d.gpus for d in of_h200 if not d.dp_attention) == 8 < max(d.gpus for d in of_h200 if d.dp_attention)
    of_h100 = worker_kinds(replace(ONE, accelerator="H100", precision="fp8"), 64, LENGTHS, CATALOG, prefill=False)
    assert {d.gpus for d in of_h100 if not d.dp_attention} == {16}, "FP8 weights of 671 GB fit no 8 H100"


@pytest.mark.parametrize(("gpus", "words"), [(2, "does not fit 1 x GB200"), (3, "at most 3 GPUs")])
def test_too_few_gpus_are_refused(gpus, words):
    with pytest.raises(BadConfig, match=words):
        searched(
            replace(
                space(gpus=gpus),
                prefill=worker_kinds(ONE, gpus, LENGTHS, CATALOG, prefill=True),
                decode=worker_kinds(ONE, gpus, LENGTHS, CATALOG, prefill=False),
            )
        )


def test_a_search_with_nothing_to_decode_is_refused():
    one = (worker("TP", 4, ONE),)
    space = SearchSpace(engine="dynamo-trtllm", prefill=one, decode=one, gpus=16, lengths=Lengths(1024, 1))
    with pytest.raises(BadConfig, match="osl is 1"):
        search_pools(space, calibration=shipped_calibration(), catalog=CATALOG)
