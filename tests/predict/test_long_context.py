"""What long contexts cost where attention is sparse, within chunks, or a state."""

from __future__ import annotations

import numpy as np
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.predict.columns import deployment_columns
from paretoken.predict.deployment import Deployment
from paretoken.predict.operations import operations
from paretoken.predict.prompts import attention_pairs, prompt_terms
from paretoken.predict.terms import TERMS, cached_tokens, decode_seconds, read_bytes, total

CATALOG = load_catalog()
ONES = np.ones((1, len(TERMS)))


def columns(model, *, dp=False, precision="fp8", gpus=8):
    ep = gpus if dp and CATALOG.models[model].moe else 1
    d = Deployment(
        accelerator="H200", model=model, precision=precision, engine="vllm", gpus=gpus, tp=gpus, ep=ep, dp_attention=dp
    )
    return deployment_columns([d], CATALOG)


def prompt_s(model, tokens, **layout):
    c = columns(model, **layout)
    return total(prompt_terms(c, ONES, tokens, attention_pairs(c, tokens)))[0]


def step_s(model, context, **layout):
    return decode_seconds(columns(model, **layout), ONES, np.array([16.0]), context)[0]


@pytest.mark.parametrize("dp", [False, True], ids=["tp", "dp"])
def test_a_long_prompt_is_cheaper_with_an_indexer(dp):
    assert prompt_s("deepseek-v3.2", 100_000, dp=dp) < prompt_s("deepseek-r1", 100_000, dp=dp)
    assert step_s("deepseek-v3.2", 100_000, dp=dp) < step_s("deepseek-r1", 100_000, dp=dp)


def test_a_short_prompt_is_dearer_with_an_indexer():
    assert prompt_s("deepseek-v3.2", 1_000) > prompt_s("deepseek-r1", 1_000)


def test_decoding_reads_what_the_indexer_picks_and_all_of_its_keys():
    c, o = columns("deepseek-v3.2"), operations(CATALOG.models["deepseek-v3.2"])
    assert cached_tokens(c, 1_000)[0] == 1_000
    assert cached_tokens(c, 100_000)[0] == 2_048
    assert c.memory.sequence_bytes(100_000)[0] == 100_000 * c.memory.growing_bytes[0]
    expected = 2_048 * o.kv_values + 100_000 * 61 * 132  # a cache in FP8; keys of 128 values and a scale of 4 bytes
    assert read_bytes(c, 100_000)[0] == pytest.approx(expected)


def test_some_layers_may_attend_to_everything():
    assert cached_tokens(columns("minimax-m3"), 100_000)[0] == pytest.approx((57 * 2_048 + 3 * 100_000) / 60)


def test_pairs_of_an_indexer_are_those_of_picked_tokens_and_its_own():
    c = columns("minimax-m3")
    pairs = 3 / 60 * 100_000**2 / 2 + 57 / 60 * (2_048**2 / 2 + (100_000 - 2_048) * 2_048)
    indexed = 100_000**2 / 2 * c.work.index_flops[0] / c.work.pair_flops[0]
    assert attention_pairs(c, 100_000)[0] == pytest.approx(pairs + indexed)


def test_chunks_begin_anew():
    c = columns("llama-4-scout")
    assert cached_tokens(c, 8_000)[0] == 8_000
    assert cached_tokens(c, 100_000)[0] == pytest.approx(0.75 * 4_096 + 0.25 * 100_000)
    m = c.memory
    assert m.sequence_bytes(100_000)[0] == m.growing_bytes[0] * 100_000 + m.windowed_bytes[0] * 8_192
    assert m.windowed_bytes[0] == pytest.approx(3 * m.growing_bytes[0])
    near = 12 * 8_192**2 / 2 + (100_000 - 12 * 8_192) ** 2 / 2
    assert attention_pairs(c, 100_000)[0] == pytest.approx(0.75 * near + 0.25 * 100_000**2 / 2)


def test_a_state_is_read_and_written_in_every_step():
    c, o = columns("qwen3.5-397b-a17b"), operations(CATALOG.models["qwen3.5-397b-a17b"])
    assert read_bytes(c, 0.0)[0] == pytest.approx(2 * o.state_bytes / 8)


@pytest.mark.parametrize("model", ["llama-3-70b", "deepseek-r1", "gpt-oss-120b", "gemma-3-27b", "deepseek-v4-pro"])
def test_models_without_such_layers_cost_what_they_did(model):
    """A mean over windowed layers and others; no term of an indexer or a state."""
    c, tokens = columns(model, gpus=4), 20_000.0
    near, pairs = c.shape.windowed[0], c.shape.windowed_pairs[0]
    window = min(tokens, c.shape.window[0])
    reach = near * window + (1 - near) * tokens
    assert cached_tokens(c, tokens)[0] == reach
    assert read_bytes(c, tokens)[0] == c.memory.kv_read_bytes_per_token[0] * reach
    assert attention_pairs(c, tokens)[0] == pairs * window * tokens + (1 - pairs) * tokens**2 / 2
