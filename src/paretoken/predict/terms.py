"""Where the time of a step goes: one term for each cause, each times a multiplier that calibration finds.

A decode step of `batch` sequences over contexts of mean length `context` takes, per GPU,

    dense      roofline(weights read, FLOPs)             attention projections, dense and shared FFN, output head
    experts    roofline(active experts read, FLOPs)      E·(1 − (1 − k/E)^B) experts are active on average
    imbalance  what the busiest EP rank takes longer     the largest of EP shares that chance deals
    kv         cached bytes of all contexts / bandwidth  windowed layers look back at most their window
    layer      a constant for each layer                 launches, small operators, attention's latency
    step       a constant                                scheduler and host
    sequence   a constant for each sequence              sampling, detokenisation, bookkeeping
    link       2 all-reduces a layer: latency + bytes / link bandwidth
    hop        activations between stages: p − 1 times latency + 2·hidden bytes a position / link bandwidth

and a prompt of n tokens adds FLOPs, attention over its pairs, all-reduced bytes and a constant.

Where the layers are split into p stages, p micro-batches of batch/p sequences go round, each in another stage. A
step is then one round, the time between two tokens of a sequence: its micro-batch passes all stages one after
the other, and the output head and the host once. With fewer sequences than stages a micro-batch is one sequence,
and stages idle. A prompt's parts are those of its way through all stages.

The base constants below are round figures of the literature; only their products with the multipliers have a meaning.
Everything broadcasts: columns are of shape (n,), `batch` and `context` of the same or of a wider shape.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from paretoken.predict.columns import Columns

TERMS = (
    "dense_memory",
    "expert_memory",
    "compute",
    "kv",
    "layer",
    "step",
    "sequence",
    "link_latency",
    "link_bandwidth",
    "prompt_compute",
    "prompt_attention",
    "prompt_overhead",
    "queueing",
    "ahead",
)
"""The multipliers, in the order of every array of them, shape (…, 14)."""

ROOFLINE_NORM = 2.5
"""max(a, b) rounded off: (a^p + b^p)^(1/p). Kernels near the ridge reach neither bound."""
MEMORY_DENSE, MEMORY_EXPERT, MEMORY_KV = 0.6, 0.5, 0.7
COMPUTE_DENSE, COMPUTE_EXPERT, COMPUTE_PROMPT_EXPERT, COMPUTE_ATTENTION, LINK = 0.5, 0.4, 0.35, 0.3, 0.5
LAYER_S, MOE_LAYER_S, STEP_S, SEQUENCE_S = 40e-6, 25e-6, 0.5e-3, 15e-6
REDUCE_S, REDUCE_PER_DOUBLING_S, HOP_S = 2e-6, 0.75e-6, 10e-6
PROMPT_LAYER_S, PROMPT_STEP_S = 60e-6, 2e-3


def _roofline(memory: np.ndarray, compute: np.ndarray) -> np.ndarray:
    p = ROOFLINE_NORM
    return (memory**p + compute**p) ** (1 / p)


def _m(multipliers: np.ndarray, term: str) -> np.ndarray:
    return multipliers[..., TERMS.index(term)]


def active_experts(c: Columns, positions: np.ndarray) -> np.ndarray:
    """Expected number of experts that some of the positions choose, per layer, if they choose at random."""
    return c.experts * (1 - (1 - c.active_experts / c.experts) ** positions)


def busiest_rank(c: Columns, places: np.ndarray | float, share: np.ndarray | float) -> np.ndarray:
    """How many times the mean the busiest of the EP ranks has, if each of its `places` is taken with odds `share`.

    The mean and as many deviations as the largest of EP normal numbers is expected to exceed it by (Blom's formula
    for order statistics, Statistical Estimates and Transformed Beta-Variables, 1958); at most all of it.
    """
    excess = ndtri((c.ranks - 0.375) / (c.ranks + 0.25))
    return np.minimum(1 + excess * np.sqrt((1 - share) / np.maximum(share * places, 1e-9)), c.ranks)


def decode_terms(c: Columns, m: np.ndarray, batch: np.ndarray, context: np.ndarray | float) -> dict[str, np.ndarray]:
    """Seconds of each part of a decode step of the whole deployment's `batch` sequences."""
    batch = micro_batch(c, batch)
    positions = batch * c.drafted
    dense_flops = c.attention_flops * positions / c.attention_groups + c.dense_flops * positions
    dense = _roofline(
        c.dense_weight_bytes / (c.bandwidth * MEMORY_DENSE) * _m(m, "dense_memory"),
        dense_flops / (c.dense_peak * COMPUTE_DENSE) * _m(m, "compute"),
    )
    active = active_experts(c, positions)
    read = c.expert_weight_bytes * active / (c.bandwidth * MEMORY_EXPERT) * _m(m, "expert_memory")
    computed = c.expert_flops * positions / (c.expert_peak * COMPUTE_EXPERT) * _m(m, "compute") + 1e-15
    experts = _roofline(read, computed)
    busiest = _roofline(
        read * busiest_rank(c, c.experts / c.ranks, active / c.experts),
        computed * busiest_rank(c, positions * c.active_experts, 1 / c.ranks),
    )
    link = reduce_latency(c) * _m(m, "link_latency") + c.reductions * positions * c.reduced_bytes / (
        c.link * LINK
    ) * _m(m, "link_bandwidth")
    return {
        "dense": dense,
        "experts": np.where(c.moe_layers > 0, experts, 0.0),
        "imbalance": np.where(c.moe_layers > 0, busiest - experts, 0.0),
        "kv": batch / c.attention_groups * kv_bytes(c, context) / (c.bandwidth * MEMORY_KV) * _m(m, "kv"),
        "layer": (c.layers * LAYER_S + c.moe_layers * MOE_LAYER_S) * _m(m, "layer"),
        "step": STEP_S * _m(m, "step"),
        "sequence": batch * SEQUENCE_S * _m(m, "sequence"),
        "link": link,
        "hop": (c.stages - 1) * HOP_S * _m(m, "link_latency") + hop_seconds(c, m, positions),
    }


