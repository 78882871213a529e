"""Domains, the network between them, and what GPUs exchange over each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.predict.columns import deployment_columns
from paretoken.predict.deployment import Deployment
from paretoken.predict.numbers import LinkNumbers
from paretoken.predict.parts import deployment_parts
from paretoken.predict.prompts import attention_pairs, prompt_terms
from paretoken.predict.terms import TERMS, decode_terms, total
from paretoken.predict.topology import (
    between_pools_bytes_per_s,
    distinct,
    domains_of,
    link_numbers,
    network_gb_per_s,
    network_notes,
)

CATALOG = load_catalog()
ONES = np.ones((1, len(TERMS)))
HIDDEN = CATALOG.models["deepseek-r1"].hidden_size


def deployed(gpus=16, accelerator="H200", **more) -> Deployment:
    fields = {"model": "deepseek-r1", "precision": "fp8", "engine": "sglang", "tp": gpus // more.get("pp", 1), **more}
    return Deployment(accelerator=accelerator, gpus=gpus, **fields)


def links(d: Deployment) -> LinkNumbers[float]:
    return link_numbers(d, deployment_parts(d, CATALOG))


def wide(gpus=32, accelerator="H200", **more) -> Deployment:
    return deployed(gpus, accelerator, ep=gpus, dp_attention=True, **more)


def test_single_nodes_take_as_long_as_before_networks_were_counted():
    """The recorded seconds of decode steps and prompts, of deployments of eight GPUs and fewer, with no multipliers."""
    rows = json.loads((Path(__file__).parent / "data" / "single_node_steps.json").read_text())
    assert len(rows) > 50
    for row in rows:
        decode_s, prompt_s = row.pop("decode_s"), row.pop("prompt_s")
        c = deployment_columns([Deployment(**row)], CATALOG)
        steps = [float(total(decode_terms(c, ONES, np.array([n]), 2048.0))[0]) for n in (1.0, 64.0)]
        prompt = float(total(prompt_terms(c, ONES, 1024.0, attention_pairs(c, 1024.0)))[0])
        recorded = [float.fromhex(x) for x in (*decode_s, prompt_s)]
        assert [*steps, prompt] == pytest.approx(recorded, rel=1e-12), row


@pytest.mark.parametrize(
    ("gpus", "accelerator", "domains"),
    [(8, "H200", 1), (9, "H200", 2), (32, "MI355X", 4), (72, "GB200", 1), (73, "GB200", 2), (8, "L40S", 1)],
)
def test_domains(gpus, accelerator, domains):
    assert domains_of(gpus, CATALOG.accelerators[accelerator]) == domains


def test_within_one_domain_nothing_crosses_the_network():
    for d in (deployed(8), wide(8), wide(72, "GB200"), deployed(16, "GB200"), deployed(16, "GB300", pp=2)):
        x = links(d)
        assert (x.network_bytes, x.prompt_network_bytes, x.network_trips, x.crossings) == (0, 0, 0, 0), d


def test_an_all_reduce_over_two_nodes_is_one_within_each_and_one_between():
    one, two = links(deployed(8)), links(deployed(16))
    assert (two.link, two.local_gpus, two.reduced_bytes) == (one.link, 8, one.reduced_bytes)
    assert two.network_bytes == pytest.approx(HIDDEN * 4 / 2 / 8), "half of a sum, gathered and scattered by 8 cards"
    assert two.network_trips == 2
    assert links(deployed(32)).network_trips == 4


def test_nine_gpus_are_spread_evenly_over_two_nodes():
    assert links(deployed(12, tp=4, dp_attention=True)).local_gpus == 6


def test_a_rank_sends_a_token_once_to_each_other_rank_of_its_experts():
    """Against draws of 8 experts for each of 20,000 tokens of rank 0, over 32 ranks in four nodes."""
    x, rng = links(wide(32)), np.random.default_rng(1)
    ranks = np.array([rng.choice(256, 8, replace=False) // 8 for _ in range(20_000)])
    sent = np.zeros((20_000, 32), dtype=bool)
    np.put_along_axis(sent, ranks, values=True, axis=1)
    each = HIDDEN * (1 + 4 / 128 + 2) / 2 / 32
    assert x.reduced_bytes / each == pytest.approx(sent[:, 1:8].sum(axis=1).mean(), rel=0.03)
    assert x.network_bytes / each == pytest.approx(sent[:, 8:].sum(axis=1).mean(), rel=0.03)
    nodes = sent.reshape(-1, 4, 8).any(axis=2)
    assert x.prompt_network_bytes / each == pytest.approx(nodes[:, 1:].sum(axis=1).mean(), rel=0.03)
    assert x.network_trips == 1


def test_every_rank_is_reached_by_many_experts_and_one_by_one():
    assert distinct(32, 1) == pytest.approx(1)
    assert distinct(8, 10_000) == pytest.approx(8)
    assert distinct(1, 8) == 1


def test_amd_sends_a_token_once_to_each_other_node_in_decode_too():
    amd, nvidia = links(wide(16, "MI355X")), links(wide(16))
    assert amd.network_bytes == amd.prompt_network_bytes == pytest.approx(nvidia.prompt_network_bytes)
    assert amd.network_bytes < nvidia.network_bytes / 3


def test_eight_ranks_gather_and_more_dispatch():
    assert [links(wide(n, "GB200")).dispatched for n in (4, 8, 16)] == [0, 0, 1]
    assert links(deployed(16, "GB200", ep=16)).dispatched == 0, "without attention data parallelism"
    assert links(deployed(16, "GB200", dp_attention=True)).dispatched == 0, "without expert parallelism"


def test_dispatched_activations_are_in_fp8_where_weights_have_eight_or_four_bits():
    bytes_of = {p: links(wide(32, "GB200", precision=p)).reduced_bytes for p in ("bf16", "fp8", "fp4")}
    assert bytes_of["fp8"] == bytes_of["fp4"] == pytest.approx(bytes_of["bf16"] * (2 + 1 + 4 / 128) / 4)


@pytest.mark.parametrize(
    ("gpus", "pp", "accelerator", "crossings"),
    [(8, 2, "H200", 0), (16, 2, "H200", 1), (16, 4, "H200", 1), (32, 4, "H200", 3), (16, 2, "GB200", 0)],
)
def test_hops_between_nodes_use_the_network(gpus, pp, accelerator, crossings):
    d = deployed(gpus, accelerator, pp=pp)
    assert links(d).crossings == crossings
    c = deployment_columns([d], CATALOG)
    within = deployment_columns([deployed(gpus, "GB200", pp=pp)], CATALOG)
    hop, inside = (decode_terms(x, ONES, np.array([64.0]), 1024.0)["hop"][0] for x in (c, within))
    assert (hop > 1.2 * inside) == (crossings > 0)


def test_a_faster_network_is_never_slower():
    slow, fast = (
        CATALOG.accelerators["H200"],
        CATALOG.accelerators["H200"].model_copy(update={"scaleout_gb_per_s": 100.0}),
    )
    assert network_gb_per_s(fast) == 2 * network_gb_per_s(slow) == 100
    assert between_pools_bytes_per_s(slow, fast, 16) == 50e9


def test_pools_of_one_rack_use_its_links_and_others_the_network():
    gb200, h200, amd = (CATALOG.accelerators[n] for n in ("GB200", "H200", "MI355X"))
    assert between_pools_bytes_per_s(gb200, gb200, 72) == 900e9
    assert between_pools_bytes_per_s(gb200, gb200, 76) == 50e9
    assert between_pools_bytes_per_s(gb200, h200, 8) == 50e9
    assert between_pools_bytes_per_s(amd, amd, 8) == pytest.approx(538e9 / 7), "one pair of a mesh"


def test_notes_name_tp_over_the_network_and_an_assumed_network():
    def notes(d: Deployment) -> str:
        return "; ".join(network_notes(d, CATALOG.accelerators[d.accelerator]))

    assert notes(deployed(8)) == notes(wide(32)) == notes(deployed(16, "GB200")) == ""
    assert "TP 16 of H200 spans 2 nodes" in notes(deployed(16))
    assert "does not state the network of H20; 50 GB/s" in notes(wide(16, "H20"))
