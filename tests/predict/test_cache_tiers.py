"""Tiers of host memory and SSD: tokens and seconds against arithmetic on the shapes of models."""

from __future__ import annotations

from math import inf, nan

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig
from paretoken.predict.cache_tiers import REACHED, cache_tiers
from paretoken.predict.deployment import Deployment

CATALOG = load_catalog()


def deployed(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=8, **more) -> Deployment:
    fields = {"tp": gpus // more.get("pp", 1), **more}
    return Deployment(accelerator=accelerator, model=model, precision=precision, engine=engine, gpus=gpus, **fields)


def test_a_dense_model_under_tensor_parallelism():
    """Llama 70B: 80 layers of 8 KV heads of 128, keys and values of two bytes. Of 8 GPUs each has one head."""
    host, ssd = cache_tiers(deployed(), CATALOG, host_gb=1000, ssd_gb=8000)
    token_bytes = 80 * 8 * 128 * 2 * 2
    assert (host.name, ssd.name) == ("host", "ssd")
    assert host.tokens == int(1000e9 / token_bytes)
    assert host.s_per_token == pytest.approx(token_bytes / 8 / (63e9 * REACHED))
    assert ssd.tokens == int(8000e9 / token_bytes)
    assert ssd.s_per_token == pytest.approx(token_bytes / 8 / (7.88e9 * REACHED))
    assert ssd.latency_s > host.latency_s == 0


def test_stages_load_side_by_side():
    one, two = (cache_tiers(deployed(pp=pp), CATALOG, host_gb=100)[0] for pp in (1, 2))
    assert two.tokens == one.tokens
    assert two.s_per_token == pytest.approx(one.s_per_token)


def test_heads_that_are_copied_to_more_gpus_take_memory_on_each():
    """A latent cache is on every GPU of a request: 61 layers of 576 values of two bytes."""
    token_bytes = 61 * 576 * 2
    tp = cache_tiers(deployed(model="deepseek-r1", engine="sglang"), CATALOG, host_gb=1000)[0]
    dp = cache_tiers(deployed(model="deepseek-r1", engine="sglang", dp_attention=True, ep=8), CATALOG, host_gb=1000)[0]
    assert tp.tokens == pytest.approx(1000e9 / (8 * token_bytes), abs=1)
    assert dp.tokens == pytest.approx(1000e9 / token_bytes, abs=1)
    assert tp.s_per_token == pytest.approx(token_bytes / (63e9 * REACHED))
    assert dp.s_per_token == pytest.approx(tp.s_per_token / 8)


def test_no_size_is_no_tier():
    assert cache_tiers(deployed(), CATALOG) == cache_tiers(deployed("H20"), CATALOG) == ()


@pytest.mark.parametrize("tier", ["host_gb", "ssd_gb"])
def test_a_link_that_no_source_states_is_refused(tier):
    """Both tiers pass it."""
    with pytest.raises(BadConfig, match=r"does not state the host link of H20, which tiers need; leave them out"):
        cache_tiers(deployed("H20"), CATALOG, **{tier: 100})


def test_a_superchip_loads_over_its_link():
    """Half of the 450 GB/s and direction that a Grace has for two GPUs, 3.6 times PCIe 5.0."""
    slow, fast = (cache_tiers(deployed(a, gpus=4), CATALOG, host_gb=100)[0] for a in ("B300", "GB300"))
    assert slow.s_per_token / fast.s_per_token == pytest.approx(225 / 63)


@pytest.mark.parametrize("size", [-1, inf, nan])
def test_bad_sizes_are_refused(size):
    with pytest.raises(BadConfig, match="GB: it must be 0 or more"):
        cache_tiers(deployed(), CATALOG, host_gb=size)
