"""Seconds of exchanges: against published measurements, and with two-batch overlap."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.predict.columns import deployment_columns
from paretoken.predict.configure import case, configured
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.explain import explain_case
from paretoken.predict.links import network_seconds, prompt_network_seconds, reduce_latency, reduce_seconds
from paretoken.predict.load import LoadColumns
from paretoken.predict.numbers import Columns
from paretoken.predict.pools.steady import prefill_times
from paretoken.predict.predictor import predict_cases
from paretoken.predict.prompts import attention_pairs, prompt_terms
from paretoken.predict.request import DeploymentRequest
from paretoken.predict.settings import EngineSettings
from paretoken.predict.simulated import simulate_users
from paretoken.predict.terms import COMPUTED, TERMS, decode_seconds, decode_terms, total

CATALOG = load_catalog()
ONES = np.ones((1, len(TERMS)))
DEEP_EP_US = {16: 118 + 195, 32: 155 + 273, 64: 173 + 314, 128: 192 + 369, 256: 194 + 360}
"""Dispatch and combine of 128 tokens a rank on H800, µs: github:deepseek-ai/DeepEP docs/legacy.md (MIT)."""
DECODE_TOK_S = {
    (144, 128, 4989, True): 14_800,
    (128, 128, 4096, True): 18_598,
    (72, 256, 2000, True): 22_282,
    (72, 256, 2000, False): 17_777,
}
"""Output tokens/s of a node by GPUs, sequences a GPU, cached tokens, and two-batch overlap: DeepSeek's service and its
profile (H800), SGLang (H100; +25.5 % by overlap). https://lmsys.org/blog/2025-05-05-large-scale-ep/"""


def wide(gpus, accelerator="H100", *, precision="fp8", **settings) -> Columns:
    one = Deployment(
        accelerator=accelerator,
        model="deepseek-r1",
        precision=precision,
        engine="sglang",
        gpus=gpus,
        tp=gpus,
        ep=gpus,
        dp_attention=True,
        settings=EngineSettings(**settings),
    )
    return deployment_columns([one], CATALOG)


@pytest.mark.parametrize(("ranks", "published_us"), DEEP_EP_US.items())
def test_dispatch_and_combine_over_the_network_take_what_deep_ep_publishes(ranks, published_us):
    c = wide(ranks)
    each = (network_seconds(c, 128.0 * ranks) + reduce_latency(c)) / c.links.reductions
    each = each + reduce_seconds(c, 128.0 * ranks)
    assert 2e6 * float(each[0]) == pytest.approx(published_us, rel=0.12)


@pytest.mark.parametrize(("run", "published"), DECODE_TOK_S.items())
def test_wide_decode_reaches_what_deepseek_and_sglang_publish_within_a_quarter(run, published):
    """With no multipliers: physics alone. Copies of experts stand for the even load of the profile."""
    gpus, batch, context, overlap = run
    redundant = {144: 32, 128: 128, 72: 32}[gpus]
    c = wide(gpus, redundant_experts=redundant, two_batch_overlap=overlap)
    step = float(decode_seconds(c, ONES, np.array([float(batch * gpus)]), float(context))[0])
    assert batch * 8 / step == pytest.approx(published, rel=0.25)


@pytest.mark.parametrize(("overlap", "published"), [(True, 50_302), (False, 50_302 / 1.31)])
def test_wide_prefill_reaches_what_sglang_publishes_within_a_quarter(overlap, published):
    """Input tokens/s of a node, 32 H100 with 16,384 tokens each, prompts of 4,096; overlap gave 27 to 35 %."""
    c = wide(32, redundant_experts=32, two_batch_overlap=overlap, max_batched_tokens=16_384)
    load = LoadColumns(*(np.array([x]) for x in (1.0, 4096.0, 4096.0, 1.0, 0.0)))
    seconds = float(prefill_times(c, ONES, load).full_s[0])
    assert 4096 / seconds / 32 * 8 == pytest.approx(published, rel=0.25)


def test_a_prompt_crosses_the_network_in_fewer_bytes_than_decoding_sequences():
    c = wide(32)
    decoded = network_seconds(c, 4096.0) - network_seconds(c, 0.0)
    assert 0.3 < float((prompt_network_seconds(c, 4096.0) / decoded)[0]) < 0.6


def test_links_count_only_beyond_the_time_of_the_network():
    c = wide(32)
    assert reduce_seconds(c, 4096.0) == 0
    endless = replace(c, links=replace(c.links, network=np.array([1e30])))
    assert reduce_seconds(endless, 4096.0) > 0


