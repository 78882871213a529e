"""Sizes by which models divide, with the sizes that do named in what refuses the others."""

from __future__ import annotations

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.engines.sharding import Sharding, check_node, check_sharding
from paretoken.errors import BadConfig

MODELS = load_catalog().models
LLAMA, R1, CODER, M25 = (MODELS[key] for key in ("llama-3-70b", "deepseek-r1", "qwen3-coder-480b-a35b", "minimax-m2.5"))


@pytest.mark.parametrize(
    ("model", "sizes"),
    [
        (LLAMA, {"tp": 1}),
        (LLAMA, {"tp": 8}),
        (LLAMA, {"tp": 4, "pp": 2}),
        (LLAMA, {"tp": 2, "dp": 4}),
        (R1, {"tp": 8, "block": 128}),
        (R1, {"tp": 16, "block": 128}),
        (R1, {"tp": 8, "ep": 8, "block": 128}),
        (R1, {"tp": 8, "dp_attention": True, "ep_is_all": True, "block": 128}),
        (CODER, {"tp": 4, "block": 128}),
        (CODER, {"tp": 8}),
        (CODER, {"tp": 8, "ep": 8, "block": 128}),
        (M25, {"tp": 8, "ep": 8, "ep_is_all": True, "block": 128}),
        (M25, {"tp": 8, "ep": 2, "block": 128}),
    ],
)
def test_divides(model, sizes):
    check_sharding(Sharding(**sizes), model, 8)


@pytest.mark.parametrize(
    ("model", "sizes", "match"),
    [
        (LLAMA, {"tp": 3}, r"TP 3 does not divide the 64 attention heads of .*; use TP 1, 2, 4 or 8$"),
        (LLAMA, {"tp": 3, "pp": 2}, r"use TP 1, 2 or 4$"),
        (LLAMA, {"tp": 1, "pp": 81}, "PP 81 is more stages than the 80 layers"),
        (LLAMA, {"tp": 4, "ep": 4}, "is dense and has no experts"),
        (LLAMA, {"tp": 4, "dp_attention": True}, "is for models with experts and Llama"),
        (CODER, {"tp": 8, "block": 128}, r"TP 8 leaves 320 of the width 2,560.*use TP 1, 2 or 4, or add EP 8$"),
        (M25, {"tp": 8, "block": 128}, r"TP 8 leaves 192 of the width 1,536.*use TP 1, 2 or 4, or add EP 8$"),
        (R1, {"tp": 8, "ep": 3}, r"EP 3 does not divide the 256 experts of .*; use EP 1, 2, 4 or 8$"),
        (R1, {"tp": 4, "ep": 8}, r"EP 8 does not divide 4 GPUs of a stage; use EP 1, 2 or 4$"),
        (R1, {"tp": 8, "ep": 4, "ep_is_all": True}, "spreads experts over all 8 GPUs of a stage; use EP 8"),
    ],
)
def test_does_not(model, sizes, match):
    with pytest.raises(BadConfig, match=match):
        check_sharding(Sharding(**sizes), model, 8)


def test_kv_heads_divide_or_are_divided():
    eight = LLAMA.model_copy(update={"heads": 48, "kv_heads": 8, "intermediate_size": 48 * 128})
    check_sharding(Sharding(tp=16), eight, 16)
    with pytest.raises(BadConfig, match=r"is a multiple of the 8 KV heads .*use TP 1, 2, 4, 8 or 16$"):
        check_sharding(Sharding(tp=12), eight, 16)


def test_a_node_holds_the_server():
    h200 = load_catalog().accelerators["H200"]
    check_node(Sharding(tp=4, pp=2), h200, "H200")
    with pytest.raises(BadConfig, match="TP 8 x PP 2 is 16 GPUs, which span 2 nodes of 8 GPUs of H200"):
        check_node(Sharding(tp=8, pp=2), h200, "H200")
