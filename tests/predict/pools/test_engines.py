"""Which disaggregated engine a name stands for."""

from __future__ import annotations

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig, UnknownName
from paretoken.predict.pools.engines import pool_engine

CATALOG = load_catalog()


@pytest.mark.parametrize(
    ("name", "accelerator", "engine", "core"),
    [
        ("dynamo-trtllm", "GB200", "dynamo-trtllm", "trtllm"),
        ("trtllm", "GB200", "dynamo-trtllm", "trtllm"),
        ("sglang", "B200", "dynamo-sglang", "sglang"),
        ("sglang", "MI355X", "mori-sglang", "sglang"),
        ("vllm", "H200", "dynamo-vllm", "vllm"),
        ("atom", "MI355X", "atom-disagg", "atom"),
        ("mooncake-atom", "MI355X", "mooncake-atom", "atom"),
    ],
)
def test_a_core_stands_for_the_engine_that_disaggregates_it_there(name, accelerator, engine, core):
    chosen = pool_engine(name, [accelerator, accelerator], CATALOG)
    assert (chosen.engine, chosen.core) == (engine, core)
    assert bool(chosen.note) is (name != engine)
    assert engine in chosen.note or name == engine


def test_the_note_names_the_others():
    assert "mooncake-atom would too" in pool_engine("atom", ["MI355X"], CATALOG).note


@pytest.mark.parametrize(
    ("name", "accelerators", "words"),
    [
        ("trtllm", ["MI355X"], "does not serve disaggregated on AMD; use mori-sglang"),
        ("mori-sglang", ["GB200"], "does not serve disaggregated on NVIDIA; use dynamo-trtllm"),
        ("llamacpp", ["H100"], "does not serve disaggregated on NVIDIA"),
        ("trtllm", ["GB200", "MI355X"], r"on GB200 \(NVIDIA\) and MI355X \(AMD\); use accelerators of one vendor"),
    ],
)
def test_what_no_engine_serves_is_refused(name, accelerators, words):
    with pytest.raises(BadConfig, match=words):
        pool_engine(name, accelerators, CATALOG)


def test_an_unknown_engine_is_refused():
    with pytest.raises(UnknownName):
        pool_engine("nothing", ["GB200"], CATALOG)
