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
from paretoken.predict.arrays import Floats
from paretoken.predict.numbers import Columns
from paretoken.predict.terms import (
    active_experts,
    expert_seconds,
    hop_seconds,
    moved_seconds,
    multiplier,
    reduce_seconds,
)

PROMPT_ATTENTION = 0.5
"""Share of the BF16 peak of attention within a prompt."""
PROMPT_LAYER_S, PROMPT_STEP_S = 10e-6, 0.5e-3


def attention_pairs(columns: Columns, tokens: Floats | float) -> Floats:
    """(query, key) pairs of a whole prompt, as a mean over windowed and full layers.

    Those of sparse attention and of its indexers count by what they cost.
    """
    shape, near = columns.shape, columns.shape.windowed_pairs
    in_window = np.where(
        shape.chunked > 0, _chunk_pairs(tokens, shape.window), np.minimum(tokens, shape.window) * tokens
    )
    return np.where(near > 0, near * in_window, 0.0) + (1 - near) * _sparse_pairs(columns, tokens)


def _chunk_pairs(tokens: Floats | float, chunk: Floats) -> Floats:
    """Pairs within chunks, of which the last is not full."""
    whole = np.floor(tokens / np.maximum(chunk, 1))
    rest = tokens - whole * chunk
    return (whole * chunk * chunk + rest * rest) / 2


def _sparse_pairs(columns: Columns, tokens: Floats | float) -> Floats:
    """All pairs, or with an indexer those of the first `topk` tokens, `topk` of each further one, and their indexing.

    A token that picks works on the cached vectors themselves, as decoding does.
    """
    shape, work, full = columns.shape, columns.work, tokens * tokens / 2
    dense = np.minimum(tokens, shape.topk)
    picked = dense * dense / 2 + (tokens - dense) * shape.topk * work.sparse_flops / work.pair_flops
    index = full * work.index_flops / columns.layout.attention_groups / work.pair_flops
    return np.where(shape.topk > 0, shape.sparse * picked + (1 - shape.sparse) * full + index, full)


def prompt_terms(
    columns: Columns, multipliers: Floats, tokens: Floats | float, pairs: Floats, batch: Floats | float = 0.0
) -> dict[str, Floats]:
    """Seconds that a prompt of `tokens` adds, by part; of all stages where there are several.

    `batch` sequences decode in the steps that it rides on.
    """
    chunks = np.maximum(tokens / columns.engine.max_batched_tokens, 1.0)
    dense = tokens * columns.work.prompt_dense_flops / columns.rates.dense_rate
    rows = tokens + chunks * padded_positions(columns, tokens / chunks)
    experts = rows * columns.work.expert_flops / (columns.rates.expert_rate * kernels.PROMPT_EXPERT_PEAK)
    return {
        "compute": (dense + experts) * multiplier(multipliers, "prompt_compute")
        + moved_seconds(columns, multipliers, tokens),
        "weights": chunks * prompt_weights_seconds(columns, multipliers, tokens / chunks, batch),
        "attention": columns.work.pair_flops
        * pairs
        / (columns.rates.bf16_peak * PROMPT_ATTENTION)
        * multiplier(multipliers, "prompt_attention"),
        "link": columns.work.reductions * reduce_seconds(columns, tokens) * multiplier(multipliers, "link_bandwidth"),
        "overhead": (columns.shape.layers * PROMPT_LAYER_S + PROMPT_STEP_S)
        * multiplier(multipliers, "prompt_overhead"),
        "hop": hop_seconds(columns, multipliers, tokens),
    }


def padded_positions(columns: Columns, tokens: Floats | float) -> Floats:
    """Extra positions that a chunk of some tokens computes, as each active expert fills its tiles."""
    return active_experts(columns, tokens) * kernels.PADDED_ROWS / np.maximum(columns.shape.active_experts, 1)


def prompt_weights_seconds(
    columns: Columns, multipliers: Floats, tokens: Floats | float, batch: Floats | float
) -> Floats:
    """Seconds in which weights are read for some tokens of a prompt that `batch` decoding sequences do not read.

    They read all dense weights, and the experts that they choose, if the prompt shares their step; else nothing.
    """
    batch = columns.engine.mixed * batch
    unread = active_experts(columns, tokens + batch) - active_experts(columns, batch)
    return expert_seconds(columns, multipliers, unread) + (1 - columns.engine.mixed) * weights_seconds(
        columns, multipliers
    )


def prefill_latency(columns: Columns, taken: Floats, tokens: Floats | float) -> Floats:
    """Seconds of prefill alone, if it takes `taken` of each stage: through all of them, but of chunks only the last."""
    return taken * (1 + (columns.layout.stages - 1) * np.minimum(1.0, columns.engine.max_batched_tokens / tokens))


def weights_seconds(columns: Columns, multipliers: Floats) -> Floats:
    """Seconds in which all dense weights are read."""
    return columns.memory.dense_weight_bytes / columns.rates.dense_bandwidth * multiplier(multipliers, "dense_memory")
