"""Seconds that GPUs take to exchange activations, over the links of a domain and over the network beyond.

`kernels` has what collectives reach of a link's rate. A multiplier of the calibration applies within a domain only:
nothing was learned about the network yet.
"""

from __future__ import annotations

import numpy as np

from paretoken.predict import kernels
from paretoken.predict.arrays import Floats
from paretoken.predict.numbers import Columns

HOP = 0.5
"""Share of a link's rate at which activations pass between stages."""
REDUCE_S, REDUCE_PER_DOUBLING_S, HOP_S = 1e-6, 0.5e-6, 10e-6
"""Seconds of latency: of an all-reduce, for each doubling of its GPUs, and of a hop between stages."""


def reduce_latency(columns: Columns) -> Floats:
    """Seconds of latency of all exchanges in one step, without what `network_seconds` has of it."""
    return columns.links.reductions * exchange_latency(columns)


def exchange_latency(columns: Columns) -> Floats:
    """Seconds of latency of one exchange within a domain."""
    links = columns.links
    reduced = REDUCE_S + REDUCE_PER_DOUBLING_S * np.log2(links.local_gpus)
    dispatched = np.where(links.network_trips > 0, 0.0, kernels.DISPATCH_S)
    return np.where(links.dispatched > 0, dispatched, reduced)


def reduce_seconds(columns: Columns, positions: Floats | float) -> Floats:
    """Seconds to move the bytes of one exchange of `positions` within a domain.

    All-reduces take the fastest of three algorithms (see `kernels`): each of n GPUs sends its data to n − 1 others, or
    2·(n − 1)/n of it by scatter and gather or round a ring. With attention data parallelism a rank sends only its own
    part. Dispatch and combine use the network at the same time: counted is what takes longer than that.
    """
    links = columns.links
    sent_s = positions * links.reduced_bytes / links.link
    one_shot = sent_s * links.one_shot_copies / kernels.ONE_SHOT
    reduced = np.minimum(
        one_shot,
        np.minimum(columns.engine.two_shot_s + sent_s / kernels.TWO_SHOT, kernels.RING_S + sent_s / kernels.RING),
    )
    beyond = positions * links.network_bytes / links.network
    seconds: Floats = np.where(links.dispatched > 0, np.maximum(sent_s - beyond, 0.0) / kernels.EXCHANGE, reduced)
    return seconds


def network_seconds(columns: Columns, positions: Floats | float) -> Floats:
    """Seconds of all exchanges of a decode step over the network, latency included."""
    return columns.links.reductions * exchange_network_seconds(columns, positions)


def exchange_network_seconds(columns: Columns, positions: Floats | float) -> Floats:
    """Seconds of one exchange over the network, latency included."""
    links = columns.links
    sent_s = positions * links.network_bytes / (links.network * kernels.EXCHANGE)
    return links.network_trips * kernels.NETWORK_S + sent_s


def prompt_network_seconds(columns: Columns, tokens: Floats | float) -> Floats:
    """Seconds to move what `tokens` of prompts exchange over the network."""
    links = columns.links
    return links.reductions * tokens * links.prompt_network_bytes / (links.network * kernels.EXCHANGE)


def hop_latency(columns: Columns) -> Floats:
    """Seconds of latency of all hops within domains."""
    return (columns.layout.stages - 1 - columns.links.crossings) * HOP_S


def hop_seconds(columns: Columns, link_bandwidth: Floats, positions: Floats | float) -> Floats:
    """Seconds to send the activations of `positions` between stages, all hops together."""
    links, sent = columns.links, positions * columns.links.hop_bytes
    within = (columns.layout.stages - 1 - links.crossings) * sent / (links.hop_link * HOP) * link_bandwidth
    return within + links.crossings * sent / (links.network * HOP)