def test_with_an_endless_network_two_nodes_are_as_fast_as_their_links_and_latency():
    two = wide(16)
    numbers = {f.name: getattr(two.links, f.name) for f in fields(two.links)} | {"network": np.array([1e30])}
    fast = replace(two, links=type(two.links)(**numbers))
    assert network_seconds(fast, 4096.0) == pytest.approx(two.links.reductions * 20e-6)


def test_two_batch_overlap_hides_exchanges_and_reads_weights_twice():
    batch, context = np.array([72 * 256.0]), 2000.0
    plain, overlap = (wide(72, redundant_experts=32, two_batch_overlap=on) for on in (False, True))
    whole, half = (decode_terms(plain, ONES, batch / n, context) for n in (1, 2))
    shown = decode_terms(overlap, ONES, batch, context)
    for name in COMPUTED:
        assert shown[name] == pytest.approx(2 * half[name])
    assert shown["network"] == pytest.approx(half["network"]), "half of two halves"
    assert shown["step"] == whole["step"] and shown["sequence"] == whole["sequence"]
    assert total(shown) < total(whole)


def test_two_batch_overlap_gains_and_loses_where_sglang_publishes_it():
    """Throughput of 32 sequences a GPU falls by 27 %, of 256 it rises by 25.5 %; between 64 and 128 it turns."""
    plain, overlap = (wide(72, redundant_experts=32, two_batch_overlap=on) for on in (False, True))

    def gain(each: int) -> float:
        batch = np.array([72.0 * each])
        return float((decode_seconds(plain, ONES, batch, 2000.0) / decode_seconds(overlap, ONES, batch, 2000.0))[0]) - 1

    assert gain(32) == pytest.approx(-0.27, abs=0.07)
    assert gain(64) < 0 < gain(128)
    assert gain(256) == pytest.approx(0.255, abs=0.07)


def test_two_batch_overlap_of_one_deployment_leaves_its_neighbours_alone():
    both = deployment_columns(
        [
            Deployment(
                accelerator="H100",
                model="deepseek-r1",
                precision="fp8",
                engine="sglang",
                gpus=16,
                tp=16,
                ep=16,
                dp_attention=True,
                settings=EngineSettings(two_batch_overlap=on),
            )
            for on in (False, True)
        ],
        CATALOG,
    )
    seconds = decode_seconds(both, np.ones((2, len(TERMS))), np.array([4096.0, 4096.0]), 1024.0)
    alone = decode_seconds(wide(16), ONES, np.array([4096.0]), 1024.0)
    assert seconds[0] == alone[0] != seconds[1]
    columns = (wide(16), wide(16, two_batch_overlap=True))
    prompts = [prompt_terms(c, ONES, 8192.0, attention_pairs(c, 8192.0)) for c in columns]
    assert prompts[1]["network"] < prompts[0]["network"]
    assert prompts[1]["weights"] > 1.5 * prompts[0]["weights"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"tp": 32, "ep": 32, "dp_attention": True}, "dispatch and combine over the network"),
        ({"tp": 16}, "all-reduce or gather and scatter over the network"),
        ({"tp": 8}, ""),
    ],
)
def test_an_explanation_names_the_network_where_it_takes_time(more, words):
    request = DeploymentRequest(accelerator="H200", model="deepseek-r1", precision="fp8", engine="sglang", **more)
    explanation = explain_case(case(configured(request, CATALOG), Lengths(1024, 1024), 256, catalog=CATALOG))
    parts = {p.what for p in explanation.parts if p.name == "network"}
    assert parts == ({words} if words else set())


@pytest.mark.parametrize(("accelerator", "gpus", "users"), [("H200", 32, 256), ("GB200", 32, 512)])
def test_closed_form_and_simulation_agree_on_wide_deployments(accelerator, gpus, users):
    shape = {"gpus": gpus, "tp": gpus, "ep": gpus, "dp_attention": True}
    one = Deployment(accelerator=accelerator, model="deepseek-r1", precision="fp8", engine="trtllm", **shape)
    lengths = Lengths(1024, 1024, 0.8)
    closed = predict_cases([case(one, lengths, users, catalog=CATALOG)], catalog=CATALOG)
    simulated = simulate_users(one, lengths, users, catalog=CATALOG)
    assert simulated.quantiles["tpot"]["p50"] == pytest.approx(float(closed.tpot_s[0]), rel=0.05)
