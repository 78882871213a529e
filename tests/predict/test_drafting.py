"""What drafting costs: closed forms of a step's time, and properties that hold for every method."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.predict.columns import deployment_columns
from paretoken.predict.deployment import Deployment
from paretoken.predict.drafting import drafted_tokens, speculation_notes
from paretoken.predict.load import LoadColumns, kv_slots
from paretoken.predict.memory import memory_parts
from paretoken.predict.operations import operations
from paretoken.predict.speculation import METHODS, expected_length
from paretoken.predict.terms import TERMS, accepted_tokens, decode_seconds, decode_terms, draft_seconds

CATALOG = load_catalog()
R1 = Deployment(accelerator="B200", model="deepseek-r1", precision="fp8", engine="vllm", gpus=8, tp=8)
DENSE = Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=4, tp=4)
ONE = np.ones((1, len(TERMS)))
CONTEXT = 2048.0


def drafting(d: Deployment, method: str, tokens: int, **changes) -> Deployment:
    return replace(d, speculative=method, speculative_tokens=tokens, **changes)


def columns(d: Deployment):
    return deployment_columns([d], CATALOG)


def step_s(d: Deployment, batch: float) -> float:
    return decode_seconds(columns(d), ONE, np.array([batch]), CONTEXT)[0]


def tpot_s(d: Deployment, batch: float) -> float:
    return step_s(d, batch) / accepted_tokens(columns(d), ONE)[0]


@pytest.mark.parametrize("d", [R1, DENSE], ids=["moe", "dense"])
def test_a_step_without_drafts_is_one_position_and_one_token(d):
    c = columns(d)
    assert (c.engine.drafted[0], c.engine.accepted[0], c.engine.odds[0], c.draft.passes[0]) == (1, 1, 0, 0)
    assert accepted_tokens(c, ONE * 7)[0] == 1
    assert decode_terms(c, ONE, np.array([16.0]), CONTEXT)["draft"][0] == 0


@pytest.mark.parametrize("method", METHODS)
def test_no_drafted_token_equals_no_speculation(method):
    none = drafting(R1, method, 0)
    assert step_s(none, 16) == step_s(R1, 16)
    assert tpot_s(none, 16) == tpot_s(R1, 16)


@pytest.mark.parametrize("d", [R1, DENSE], ids=["moe", "dense"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_adds_to_a_step_and_more_with_each_token(d, method):
    steps = [step_s(drafting(d, method, tokens), 16) for tokens in (1, 2, 4, 8)]
    assert [step_s(d, 16), *steps] == sorted([step_s(d, 16), *steps])
    assert steps[0] > step_s(d, 16)


def test_n_grams_take_no_time_to_draft_but_to_verify():
    for d in (R1, DENSE):
        terms, plain = (decode_terms(columns(x), ONE, np.array([64.0]), CONTEXT) for x in (drafting(d, "ngram", 3), d))
        assert terms["draft"][0] == 0
        assert terms["dense"][0] + terms["experts"][0] > plain["dense"][0] + plain["experts"][0]
    assert terms["kv"][0] < 1.2 * plain["kv"][0], "the cached bytes are read once for all positions"


def test_a_chain_drafts_in_as_many_passes_as_tokens_and_a_block_in_one():
    for method, factor in (("mtp", 4), ("eagle3", 4), ("draft_model", 4)):
        one, four = (draft_seconds(columns(drafting(R1, method, k)), ONE, np.array([8.0]), CONTEXT)[0] for k in (1, 4))
        assert four == pytest.approx(factor * one)
    one, four = (draft_seconds(columns(drafting(R1, "dspark", k)), ONE, np.array([1.0]), CONTEXT)[0] for k in (1, 4))
    assert one < four < 1.5 * one


def test_the_draft_layer_of_a_model_costs_about_its_share_of_a_step():
    """One of 61 layers and the head, three times: at a large batch, where launches do not count."""
    layers = operations(CATALOG.models["deepseek-r1"]).layers
    spec = decode_terms(columns(drafting(R1, "mtp", 3)), ONE, np.array([512.0]), CONTEXT)
    plain = sum(spec.values())[0] - spec["draft"][0]
    assert 1 / layers < spec["draft"][0] / plain < 3 * 4 / layers


def test_the_draft_grows_with_the_batch_and_the_size_of_its_model():
    spec = columns(drafting(R1, "mtp", 3))
    seconds = [draft_seconds(spec, ONE, np.array([b]), CONTEXT)[0] for b in (1.0, 16.0, 256.0, 1024.0)]
    assert seconds == sorted(seconds)
    assert seconds[-1] > 1.5 * seconds[0]
    sizes = [
        draft_seconds(columns(drafting(DENSE, "draft_model", 4, draft_model=name)), ONE, np.array([16.0]), CONTEXT)[0]
        for name in ("0.5b", "1b", "qwen3-8b")
    ]
    assert sizes == sorted(sizes)


def test_tpot_falls_as_more_is_accepted():
    tpots = [tpot_s(drafting(R1, "mtp", 3, acceptance_length=x), 32) for x in (1.0, 1.5, 2.5, 4.0)]
    assert tpots == sorted(tpots, reverse=True)
    assert tpots[0] == pytest.approx(4 * tpots[-1])


def test_speculation_stops_to_pay_at_a_large_batch():
    """Verification multiplies the FLOPs, and the time of a step once they set it: there is one crossing."""
    spec = drafting(DENSE, "eagle3", 3, acceptance_length=2.0)
    batches = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0]
    gains = [tpot_s(DENSE, b) / tpot_s(spec, b) for b in batches]
    assert gains[0] > 1.5
    assert gains[-1] < 1
    assert sum(a > 1 >= b for a, b in pairwise(gains)) == 1


def test_calibration_multiplies_the_odds_and_leaves_a_stated_length_alone():
    free, stated = columns(drafting(R1, "mtp", 3)), columns(drafting(R1, "mtp", 3, acceptance_length=2.4))
    twice = ONE.copy()
    twice[0, TERMS.index("acceptance")] = 2.0
    assert accepted_tokens(free, ONE)[0] == pytest.approx(expected_length(METHODS["mtp"].odds, 3))
    assert accepted_tokens(free, twice)[0] == pytest.approx(expected_length(2 * METHODS["mtp"].odds, 3))
    assert accepted_tokens(free, ONE * 50)[0] < 4
    assert accepted_tokens(stated, twice)[0] == accepted_tokens(stated, ONE)[0] == 2.4


def test_every_sequence_has_a_slot_for_each_drafted_token():
    load = LoadColumns(*(np.array([x]) for x in (1e6, 30.0, 30.0, 10.0, 0.1)))
    small = replace(DENSE, settings=replace(DENSE.settings, kv_tokens=10_000, max_num_seqs=4096))
    plain, spec = columns(small), columns(drafting(small, "ngram", 16))
    assert kv_slots(plain, load)[0] == pytest.approx(10_000 / (30 + 5), rel=0.01)
    assert kv_slots(spec, load)[0] == pytest.approx(10_000 / (30 + 5 + 16), rel=0.01)


def test_a_draft_takes_memory_of_its_own():
    plain, spec = (memory_parts(d, CATALOG) for d in (R1, drafting(R1, "mtp", 1)))
    o = operations(CATALOG.models["deepseek-r1"])
    assert spec.draft_bytes > o.experts * o.expert_params / 8
    assert spec.cache_bytes == pytest.approx(plain.cache_bytes - spec.draft_bytes)
    assert spec.layout.growing_bytes == pytest.approx(plain.layout.growing_bytes * (1 + 1 / o.layers))
    assert memory_parts(drafting(R1, "ngram", 3), CATALOG) == plain


@pytest.mark.parametrize(
    ("changes", "tokens", "origin"),
    [
        ({"speculative": "none"}, 0, ""),
        ({"speculative": "mtp", "speculative_tokens": 5}, 5, "stated"),
        ({"speculative": "mtp", "engine": "sglang"}, 2, "most public recipes of deepseek-r1 with sglang"),
        ({"speculative": "mtp"}, 1, "default of vllm"),
        ({"speculative": "mtp", "acceptance_length": 2.6}, 2, "the fewest for the acceptance length"),
        ({"speculative": "medusa"}, 4, "usual for medusa"),
    ],
)
def test_tokens_that_are_not_stated_are_those_of_recipes_or_of_the_engine(changes, tokens, origin):
    assert drafted_tokens(replace(R1, **changes), CATALOG) == (tokens, origin)


def test_what_is_assumed_is_noted():
    assert not speculation_notes(drafting(R1, "mtp", 1), CATALOG)
    (layer,) = speculation_notes(drafting(DENSE, "mtp", 1), CATALOG)
    assert "without a layer" in layer
    (size,) = speculation_notes(drafting(DENSE, "draft_model", 1), CATALOG)
    assert "billion weights" in size
    assert not speculation_notes(drafting(DENSE, "draft_model", 1, draft_model="1b"), CATALOG)
    (block,) = speculation_notes(drafting(DENSE, "dspark", 1), CATALOG)
    assert "verified" in block


def test_attention_data_parallelism_drafts_for_each_rank():
    dp = replace(R1, ep=8, dp_attention=True)
    seconds = draft_seconds(columns(drafting(dp, "mtp", 3)), ONE, np.array([64.0]), CONTEXT)
    assert np.isfinite(seconds).all()
