"""How many tokens published disaggregated servers draft, by recipes of their layouts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.pools import drafts
from paretoken.predict.pools.drafts import pooled_drafts, with_published_drafts
from paretoken.predict.pools.layout import PooledCase, Pools
from paretoken.predict.published_settings import Drafts

MADE_UP = """accelerator,engine,model,precision,isl,osl,prefill_workers,prefill_gpus,decode_workers,decode_gpus,users,\
speculative,speculative_tokens,source
GB200,dynamo-trtllm,deepseek-r1,fp4,8192,1024,2,4,1,16,64,mtp,3,a_mtp3.yaml
GB200,dynamo-trtllm,deepseek-r1,fp4,8192,1024,2,4,1,16,1024,mtp,1,b_mtp1.yaml
GB200,dynamo-trtllm,deepseek-r1,fp4,1024,1024,1,4,1,32,64,mtp,3,c_mtp3.yaml
B300,dynamo-vllm,minimax-m3,fp4,8192,1024,1,2,1,4,64,eagle3,3,d.yaml
"""
WORKER = Deployment(
    accelerator="GB200", model="deepseek-r1", precision="fp4", engine="trtllm", gpus=16, tp=16, speculative="mtp"
)
POOLS = Pools(engine="dynamo-trtllm", prefill=replace(WORKER, gpus=4, tp=4), decode=WORKER, prefill_workers=2)
CASE = PooledCase(pools=POOLS, lengths=Lengths(8192, 1024), concurrency=100.0)


@pytest.fixture(autouse=True)
def made_up(tmp_path, monkeypatch):
    (tmp_path / "drafts.csv").write_text(MADE_UP)
    monkeypatch.setattr(drafts, "DATA", tmp_path / "drafts.csv")
    drafts._by_recipe.cache_clear()
    yield
    drafts._by_recipe.cache_clear()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Drafts("mtp", 3)),
        ({"concurrency": 900.0}, Drafts("mtp", 1)),
        ({"lengths": Lengths(1024, 8192)}, Drafts("mtp", 3)),
        ({"pools": replace(POOLS, decode_workers=3)}, Drafts("mtp", 3)),
        ({"pools": replace(POOLS, decode=replace(WORKER, precision="fp8"))}, Drafts("mtp", 3)),
        ({"pools": replace(POOLS, engine="dynamo-vllm")}, None),
    ],
    ids=["nearest users", "many users", "other lengths", "other layout", "other precision", "no recipe"],
)
def test_the_recipe_of_the_layout_counts_then_that_of_the_deployment(changes, expected):
    assert pooled_drafts(replace(CASE, **changes)) == expected


def test_both_pools_draft_as_the_recipe_does_unless_the_point_states_it():
    pools = with_published_drafts(CASE).pools
    assert (pools.prefill.speculative_tokens, pools.decode.speculative_tokens) == (3, 3)
    stated = replace(CASE, pools=replace(POOLS, decode=replace(WORKER, speculative_tokens=2)))
    assert with_published_drafts(stated) == stated
    plain = replace(CASE, pools=replace(POOLS, decode=replace(WORKER, speculative="none")))
    assert with_published_drafts(plain) == plain


def test_shipped_recipes_name_known_methods_and_tokens(monkeypatch):
    monkeypatch.undo()
    drafts._by_recipe.cache_clear()
    rows = [row for rows in drafts._by_recipe().values() for row in rows]
    assert len(rows) > 500
    assert {row.drafts.method for row in rows} == {"mtp", "eagle3"}
    assert all(1 <= row.drafts.tokens <= 4 for row in rows)
