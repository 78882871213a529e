"""Where the time of a step goes: one term for each cause, each times a multiplier that calibration finds.

A decode step of `batch` sequences over contexts of mean length `context` takes, per GPU,

    dense      roofline(weights read, FLOPs)             attention projections, dense and shared FFN, output head
    experts    weights of the active experts read        and FLOPs, and a constant for each layer and active expert
    imbalance  what the busiest EP rank takes longer     the largest of EP shares that chance deals
    kv         roofline(cached bytes, FLOPs)             windowed layers look back at most their window, sparse ones
                                                         at what an indexer picks; states are read and written
    layer      a constant for each layer                 launches, small operators, attention's latency
    step       a constant                                scheduler and host
    sequence   a constant for each sequence of a rank    sampling, detokenisation, bookkeeping
    link       2 all-reduces a layer: latency + the quickest of three ways to move the bytes
    network    what of it crosses between scale-up domains: latency + bytes over each GPU's network card
    draft      passes of what drafts tokens              each with weights, FLOPs, cache, launches and all-reduces
    hop        activations between stages: p − 1 times latency + 2·hidden bytes a position / link bandwidth

With speculative decoding a step verifies K + 1 positions of each sequence: they multiply FLOPs, chosen experts and
moved activations, not the cached bytes that a step reads. It yields `accepted_tokens` of them.

With attention data parallelism each rank has sequences of its own. In place of all-reduces it gathers the activations
of the others before the experts, and scatters sums after them. Where more than eight ranks share the experts, it sends
its tokens to the ranks of their experts instead, and combines what comes back (see `topology`).

With two-batch overlap, two halves of the batch take turns: one exchanges while the other computes. Weights are then
read and kernels launched twice, and of link and network remains what computation does not hide: `kernels.OVERLAP`.

`prompts` has what a prompt adds.

With p stages, p micro-batches of batch/p sequences rotate, each in a different stage. A step is then one round, the
time between two tokens of a sequence: its micro-batch passes all stages one after another, and the output head and
the host once. With fewer sequences than stages a micro-batch is one sequence, and stages idle.

`kernels` has what kernels reach; the constants below are round figures from the literature. Only their products with
the multipliers have a meaning.
Everything broadcasts: columns have shape (n,), `batch` and `context` the same shape or a wider one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import add

import numpy as np

from paretoken.predict import kernels
from paretoken.predict.arrays import Floats
from paretoken.predict.links import (
    exchange_latency,
    exchange_network_seconds,
    hop_latency,
    hop_seconds,
    network_seconds,
    reduce_latency,
    reduce_seconds,
)
from paretoken.predict.numbers import Columns, N
from paretoken.predict.topology import NARROW

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
    "ahead",
    "start",
    "acceptance",
    "draft",
)
"""The multipliers, in the order of every array of them, shape (…, terms)."""

COMPUTED = ("dense", "experts", "imbalance", "kv", "layer")
"""Parts of a decode step in which a GPU computes on its own."""
ROOFLINE_NORM = 1.5
"""Exponent p of a smooth max(a, b), (a^p + b^p)^(1/p). Kernels near the ridge reach neither bound.
For experts the bounds add up."""
STEP_S, SEQUENCE_S = 0.5e-3, 7e-6
"""Seconds of the host for each step, and for each sequence in it."""


def total(terms: Mapping[str, Floats]) -> Floats:
    """Seconds of all terms together, added in their order."""
    return reduce(add, terms.values())


def roofline(memory: N, compute: N) -> N:
    """Seconds of work that memory or compute limits, longer than either where both are close."""
    p = ROOFLINE_NORM
    seconds: N = (memory**p + compute**p) ** (1 / p)
    return seconds


def multiplier(multipliers: Floats, term: str) -> Floats:
    """The column of one term, shape (…)."""
    return multipliers[..., TERMS.index(term)]


def active_experts(columns: Columns, positions: Floats | float) -> Floats:
    """Expected number of experts per layer that any of n `positions` chooses: E·k·n/(E − k + k·n).

    Experts differ in popularity: with rates from an exponential distribution, none of n positions chooses an expert
    with probability 1/(1 + n·rate). One position chooses k experts, many choose all; with equal popularity, all would
    be active far sooner.
    """
    chosen = columns.shape.active_experts * positions
    return (
        columns.shape.experts * chosen / np.maximum(columns.shape.experts - columns.shape.active_experts + chosen, 1e-9)
    )


def busiest_rank(columns: Columns, draws: Floats | float, share: Floats | float) -> Floats:
    """Load of the busiest of the EP ranks over their mean, if it gets each of `draws` with probability `share`.

    The excess over the mean is `rank_excess` standard deviations. One rank has at most the whole load, and with more
    than `NARROW` of them at most all draws.
    """
    ranks = columns.layout.ranks
    most = np.where(ranks > NARROW, np.minimum(1 / np.maximum(share, 1e-9), ranks), ranks)
    return np.minimum(1 + columns.layout.rank_excess * np.sqrt((1 - share) / np.maximum(share * draws, 1e-9)), most)


def decode_terms(columns: Columns, multipliers: Floats, batch: Floats, context: Floats | float) -> dict[str, Floats]:
    """Seconds of each part of a decode step of the whole deployment's `batch` sequences."""
    batch = micro_batch(columns, batch)
    terms = _batch_terms(columns, multipliers, batch, context)
    if not np.any(columns.engine.overlapped):
        return terms
    overlapped = _in_turns(_batch_terms(columns, multipliers, batch / 2, context))
    return {k: np.where(columns.engine.overlapped > 0, overlapped.get(k, x), x) for k, x in terms.items()}


