"""What a prompt adds to the steps that process it.

    compute    FLOPs                                     its experts compute whole tiles; their activations move
    weights    those that no decoding sequence reads     experts that none of them chose; all, in steps of its own
    attention  its (query, key) pairs
    link       all-reduced bytes, or those of dispatch and combine
    network    what of them crosses between scale-up domains
    overhead   a constant                                launches and host
    hop        activations between stages

Calibration finds a multiplier for each. With several stages, a part is the sum over all of them.
"""

from __future__ import annotations

import numpy as np

from paretoken.predict import kernels
from paretoken.predict.arrays import Floats
from paretoken.predict.links import hop_seconds, prompt_network_seconds, reduce_seconds
from paretoken.predict.numbers import Columns
from paretoken.predict.terms import (
    active_experts,
    expert_seconds,
    moved_seconds,
    multiplier,
)

PROMPT_ATTENTION = 0.5
"""Share of the BF16 peak that attention within a prompt reaches; like the others here, a round figure."""
PROMPT_LAYER_S, PROMPT_STEP_S = 10e-6, 0.5e-3
"""Seconds of launches for each layer, and of the host."""


def attention_pairs(columns: Columns, tokens: Floats | float) -> Floats:
    """(query, key) pairs of a whole prompt, as a mean over windowed and full layers.

    Pairs of sparse attention and of its indexers count in proportion to their FLOPs.
    """
    shape, near = columns.shape, columns.shape.windowed_pairs
    in_window = np.where(
        shape.chunked > 0, _chunk_pairs(tokens, shape.window), np.minimum(tokens, shape.window) * tokens
    )
    return np.where(near > 0, near * in_window, 0.0) + (1 - near) * _sparse_pairs(columns, tokens)


def _chunk_pairs(tokens: Floats | float, chunk: Floats) -> Floats:
    """Pairs within chunks; the last chunk is partly full."""
    whole = np.floor(tokens / np.maximum(chunk, 1))
    rest = tokens - whole * chunk
    return (whole * chunk * chunk + rest * rest) / 2


def _sparse_pairs(columns: Columns, tokens: Floats | float) -> Floats:
    """Pairs of the layers without a window.

    With an indexer: all pairs of the first `topk` tokens, `topk` for each later token, and the indexer's own work.
    Later tokens attend to the cached vectors themselves, as in decoding.
    """
    shape, work, full = columns.shape, columns.work, tokens * tokens / 2
    dense = np.minimum(tokens, shape.topk)
    picked = dense * dense / 2 + (tokens - dense) * shape.topk * work.sparse_flops / work.pair_flops
    index = full * work.index_flops / columns.layout.attention_groups / work.pair_flops
    return np.where(shape.topk > 0, shape.sparse * picked + (1 - shape.sparse) * full + index, full)


def prompt_terms(
    columns: Columns, multipliers: Floats, tokens: Floats | float, pairs: Floats, batch: Floats | float = 0.0
) -> dict[str, Floats]:
    """Seconds that a prompt of `tokens` adds, by part, over all stages; `batch` sequences decode in the same steps."""
    overlapped = columns.engine.overlapped
    chunks = np.maximum(tokens / columns.engine.max_batched_tokens, 1.0)
    parts = chunks * (1 + overlapped)
    dense = tokens * columns.work.prompt_dense_flops / columns.rates.dense_rate
    rows = tokens + parts * padded_positions(columns, tokens / parts)
    experts = rows * columns.work.expert_flops / (columns.rates.expert_rate * kernels.PROMPT_EXPERT_PEAK)
    experts = experts * columns.layout.popular_load
    terms = {
        "compute": (dense + experts) * multiplier(multipliers, "prompt_compute")
        + moved_seconds(columns, multipliers, tokens),
        "weights": chunks * prompt_weights_seconds(columns, multipliers, tokens / chunks, batch),
        "attention": columns.work.pair_flops
        * pairs
        / (columns.rates.bf16_peak * PROMPT_ATTENTION)
        * multiplier(multipliers, "prompt_attention"),
        "link": columns.links.reductions * reduce_seconds(columns, tokens) * multiplier(multipliers, "link_bandwidth"),
        "network": prompt_network_seconds(columns, tokens),
        "overhead": (columns.shape.layers * PROMPT_LAYER_S + PROMPT_STEP_S)
        * multiplier(multipliers, "prompt_overhead"),
        "hop": hop_seconds(columns, multiplier(multipliers, "link_bandwidth"), tokens),
    }
    return terms | _visible(terms, overlapped) if np.any(overlapped) else terms


def _visible(terms: dict[str, Floats], overlapped: Floats) -> dict[str, Floats]:
    """Seconds of link and network that two-batch overlap does not hide behind computation."""
    computed, exchanged = terms["compute"] + terms["attention"], terms["link"] + terms["network"]
    share = 1 - overlapped * np.minimum(computed / np.maximum(exchanged, 1e-12), 1.0)
    return {name: terms[name] * share for name in ("link", "network")}


def padded_positions(columns: Columns, tokens: Floats | float) -> Floats:
    """Extra positions that a chunk of `tokens` computes, because each active expert fills its tiles."""
    return active_experts(columns, tokens) * kernels.PADDED_ROWS / np.maximum(columns.shape.active_experts, 1)


def prompt_weights_seconds(
    columns: Columns, multipliers: Floats, tokens: Floats | float, batch: Floats | float
) -> Floats:
    """Seconds to read the weights for `tokens` of a prompt that the `batch` decoding sequences do not read.

    If the prompt shares their step, those read all dense weights and the experts that they choose; else none. Each half
    of a step with two-batch overlap reads its own.
    """
    halves = 1 + columns.engine.overlapped
    tokens = tokens / halves
    batch = columns.engine.mixed * batch
    unread = active_experts(columns, tokens + batch) - active_experts(columns, batch)
    return halves * (
        expert_seconds(columns, multipliers, unread)
        + (1 - columns.engine.mixed) * weights_seconds(columns, multipliers)
    )


def prefill_latency(columns: Columns, stage_s: Floats, tokens: Floats | float) -> Floats:
    """Seconds of prefill alone, at `stage_s` in each stage: the last chunk passes the stages after the first."""
    return stage_s * (1 + (columns.layout.stages - 1) * np.minimum(1.0, columns.engine.max_batched_tokens / tokens))


def weights_seconds(columns: Columns, multipliers: Floats) -> Floats:
    """Seconds to read all dense weights."""
    return columns.memory.dense_weight_bytes / columns.rates.dense_bandwidth * multiplier(multipliers, "dense_memory")
