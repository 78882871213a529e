"""Where the time of a step goes: one term for each cause, each times a multiplier that calibration finds.

A decode step of `batch` sequences over contexts of mean length `context` takes, per GPU,

    dense      roofline(weights read, FLOPs)             attention projections, dense and shared FFN, output head
    experts    weights of the active experts read        and FLOPs, and a constant for each layer and active expert
    imbalance  what the busiest EP rank takes longer     the largest of EP shares that chance deals
    kv         roofline(cached bytes, FLOPs)             windowed layers look back at most their window
    layer      a constant for each layer                 launches, small operators, attention's latency
    step       a constant                                scheduler and host
    sequence   a constant for each sequence              sampling, detokenisation, bookkeeping
    link       2 all-reduces a layer: latency + the quickest of three ways to move the bytes
    hop        activations between stages: p − 1 times latency + 2·hidden bytes a position / link bandwidth

What a prompt adds is in `prompts`.

Where the layers are split into p stages, p micro-batches of batch/p sequences go round, each in another stage. A
step is then one round, the time between two tokens of a sequence: its micro-batch passes all stages one after
the other, and the output head and the host once. With fewer sequences than stages a micro-batch is one sequence,
and stages idle.

What kernels reach is in `kernels`; the constants below are round figures of the literature. Only their products with
the multipliers have a meaning.
Everything broadcasts: columns are of shape (n,), `batch` and `context` of the same or of a wider shape.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from paretoken.predict import kernels
from paretoken.predict.columns import Columns

TERMS = (
    "dense_memory",
    "expert_memory",
    "routing",
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
    "start",
)
"""The multipliers, in the order of every array of them, shape (…, terms)."""

ROOFLINE_NORM = 1.5
"""max(a, b) rounded off: (a^p + b^p)^(1/p). Kernels near the ridge reach neither bound. Experts' bounds add up."""
HOP = 0.5
"""Share of a link's rate at which activations pass between stages."""
STEP_S, SEQUENCE_S = 0.5e-3, 7e-6
REDUCE_S, REDUCE_PER_DOUBLING_S, HOP_S = 1e-6, 0.5e-6, 10e-6


def roofline(memory: np.ndarray, compute: np.ndarray) -> np.ndarray:
    """Seconds of what is bound by either, rounded off where they are alike."""
    p = ROOFLINE_NORM
    return (memory**p + compute**p) ** (1 / p)


def multiplier(multipliers: np.ndarray, term: str) -> np.ndarray:
    """The column of one term, shape (…)."""
    return multipliers[..., TERMS.index(term)]


def active_experts(c: Columns, positions: np.ndarray | float) -> np.ndarray:
    """Expected number of experts that some of the positions choose, per layer: E·k·n/(E − k + k·n) for n of them.

    Tokens have favourites: if an expert is chosen at a rate that an exponential distribution deals out, it is chosen
    by none of n positions with odds 1/(1 + n·rate). One position chooses k, and many all; if all experts were as
    popular, all would be active far sooner.
    """
    chosen = c.active_experts * positions
    return c.experts * chosen / np.maximum(c.experts - c.active_experts + chosen, 1e-9)


def busiest_rank(c: Columns, draws: np.ndarray | float, share: np.ndarray | float) -> np.ndarray:
    """How many times the mean the busiest of the EP ranks has, if each of its `draws` is taken with odds `share`.

    The mean and as many deviations as the largest of EP normal numbers is expected to exceed it by (Blom's formula
    for order statistics, Statistical Estimates and Transformed Beta-Variables, 1958); at most all of it.
    """
    excess = ndtri((c.ranks - 0.375) / (c.ranks + 0.25))
    return np.minimum(1 + excess * np.sqrt((1 - share) / np.maximum(share * draws, 1e-9)), c.ranks)


def decode_terms(c: Columns, m: np.ndarray, batch: np.ndarray, context: np.ndarray | float) -> dict[str, np.ndarray]:
    """Seconds of each part of a decode step of the whole deployment's `batch` sequences."""
    batch = micro_batch(c, batch)
    positions = batch * c.drafted
    link = c.reductions * reduce_seconds(c, positions) * multiplier(m, "link_bandwidth")
    cached = kv_bytes(c, context)
    return {
        "dense": _dense(c, m, positions),
        **_experts(c, m, positions),
        "kv": batch
        / c.attention_groups
        * multiplier(m, "kv")
        * roofline(
            cached / (c.bandwidth * kernels.CACHE_BANDWIDTH),
            c.drafted * c.cached_flops * cached / c.kv_bytes_per_token / (c.bf16_peak * kernels.CACHE_PEAK),
        ),
        "layer": c.layer_s * multiplier(m, "layer"),
        "step": STEP_S * multiplier(m, "step"),
        "sequence": batch * SEQUENCE_S * multiplier(m, "sequence"),
        "link": reduce_latency(c) * multiplier(m, "link_latency") + link,
        "hop": (c.stages - 1) * HOP_S * multiplier(m, "link_latency") + hop_seconds(c, m, positions),
    }