def _in_turns(half: Mapping[str, Floats]) -> dict[str, Floats]:
    """Seconds of the parts that change where two halves of a batch take turns, from those of one half."""
    computed = reduce(add, (half[name] for name in COMPUTED))
    exchanged = half["link"] + half["network"]
    hidden = np.minimum(kernels.OVERLAP * exchanged, computed) / np.maximum(exchanged, 1e-12)
    shown = {name: 2 * half[name] * (1 - hidden) for name in ("link", "network")}
    return {name: 2 * half[name] for name in COMPUTED} | shown


def _batch_terms(columns: Columns, multipliers: Floats, batch: Floats, context: Floats | float) -> dict[str, Floats]:
    """The parts for a batch that passes the stages together."""
    positions = batch * columns.engine.drafted
    link = columns.links.reductions * reduce_seconds(columns, positions) * multiplier(multipliers, "link_bandwidth")
    cached = cached_tokens(columns, context)
    return {
        "dense": _dense(columns, multipliers, positions),
        **_experts(columns, multipliers, positions),
        "kv": batch
        / columns.layout.attention_groups
        * multiplier(multipliers, "kv")
        * roofline(
            read_bytes(columns, context) / (columns.rates.bandwidth * kernels.CACHE_BANDWIDTH),
            columns.engine.drafted
            * (columns.work.cached_flops * cached + columns.work.index_flops * context)
            / (columns.rates.bf16_peak * kernels.CACHE_PEAK),
        ),
        "layer": columns.engine.layer_s * multiplier(multipliers, "layer"),
        "step": STEP_S * multiplier(multipliers, "step"),
        "sequence": batch / columns.layout.attention_groups * SEQUENCE_S * multiplier(multipliers, "sequence"),
        "link": reduce_latency(columns) * multiplier(multipliers, "link_latency") + link,
        "network": network_seconds(columns, positions),
        "hop": hop_latency(columns) * multiplier(multipliers, "link_latency")
        + columns.links.crossings * kernels.NETWORK_S
        + hop_seconds(columns, multiplier(multipliers, "link_bandwidth"), positions),
        "draft": draft_seconds(columns, multipliers, batch, context),
    }


def accepted_tokens(columns: Columns, multipliers: Floats) -> Floats:
    """Tokens that a step yields: as stated, or 1 + a + … + a^K, calibration multiplies the odds a / (1 − a)."""
    odds = columns.engine.odds * multiplier(multipliers, "acceptance")
    expected = (1 - (odds / (1 + odds)) ** columns.engine.drafted) * (1 + odds)
    return np.where(columns.engine.odds > 0, expected, columns.engine.accepted)


