"""Layouts in short, and what cannot be one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paretoken.errors import BadConfig, UnknownName
from paretoken.predict.deployment import Lengths
from paretoken.predict.pools.layout import checked_pools, pooled_case
from tests.predict.pools.conftest import CHAT, pools


@pytest.mark.parametrize(
    ("text", "layout", "gpus"),
    [
        ("4xDEP4+1xDEP32", "4xDEP4+1xDEP32", (16, 32)),
        ("2xtp4 + 3xTEP8", "2xTP4+3xTEP8", (8, 24)),
        ("TP8+DP4", "1xTP8+1xDP4", (8, 4)),
        ("2xTP8@H200+1xDEP32@GB200", "2xTP8@H200+1xDEP32@GB200", (16, 32)),
    ],
)
def test_layouts_in_short(text, layout, gpus):
    parsed = pools(text)
    assert parsed.layout == layout
    assert (parsed.prefill_gpus, parsed.decode_gpus) == gpus
    assert parsed.gpus == sum(gpus)


@pytest.mark.parametrize("text", ["", "4xDEP4", "4xDEP4+1xDEP32+1xTP8", "4xEP4+1xDEP32", "xDEP4+1xDEP8", "4DEP4+DEP8"])
def test_what_is_no_layout(text):
    with pytest.raises(BadConfig, match="write WORKERSxKINDGPUS"):
        pools(text)


def test_kinds_say_how_a_worker_shares_the_model():
    parsed = pools("1xTEP4+1xDP8")
    assert (parsed.prefill.ep, parsed.prefill.dp_attention, parsed.prefill.attention_tp) == (4, False, 4)
    assert (parsed.decode.ep, parsed.decode.dp_attention, parsed.decode.attention_tp) == (1, True, 1)


@pytest.mark.parametrize(
    ("layout", "fields", "words"),
    [
        ("0xDEP4+1xDEP8", {}, "prefill_workers is 0"),
        ("1xDEP4+20000xDEP8", {}, "decode_workers is 20,000"),
        ("1xTP3+1xTP8", {"model": "llama-3-70b", "precision": "fp8"}, "does not divide"),
        ("1xTP1+1xDEP8", {}, "does not fit"),
        ("4xDEP4+1xDEP18", {}, "18 GPUs of a decode worker .* nodes of 4 GPUs of GB200; use 16 or 20"),
        ("1xDEP6@GB200+1xDEP8", {}, "6 GPUs of a prefill worker .* nodes of 4 GPUs of GB200; use 4 or 8"),
    ],
)
def test_pools_that_cannot_exist(layout, fields, words):
    with pytest.raises(BadConfig, match=words):
        checked_pools(pools(layout, **fields))


def test_pools_of_two_models():
    both = pools()
    with pytest.raises(BadConfig, match="both must serve one model"):
        checked_pools(replace(both, prefill=replace(both.prefill, model="kimi-k2.5")))


def test_an_unknown_accelerator_of_one_pool():
    with pytest.raises(UnknownName, match="GB2OO"):
        checked_pools(pools("1xDEP4@GB2OO+1xDEP8@GB200"))


def test_a_request_that_no_decode_worker_holds():
    with pytest.raises(BadConfig, match="exceed"):
        pooled_case(pools(), Lengths(200_000, 1024, 0.8), 1)


def test_names_become_catalog_ids():
    case = pooled_case(replace(pools(accelerator="gb200_sxm"), engine="dynamo-trt"), CHAT, 8)
    assert (case.pools.accelerator, case.pools.engine) == ("GB200", "dynamo-trtllm")
