"""The link that a KV cache crosses: one rack's own, or the network of the catalog."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.pools.layout import Pools, parse_layout
from paretoken.predict.pools.transfer import LATENCY_S, transfer_bytes, transfer_seconds

CATALOG = load_catalog()
LENGTHS = Lengths(8192, 1024)


def pools(layout: str, accelerator: str) -> Pools:
    one = Deployment(accelerator=accelerator, model="deepseek-r1", precision="fp8", engine="sglang", gpus=1, tp=1)
    return parse_layout(layout, one, one, "dynamo-sglang")


def sent_s(x: Pools) -> float:
    return transfer_seconds(x, transfer_bytes(x.decode, LENGTHS.mean_isl, CATALOG), CATALOG) - LATENCY_S


def moved_s(layout: str, accelerator: str) -> float:
    return sent_s(pools(layout, accelerator))


def test_a_rack_moves_the_cache_over_its_links_and_two_racks_over_the_network():
    inside, beyond = moved_s("10xDEP4+1xDEP32", "GB200"), moved_s("11xDEP4+1xDEP32", "GB200")
    assert beyond / inside == pytest.approx(900 / 50)


@pytest.mark.parametrize(("accelerator", "slower"), [("GB300", 0.5), ("H200", 1.0), ("MI355X", 1.0), ("H20", 1.0)])
def test_servers_use_the_network_of_the_catalog(accelerator, slower):
    layout = "4xDEP8+2xDEP32"
    assert moved_s(layout, accelerator) == pytest.approx(moved_s(layout, "H100") * slower)


def test_pools_of_two_accelerators_use_the_slower_network():
    x = pools("1xDEP8+1xDEP8", "B300")
    mixed = replace(x, decode=replace(x.decode, accelerator="H200"))
    assert sent_s(mixed) == pytest.approx(2 * moved_s("1xDEP8+1xDEP8", "B300"))
