"""What a prompt adds to the steps that it rides on.

    compute    FLOPs                                     in its experts of whole tiles, whose activations move
    weights    what no other sequence of a step reads    experts that none of them chose; all, in steps of its own
    attention  its (query, key) pairs
    link       all-reduced bytes
    overhead   a constant                                launches and host
    hop        activations between stages

Each times a multiplier that calibration finds. Where there are stages the parts are those of its way through all.
"""

from __future__ import annotations

import numpy as np

from paretoken.predict import kernels
from paretoken.predict.columns import Columns
from paretoken.predict.terms import (
    active_experts,
    expert_seconds,
    hop_seconds,
    moved_seconds,
    multiplier,
    reduce_seconds,
)

CHUNK_TOKENS = 8192
"""Tokens that a step, or a micro-batch, holds at most: vLLM's default on data-centre GPUs (since v0.8); SGLang's and
TensorRT-LLM's are of the same order."""
PROMPT_ATTENTION = 0.5
"""Share of the BF16 peak of attention within a prompt."""
PROMPT_LAYER_S, PROMPT_STEP_S = 10e-6, 0.5e-3


def attention_pairs(c: Columns, tokens: np.ndarray | float) -> np.ndarray:
    """(query, key) pairs of a whole prompt, as a mean over windowed and full layers."""
    full, near = tokens * tokens / 2, c.windowed_pairs
    return np.where(near > 0, near * np.minimum(tokens, c.window) * tokens, 0.0) + (1 - near) * full


def prompt_terms(
    c: Columns, m: np.ndarray, tokens: np.ndarray | float, pairs: np.ndarray, batch: np.ndarray | float = 0.0
) -> dict[str, np.ndarray]:
    """Seconds that a prompt of `tokens` adds, by part; of all stages where there are several.

    `batch` sequences decode in the steps that it rides on.
    """
    chunks = np.maximum(tokens / CHUNK_TOKENS, 1.0)
    dense = tokens * c.prompt_dense_flops / c.dense_rate
    rows = tokens + chunks * padded(c, tokens / chunks)
    experts = rows * c.expert_flops / (c.expert_rate * kernels.PROMPT_EXPERT_PEAK)
    return {
        "compute": (dense + experts) * multiplier(m, "prompt_compute") + moved_seconds(c, m, tokens),
        "weights": chunks * prompt_weights_seconds(c, m, tokens / chunks, batch),
        "attention": c.pair_flops * pairs / (c.bf16_peak * PROMPT_ATTENTION) * multiplier(m, "prompt_attention"),
        "link": c.reductions * reduce_seconds(c, tokens) * multiplier(m, "link_bandwidth"),
        "overhead": (c.layers * PROMPT_LAYER_S + PROMPT_STEP_S) * multiplier(m, "prompt_overhead"),
        "hop": hop_seconds(c, m, tokens),
    }


def padded(c: Columns, tokens: np.ndarray | float) -> np.ndarray:
    """Positions more that a chunk of some tokens computes since each active expert fills its tiles."""
    return active_experts(c, tokens) * kernels.PADDED_ROWS / np.maximum(c.active_experts, 1)


def prompt_weights_seconds(
    c: Columns, m: np.ndarray, tokens: np.ndarray | float, batch: np.ndarray | float
) -> np.ndarray:
    """Seconds in which weights are read for some tokens of a prompt that `batch` decoding sequences do not read.

    They read all dense weights, and the experts that they choose, if the prompt shares their step; else nothing.
    """
    batch = c.mixed * batch
    more = active_experts(c, tokens + batch) - active_experts(c, batch)
    return expert_seconds(c, m, more) + (1 - c.mixed) * weights_seconds(c, m)


def prefill_latency(c: Columns, taken: np.ndarray, tokens: np.ndarray | float) -> np.ndarray:
    """Seconds of a prompt's own way, if it takes `taken` of each stage: through all, but of chunks only the last."""
    return taken * (1 + (c.stages - 1) * np.minimum(1.0, CHUNK_TOKENS / tokens))


def weights_seconds(c: Columns, m: np.ndarray) -> np.ndarray:
    """Seconds in which all dense weights are read."""
    return c.dense_weight_bytes / c.dense_bandwidth * multiplier(m, "dense_memory")


def gemm_seconds(c: Columns, m: np.ndarray, tokens: np.ndarray | float) -> np.ndarray:
    """Seconds of a prompt's GEMMs that are not of routed experts: the part of its compute that reads dense weights."""
    return tokens * c.prompt_dense_flops / c.dense_rate * multiplier(m, "prompt_compute")


def prompt_seconds(c: Columns, m: np.ndarray, tokens: np.ndarray | float) -> np.ndarray:
    """Seconds that a whole prompt adds to the steps it rides on; with p stages, p times what it adds to each."""
    return sum(prompt_terms(c, m, tokens, attention_pairs(c, tokens)).values())