def micro_batch(c: Columns, batch: np.ndarray) -> np.ndarray:
    """Sequences that pass the stages together: one in `stages` of the batch, but no fewer than one sequence."""
    return np.maximum(batch / c.stages, np.minimum(batch, 1.0))


def hop_seconds(c: Columns, m: np.ndarray, positions: np.ndarray | float) -> np.ndarray:
    """Seconds that the activations of some positions are on the links between stages, all hops together."""
    return (c.stages - 1) * positions * c.hop_bytes / (c.hop_link * LINK) * _m(m, "link_bandwidth")


def reduce_latency(c: Columns) -> np.ndarray:
    """Seconds of latency of all all-reduces of one step."""
    return c.reductions * (REDUCE_S + REDUCE_PER_DOUBLING_S * np.log2(c.gpus / c.stages))


def kv_bytes(c: Columns, context: np.ndarray | float) -> np.ndarray:
    """Bytes cached for one context, on each GPU that holds a part of it."""
    seen = np.where(c.windowed > 0, np.minimum(context, c.window), 0.0)
    return c.kv_bytes_per_token * (c.windowed * seen + (1 - c.windowed) * context)


def decode_seconds(c: Columns, m: np.ndarray, batch: np.ndarray, context: np.ndarray | float) -> np.ndarray:
    """Seconds of a decode step, all terms together."""
    return sum(decode_terms(c, m, batch, context).values())


def prompt_pairs(c: Columns, tokens: np.ndarray | float) -> np.ndarray:
    """(query, key) pairs of a whole prompt, as a mean over windowed and full layers."""
    full, near = tokens * tokens / 2, c.windowed_pairs
    return np.where(near > 0, near * np.minimum(tokens, c.window) * tokens, 0.0) + (1 - near) * full


def prompt_terms(c: Columns, m: np.ndarray, tokens: np.ndarray | float, pairs: np.ndarray) -> dict[str, np.ndarray]:
    """Seconds that a prompt of `tokens` adds, by part; of all stages where there are several."""
    flops = c.prompt_dense_flops / (c.dense_peak * COMPUTE_DENSE) + c.expert_flops / (
        c.expert_peak * COMPUTE_PROMPT_EXPERT
    )
    link = c.reductions * c.reduced_bytes * tokens / (c.link * LINK)
    return {
        "compute": tokens * flops * _m(m, "prompt_compute"),
        "attention": c.pair_flops * pairs / (c.bf16_peak * COMPUTE_ATTENTION) * _m(m, "prompt_attention"),
        "link": link * _m(m, "link_bandwidth"),
        "overhead": (c.layers * PROMPT_LAYER_S + PROMPT_STEP_S) * _m(m, "prompt_overhead"),
        "hop": hop_seconds(c, m, tokens),
    }


def prompt_seconds(c: Columns, m: np.ndarray, tokens: np.ndarray | float) -> np.ndarray:
    """Seconds that a whole prompt adds to the steps it rides on; with p stages, p times what it adds to each."""
    return sum(prompt_terms(c, m, tokens, prompt_pairs(c, tokens)).values())