def _dense(c: Columns, m: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Seconds of the GEMMs that are not of routed experts."""
    flops = c.attention_flops * positions / c.attention_groups + c.dense_flops * positions
    return roofline(
        c.dense_weight_bytes / c.dense_bandwidth * multiplier(m, "dense_memory"),
        flops / c.dense_rate * multiplier(m, "compute"),
    )


def _experts(c: Columns, m: np.ndarray, positions: np.ndarray) -> dict[str, np.ndarray]:
    """Seconds of the mixture layers if all ranks had the same share, and what the busiest takes longer."""
    active = active_experts(c, positions)
    read = expert_seconds(c, m, active) + moved_seconds(c, m, positions)
    computed = c.expert_flops * positions / (c.expert_rate * kernels.EXPERT_PEAK) * multiplier(m, "compute")
    longer = read * (busiest_rank(c, c.experts / c.ranks, active / c.experts) - 1)
    longer += computed * (busiest_rank(c, positions * c.active_experts, 1 / c.ranks) - 1)
    return {"experts": read + computed + c.routing_s * multiplier(m, "routing"), "imbalance": longer}


def expert_seconds(c: Columns, m: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Seconds in which the weights of so many active experts a layer are read, each rank its own."""
    read = c.expert_weight_bytes / c.expert_bandwidth * multiplier(m, "expert_memory")
    return active * (read + c.moe_layers / c.ranks * kernels.VISIT_S * multiplier(m, "routing"))


def moved_seconds(c: Columns, m: np.ndarray, positions: np.ndarray | float) -> np.ndarray:
    """Seconds in which the activations of some positions move through their experts."""
    return c.moved_bytes * positions / c.expert_bandwidth * multiplier(m, "expert_memory")


def micro_batch(c: Columns, batch: np.ndarray) -> np.ndarray:
    """Sequences that pass the stages together: one in `stages` of the batch, but no fewer than one sequence."""
    return np.maximum(batch / c.stages, np.minimum(batch, 1.0))


def hop_seconds(c: Columns, m: np.ndarray, positions: np.ndarray | float) -> np.ndarray:
    """Seconds that the activations of some positions are on the links between stages, all hops together."""
    return (c.stages - 1) * positions * c.hop_bytes / (c.hop_link * HOP) * multiplier(m, "link_bandwidth")


def reduce_latency(c: Columns) -> np.ndarray:
    """Seconds of latency of all all-reduces of one step."""
    return c.reductions * (REDUCE_S + REDUCE_PER_DOUBLING_S * np.log2(c.gpus / c.stages))


def reduce_seconds(c: Columns, positions: np.ndarray | float) -> np.ndarray:
    """Seconds in which one all-reduce of some positions moves bytes, by the quickest of three ways (see `kernels`).

    Each of n GPUs sends what it has to n − 1 others, or 2·(n − 1)/n of it in scatter and gather or round a ring.
    """
    each = positions * c.reduced_bytes / c.link
    one_shot = each * (c.gpus / c.stages) / 2 / kernels.ONE_SHOT
    return np.minimum(
        one_shot, np.minimum(c.two_shot_s + each / kernels.TWO_SHOT, kernels.RING_S + each / kernels.RING)
    )


def kv_bytes(c: Columns, context: np.ndarray | float) -> np.ndarray:
    """Bytes cached for one context, on each GPU that holds a part of it."""
    seen = np.where(c.windowed > 0, np.minimum(context, c.window), 0.0)
    return c.kv_bytes_per_token * (c.windowed * seen + (1 - c.windowed) * context)


def decode_seconds(c: Columns, m: np.ndarray, batch: np.ndarray, context: np.ndarray | float) -> np.ndarray:
    """Seconds of a decode step, all terms together."""
    return sum(decode_terms(c, m, batch, context).values())
