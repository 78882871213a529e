"""Where the time and the GPUs of two pools go."""

from __future__ import annotations

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.pools.explain import explain_pools
from paretoken.predict.pools.layout import parse_layout, pooled_case
from paretoken.predict.pools.transfer import transfer_bytes, transfer_seconds
from paretoken.predict.settings import EngineSettings

CATALOG = load_catalog()
LENGTHS = Lengths(8192, 1024, 0.8)


def explained(layout, users, **settings):
    one = Deployment(
        accelerator="GB200",
        model="deepseek-r1",
        precision="fp4",
        engine="trtllm",
        gpus=1,
        tp=1,
        settings=EngineSettings(**settings),
    )
    return explain_pools(pooled_case(parse_layout(layout, one, one, "dynamo-trtllm"), LENGTHS, users, catalog=CATALOG))


@pytest.mark.parametrize(("layout", "users"), [("4xDEP4+1xDEP32", 256), ("1xTP4+2xTP8", 8), ("1xDEP4+1xDEP8", 2000)])
def test_the_parts_add_up(layout, users):
    e = explained(layout, users)
    for phase in ("prompt", "decode", "ttft"):
        assert sum(p.share for p in e.parts if p.phase == phase) == pytest.approx(1, abs=1e-3)
    assert sum(p.seconds for p in e.parts if p.phase == "ttft") == pytest.approx(e.ttft_s, rel=1e-3)
    assert sum(p.seconds for p in e.parts if p.phase == "decode") == pytest.approx(e.tpot_s, rel=1e-6)
    assert sum(g.gpus for g in e.gpus) == pytest.approx(e.case.pools.gpus)
    assert sum(g.share for g in e.gpus) == pytest.approx(1)
    assert all(g.gpus >= 0 for g in e.gpus) and all(p.seconds >= 0 for p in e.parts)


def test_prompt_alone_is_the_part_of_the_ttft():
    e = explained("4xDEP4+1xDEP32", 256)
    (of_ttft,) = (p.seconds for p in e.parts if (p.phase, p.name) == ("ttft", "prompt"))
    assert sum(p.seconds for p in e.parts if p.phase == "prompt") == pytest.approx(of_ttft, rel=1e-3)


def test_the_transfer_is_a_part_of_the_ttft():
    e = explained("4xDEP4+1xDEP32", 256)
    (of_ttft,) = (p.seconds for p in e.parts if (p.phase, p.name) == ("ttft", "transfer"))
    prompt_bytes = transfer_bytes(e.case.pools.decode, LENGTHS.mean_isl, CATALOG)
    assert of_ttft == pytest.approx(transfer_seconds(e.case.pools, prompt_bytes, CATALOG))


def test_what_limits_is_named():
    assert explained("8xDEP4+1xDEP8", 16).limited_by == "users"
    assert explained("1xDEP4+2xDEP16", 4000).limited_by == "prefill"
    assert explained("8xDEP4+1xDEP4", 4000, max_num_seqs=16).limited_by == "slots"


def test_an_idle_pool_is_shown_idle():
    share = {(g.pool, g.use): g.share for g in explained("16xDEP4+1xTP4", 4).gpus}
    assert share["prefill", "idle"] > 0.8 > 0.1 > share["prefill", "busy"] > 0
