"""Terms of a step and the closed loop's fixed point: closed forms, limits and monotonicity."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.catalog.loader import load_catalog
from paretoken.predict.columns import deployment_columns, take
from paretoken.predict.deployment import Deployment
from paretoken.predict.first_token import LEAD_S, length_spread
from paretoken.predict.kernels import VISIT_S
from paretoken.predict.links import reduce_seconds
from paretoken.predict.load import LoadColumns, kv_slots
from paretoken.predict.numbers import Columns
from paretoken.predict.operations import operations, weight_bytes_by_part
from paretoken.predict.prompts import attention_pairs, prompt_terms, prompt_weights_seconds
from paretoken.predict.steady import ITERATIONS, steady
from paretoken.predict.terms import (
    TERMS,
    active_experts,
    busiest_rank,
    decode_seconds,
    decode_terms,
    moved_seconds,
    total,
)

CATALOG = load_catalog()
ONES = np.ones((1, len(TERMS)))


def deployed(model="llama-3-70b", accelerator="H200", tp=8, precision="fp8", engine="vllm", **more) -> Columns:
    return deployment_columns(
        [Deployment(accelerator=accelerator, model=model, precision=precision, engine=engine, gpus=tp, tp=tp, **more)],
        CATALOG,
    )


def loaded(users, isl=1024.0, osl=1024.0, ratio=0.8) -> LoadColumns:
    return LoadColumns(*(np.array([float(x)]) for x in (users, isl, isl, osl, length_spread(ratio))))


def prompt_seconds(c, m, tokens):
    """Seconds that a whole prompt adds to the steps it rides on."""
    return total(prompt_terms(c, m, tokens, attention_pairs(c, tokens)))


def solved(c, load, m=ONES):
    return steady(c, m, load, slots=kv_slots(c, load), iterations=200)


def test_one_user_waits_for_the_prompt_and_then_for_steps_of_one():
    c, load = deployed(), loaded(1)
    s = solved(c, load)
    step = decode_seconds(c, ONES, np.array([1.0]), 1024 + 512.0)
    prompt = prompt_seconds(c, ONES, 1024.0)
    assert s.ttft_s == pytest.approx(prompt + LEAD_S + step, rel=1e-2)
    assert s.e2e_s == pytest.approx(prompt + LEAD_S + step * 1024, rel=1e-2)


@pytest.mark.parametrize(
    ("isl", "osl", "users"), [(1024, 1024, 8), (8000, 100, 64), (8192, 1024, 2048), (4096, 128, 128)]
)
@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_the_iteration_settles(isl, osl, users, engine):
    """Also where prompts fill the engine: there half-way steps swing for ever."""
    c, load = deployed(engine=engine), loaded(users, isl, osl)
    few, many = (steady(c, ONES, load, slots=kv_slots(c, load), iterations=n) for n in (ITERATIONS, 50 * ITERATIONS))
    for name in ("tpot_s", "ttft_s", "e2e_s", "batch"):
        assert getattr(few, name) == pytest.approx(getattr(many, name), rel=2e-3)


@given(multiplier=st.floats(0.1, 5.0), users=st.integers(1, 512))
def test_the_way_to_the_scheduler_delays_the_first_token_alone(multiplier, users):
    m = ONES.copy()
    m[0, TERMS.index("ahead")] = multiplier
    c, load = deployed(), loaded(users)
    plain, late = solved(c, load), solved(c, load, m)
    assert (late.ttft_s > plain.ttft_s) == (multiplier > 1) or multiplier == pytest.approx(1)
    assert late.tpot_s == pytest.approx(plain.tpot_s, rel=0.1)


def test_the_busiest_rank_has_what_chance_gives_it():
    """Against draws: 256 experts on 8 ranks, each of them active with the same odds; and tokens that choose a rank."""
    c = deployed("deepseek-r1", engine="sglang", ep=8)
    rng = np.random.default_rng(1)
    for share in (0.1, 0.3, 0.8):
        drawn = rng.binomial(32, share, size=(20_000, 8))
        assert busiest_rank(c, 32, share) == pytest.approx(drawn.max(axis=1).mean() / (32 * share), rel=0.05)
    tokens = rng.multinomial(512, [1 / 8] * 8, size=20_000)
    assert busiest_rank(c, 512, 1 / 8) == pytest.approx(tokens.max(axis=1).mean() / 64, rel=0.05)


def test_ranks_are_even_without_expert_parallelism_and_never_worse_than_one_with_all():
    assert busiest_rank(deployed("deepseek-r1", engine="sglang"), 32, 0.3) == 1
    assert busiest_rank(deployed("deepseek-r1", engine="sglang", ep=8), 32, 1e-9) == 8
    batch = np.array([4.0])
    whole, ranks = (deployed("deepseek-r1", engine="sglang", ep=n) for n in (1, 8))
    even, split = (decode_terms(c, ONES, batch, 1024.0) for c in (whole, ranks))
    assert even["imbalance"] == 0
    visits = active_experts(whole, batch) * whole.shape.moe_layers * VISIT_S * (1 - 1 / 8)
    moved = moved_seconds(whole, ONES, batch) - moved_seconds(ranks, ONES, batch)
    assert split["experts"] == pytest.approx(even["experts"] - visits - moved)
    assert 0.2 * even["experts"] < split["imbalance"] < 7 * even["experts"]


def test_without_limits_of_the_machine_only_overheads_are_left():
    columns, endless = deployed(), np.array([1e30])
    names = ("bandwidth", "dense_bandwidth", "dense_rate", "expert_rate", "bf16_peak")
    rates = replace(columns.rates, **dict.fromkeys(names, endless))
    endless = replace(columns, rates=rates, links=replace(columns.links, link=endless))
    parts = decode_terms(endless, ONES, np.array([64.0]), 2048.0)
    rest = parts["layer"] + parts["step"] + parts["sequence"]
    assert sum(parts.values()) == pytest.approx(rest + parts["link"])
    assert parts["dense"] < 1e-9
    assert parts["kv"] < 1e-9


@given(users=st.integers(1, 512), isl=st.integers(16, 16384), osl=st.integers(64, 8192))
def test_a_request_is_its_first_token_and_the_others(users, isl, osl):
    """The mean first token of the steady state and the other tokens are E2E; of a whole run both are no shorter."""
    c, load = deployed(), loaded(users, isl, osl)
    s = solved(c, load)
    assert min(s.tpot_s[0], s.ttft_s[0], s.e2e_s[0]) > 0
    if users == 1:
        assert s.ttft_s + s.tpot_s * (osl - 1) == pytest.approx(s.e2e_s, rel=1e-2)
    assert s.mean_ttft_s + s.tpot_s * (osl - 1) >= 0.95 * s.e2e_s
    assert s.run_s >= s.mean_e2e_s >= s.e2e_s


@pytest.mark.parametrize("better", ["bandwidth", "dense_bandwidth", "dense_rate", "bf16_peak", "link"])
@given(users=st.integers(1, 256))
def test_more_of_anything_is_never_slower(better, users):
    c, load = deployed(), loaded(users)
    group = next(f.name for f in fields(c) if hasattr(getattr(c, f.name), better))
    old = getattr(c, group)
    faster = replace(c, **{group: replace(old, **{better: getattr(old, better) * 1.5})})
    assert solved(faster, load).e2e_s <= solved(c, load).e2e_s * (1 + 1e-6)


@given(a=st.integers(1, 255), b=st.integers(1, 256))
def test_more_users_are_never_faster_for_one_and_never_slower_for_all(a, b):
    few, many = sorted((a, a + b))
    c = deployed()
    x, y = solved(c, loaded(few)), solved(c, loaded(many))
    assert y.e2e_s >= x.e2e_s * (1 - 1e-6)
    assert many / y.e2e_s >= few / x.e2e_s * (1 - 1e-3)


def test_a_full_cache_makes_users_wait_and_leaves_tpot_flat():
    c = deployed(accelerator="H100", tp=2)
    low, high = (solved(c, loaded(n, 5000, 500)) for n in (200, 400))
    assert high.tpot_s == pytest.approx(low.tpot_s, rel=0.02)
    assert high.ttft_s > 1.8 * low.ttft_s


def test_one_position_chooses_k_experts_and_many_choose_them_all():
    c = deployed("deepseek-r1", engine="sglang")
    assert active_experts(c, np.array([1.0])) == pytest.approx(8)
    assert active_experts(c, np.array([1e9])) == pytest.approx(256)


def test_popular_experts_are_chosen_again_and_again():
    """Against draws: each expert is chosen at a rate of an exponential distribution, as a Poisson process would."""
    c, rng = deployed("deepseek-r1", engine="sglang"), np.random.default_rng(2)
    rates = rng.exponential(8 / (256 - 8), size=(4000, 256))
    for positions in (4, 64, 512):
        chosen = (rng.poisson(rates * positions) > 0).sum(axis=1).mean()
        assert active_experts(c, np.array([float(positions)])) == pytest.approx(chosen, rel=0.01)


def test_ranks_with_attention_of_their_own_gather_and_scatter():
    """Fewer bytes than all-reduces, none in dense layers, and each GPU's own part alone goes to all others at once."""
    shared, own = (deployed("deepseek-r1", ep=8, dp_attention=dp) for dp in (False, True))
    assert own.links.reductions == 2 * own.shape.moe_layers < shared.links.reductions
    assert shared.links.reduced_bytes / own.links.reduced_bytes == pytest.approx(4 / ((1 + 2) / 2))
    few = np.array([8.0])
    ratio = reduce_seconds(shared, few) / reduce_seconds(own, few)
    assert ratio == pytest.approx(8 / 2 * 4 / 1.5)
    alone = deployed("deepseek-r1", accelerator="B300", tp=1, dp_attention=True, precision="fp4")
    assert alone.links.reductions == 0