def draft_seconds(columns: Columns, multipliers: Floats, batch: Floats, context: Floats | float) -> Floats:
    """Seconds to draft tokens for `batch` sequences, all passes one after another."""
    if not columns.draft.passes.any():
        return np.zeros(np.broadcast_shapes(np.shape(batch), columns.draft.passes.shape))
    draft, positions = columns.draft, batch * columns.draft.positions
    chosen = draft.active_experts * positions
    active = draft.experts * chosen / np.maximum(draft.experts - draft.active_experts + chosen, 1e-9)
    seconds = (
        roofline(
            draft.weights_s * multiplier(multipliers, "dense_memory"),
            draft.position_s * positions * multiplier(multipliers, "compute"),
        )
        + active * draft.expert_s * multiplier(multipliers, "expert_memory")
        + positions * draft.expert_position_s * multiplier(multipliers, "compute")
        + batch
        / columns.layout.attention_groups
        * draft.cached_s
        * cached_tokens(columns, context)
        * multiplier(multipliers, "kv")
        + draft.launch_s
        + draft.reductions
        * (
            exchange_latency(columns) * multiplier(multipliers, "link_latency")
            + reduce_seconds(columns, positions * draft.width) * multiplier(multipliers, "link_bandwidth")
            + exchange_network_seconds(columns, positions * draft.width)
        )
    )
    return draft.passes * seconds * multiplier(multipliers, "draft")


def _dense(columns: Columns, multipliers: Floats, positions: Floats) -> Floats:
    """Seconds of the GEMMs that are not of routed experts."""
    flops = (
        columns.work.attention_flops * positions / columns.layout.attention_groups
        + columns.work.dense_flops * positions
    )
    return roofline(
        columns.memory.dense_weight_bytes / columns.rates.dense_bandwidth * multiplier(multipliers, "dense_memory"),
        flops / columns.rates.dense_rate * multiplier(multipliers, "compute"),
    )


def _experts(columns: Columns, multipliers: Floats, positions: Floats) -> dict[str, Floats]:
    """Seconds of the MoE layers with equal shares for all ranks, and the extra seconds of the busiest rank."""
    active = active_experts(columns, positions)
    read = expert_seconds(columns, multipliers, active) + moved_seconds(columns, multipliers, positions)
    computed = (
        columns.work.expert_flops
        * positions
        / (columns.rates.expert_rate * kernels.EXPERT_PEAK)
        * multiplier(multipliers, "compute")
    )
    longer = read * (
        busiest_rank(columns, columns.shape.experts / columns.layout.ranks, active / columns.shape.experts) - 1
    )
    busiest = busiest_rank(columns, positions * columns.shape.active_experts, 1 / columns.layout.ranks)
    longer += computed * (busiest * columns.layout.popular_load - 1)
    return {
        "experts": read + computed + columns.engine.routing_s * multiplier(multipliers, "routing"),
        "imbalance": longer,
    }


def expert_seconds(columns: Columns, multipliers: Floats, active: Floats) -> Floats:
    """Seconds to read the weights of the active experts of each layer; each rank reads its own."""
    read = (
        columns.memory.expert_weight_bytes / columns.rates.expert_bandwidth * multiplier(multipliers, "expert_memory")
    )
    return active * (
        read + columns.shape.moe_layers / columns.layout.ranks * kernels.VISIT_S * multiplier(multipliers, "routing")
    )


def moved_seconds(columns: Columns, multipliers: Floats, positions: Floats | float) -> Floats:
    """Seconds to move the activations of `positions` through their experts."""
    return (
        columns.work.moved_bytes * positions / columns.rates.expert_bandwidth * multiplier(multipliers, "expert_memory")
    )


def micro_batch(columns: Columns, batch: Floats) -> Floats:
    """Sequences that pass the stages together: the batch over the stages, at least one sequence."""
    return np.maximum(batch / columns.layout.stages, np.minimum(batch, 1.0))


def cached_tokens(columns: Columns, context: Floats | float) -> Floats:
    """Tokens of one context that attention reads, as a mean over windowed and other layers.

    Of a context longer than a chunk, the last chunk is half full on average.
    """
    shape = columns.shape
    window = np.where((shape.chunked > 0) & (context > shape.window), shape.window / 2, shape.window)
    in_window = np.where(shape.windowed > 0, np.minimum(context, window), 0.0)
    picked = np.where(
        shape.topk > 0, shape.sparse * np.minimum(context, shape.topk) + (1 - shape.sparse) * context, context
    )
    tokens: Floats = shape.windowed * in_window + (1 - shape.windowed) * picked
    return tokens


def read_bytes(columns: Columns, context: Floats | float) -> Floats:
    """Bytes that a step moves for one sequence: cached values, keys of indexers, and states, read and written."""
    memory = columns.memory
    return (
        memory.kv_read_bytes_per_token * cached_tokens(columns, context)
        + memory.index_bytes_per_token * context
        + 2 * memory.state_bytes
    )


def decode_seconds(columns: Columns, multipliers: Floats, batch: Floats, context: Floats | float) -> Floats:
    """Seconds of a decode step, all terms together."""
    return total(decode_terms(columns, multipliers, batch, context))
