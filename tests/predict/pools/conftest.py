"""Pools of one rack, and calibrations to predict them with."""

from __future__ import annotations

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.pools.layout import PooledCase, Pools, parse_layout, pooled_case

CHAT = Lengths(1024, 1024, 0.8)


def pools(layout: str = "1xDEP4+1xDEP8", **fields: object) -> Pools:
    """A layout of DeepSeek R1 in FP4 on GB200, unless fields of its workers say otherwise."""
    worker = Deployment(
        **{
            "accelerator": "GB200",
            "model": "deepseek-r1",
            "precision": "fp4",
            "engine": "trtllm",
            "gpus": 1,
            "tp": 1,
            **fields,
        }
    )
    return parse_layout(layout, worker, worker, "dynamo-trtllm")


def case_of(layout: str = "1xDEP4+1xDEP8", users: float = 64, lengths: Lengths = CHAT, **fields: object) -> PooledCase:
    """A checked case of `pools`."""
    return pooled_case(pools(layout, **fields), lengths, users)


@pytest.fixture(scope="session")
def catalog():
    return load_catalog()