def test_ranks_with_attention_of_their_own_have_their_own_host():
    batch = np.array([256.0])
    shared, own = (
        decode_terms(deployed("deepseek-r1", ep=8, dp_attention=dp), ONES, batch, 1000.0) for dp in (False, True)
    )
    assert own["sequence"] == pytest.approx(shared["sequence"] / 8)


@pytest.mark.parametrize(("engine", "whole"), [("vllm", True), ("trtllm", True), ("sglang", False)])
def test_a_rank_keeps_dense_layers_whole_unless_its_engine_shards_them(engine, whole):
    """The FLOPs of a step stay the same, as each rank has a share of the tokens; a GPU reads more weights."""
    shared, own = (deployed("deepseek-r1", engine=engine, ep=8, dp_attention=dp) for dp in (False, True))
    o, part = operations(CATALOG.models["deepseek-r1"]), weight_bytes_by_part(CATALOG.models["deepseek-r1"], "fp8")
    dense = o.dense_params * part.dense + o.head_params * part.head if whole else 0
    more = own.memory.dense_weight_bytes - shared.memory.dense_weight_bytes
    assert more == pytest.approx(7 / 8 * (o.attention_params * part.attention + dense))
    flops = [c.work.attention_flops / c.layout.attention_groups + c.work.dense_flops for c in (shared, own)]
    assert flops[1] == pytest.approx(flops[0])
    assert (own.work.dense_flops == 0) == whole


def test_an_all_reduce_takes_the_quickest_of_its_ways():
    """Small ones grow with the peers, large ones hardly do; and none is slower on half the bytes."""
    few, many = (deployed(tp=n) for n in (2, 8))
    small, large = np.array([4.0]), np.array([65536.0])
    assert reduce_seconds(many, small) == pytest.approx(7 * reduce_seconds(few, small))
    assert reduce_seconds(many, large) == pytest.approx(1.75 * reduce_seconds(few, large), rel=0.02)
    sizes = np.geomspace(1, 1e6, 200)
    assert (np.diff(reduce_seconds(many, sizes)) > 0).all()


def test_a_prompt_reads_experts_that_nobody_else_does():
    """With prompts in steps of their own all weights; in mixed steps the less, the more others decode."""
    alone, mixed = (deployed("deepseek-r1", engine=e) for e in ("sglang", "vllm"))
    read = [float(prompt_weights_seconds(mixed, ONES, 1024.0, n)[0]) for n in (0.0, 32.0, 512.0)]
    assert read[0] > 1.5 * read[1] > 3 * read[2] > 0
    own = [float(prompt_weights_seconds(alone, ONES, 1024.0, n)[0]) for n in (0.0, 512.0)]
    assert own[0] == own[1] > read[0]
    assert prompt_weights_seconds(deployed(), ONES, 1024.0, 0.0) == 0


def test_weights_without_arithmetic_of_their_own_are_expanded_first():
    native, expanded = (deployed("gpt-oss-120b", chip, precision="fp4") for chip in ("B200", "H200"))
    assert expanded.rates.expert_peak == CATALOG.accelerators["H200"].bf16_tflops * 1e12
    assert (
        native.rates.expert_bandwidth / native.rates.bandwidth
        > 1.3 * expanded.rates.expert_bandwidth / expanded.rates.bandwidth
    )


def test_windowed_layers_look_no_further_than_their_window():
    c = deployed("gpt-oss-120b", precision="fp4")
    full = replace(c, shape=replace(c.shape, windowed_pairs=np.array([0.0])))
    assert attention_pairs(c, 8192.0) < 0.6 * attention_pairs(full, 8192.0)


def test_taking_rows_keeps_every_column():
    two = deployment_columns(
        [
            Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=n, tp=n)
            for n in (1, 8)
        ],
        CATALOG,
    )
    one = take(two, np.array([False, True]))
    for group in fields(two):
        some, all_rows = getattr(one, group.name), getattr(two, group.name)
        assert all(getattr(some, f.name) == getattr(all_rows, f.name)[1] for f in fields(all_rows))
