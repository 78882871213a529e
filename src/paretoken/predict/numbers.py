"""Deployments as columns of numbers, so that thousands are computed at once.

Every attribute of a group is a float array of shape (n,), one entry for each deployment: weights and cached values are
already divided over its GPUs, rates are those of one GPU. Units: bytes, FLOP, seconds, bytes/s, FLOP/s.

Where the layers are split into p `stages`, weights, cached values and operations are divided over the GPUs of a stage
and counted over all stages, as a token meets them on its way: p times those of the largest stage. One GPU holds
1/p of these weights and cached values; `cache_bytes` is what is left on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from paretoken.predict.arrays import Floats

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

N = TypeVar("N", float, Floats)
"""One deployment's number, or a column of them."""
Group = TypeVar("Group", bound="DataclassInstance")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuLayout(Generic[N]):
    """How GPUs share the model; `ranks` share the experts.

    `rank_excess` is the expected excess of the largest of `ranks` normal numbers over their mean, in standard
    deviations. `popular_load` is the load of the busiest rank over the mean, for the popularity of its experts.
    """

    gpus: N
    stages: N
    attention_groups: N
    ranks: N
    rank_excess: N
    popular_load: N


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape(Generic[N]):
    """Layers and experts; `windowed` is the share of the cache with a window, `windowed_pairs` that of the pairs.

    `chunked` is 1 where the windows are fixed chunks. Of the pairs without a window, the share `sparse` belongs to
    layers where an indexer picks at most `topk` tokens.
    """

    layers: N
    moe_layers: N
    experts: N
    active_experts: N
    window: N
    windowed: N
    windowed_pairs: N
    chunked: N
    sparse: N
    topk: N


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWork(Generic[N]):
    """FLOPs and moved bytes per position unless stated otherwise; `moved_bytes` are activations through experts.

    Per (query, key) pair: `pair_flops` and `sparse_flops` in a prompt, `cached_flops` in decoding, and `index_flops` of
    the indexers, which every GPU of a group runs in full; all count as BF16 operations.
    """

    attention_flops: N
    dense_flops: N
    prompt_dense_flops: N
    expert_flops: N
    moved_bytes: N
    pair_flops: N
    sparse_flops: N
    cached_flops: N
    index_flops: N


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBytes(Generic[N]):
    """Bytes of weights, of the cache, and of what a sequence needs there (see `memory.CacheLayout`).

    Steps read `kv_read_bytes_per_token`, in the format of the published recipes whatever the cache is: kernels are no
    faster on a cache in FP8 that halves the memory. They also read `index_bytes_per_token`, the keys of indexers, which
    each GPU has in full, and `state_bytes`, the states of linear attention and Mamba for one sequence.
    """

    dense_weight_bytes: N
    expert_weight_bytes: N
    cache_bytes: N
    growing_bytes: N
    windowed_bytes: N
    window_tokens: N
    fixed_bytes: N
    least_bytes: N
    kv_read_bytes_per_token: N
    index_bytes_per_token: N
    state_bytes: N

    def sequence_bytes(self, tokens: N) -> N:
        """Bytes of one sequence of `tokens` tokens; as `memory.CacheLayout.sequence_bytes`, also for columns."""
        in_window: N = np.minimum(tokens, self.window_tokens)
        needed = self.growing_bytes * tokens + self.windowed_bytes * in_window + self.fixed_bytes
        size: N = np.maximum(needed, self.least_bytes)
        return size


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRates(Generic[N]):
    """Data sheet: `bandwidth` and peaks. What kernels reach: `dense_` and `expert_bandwidth`, and the rates."""

    bandwidth: N
    dense_bandwidth: N
    expert_bandwidth: N
    dense_peak: N
    expert_peak: N
    dense_rate: N
    expert_rate: N
    bf16_peak: N


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkNumbers(Generic[N]):
    """What GPUs exchange, and at which rates (see `topology`); bytes are per position.

    A GPU sends `reduced_bytes` over its `link` in each of the `reductions` of a step, and `one_shot_copies` times that
    where each GPU sends to all others at once; `local_gpus` of its stage are in its domain. It sends `network_bytes`,
    in a prompt `prompt_network_bytes`, over the `network`, after the latency of `network_trips`. `dispatched` is 1 for
    dispatch and combine. Of the hops between stages, `crossings` go over the network.
    """

    link: N
    local_gpus: N
    reductions: N
    reduced_bytes: N
    one_shot_copies: N
    dispatched: N
    network: N
    network_trips: N
    network_bytes: N
    prompt_network_bytes: N
    hop_link: N
    hop_bytes: N
    crossings: N


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineNumbers(Generic[N]):
    """What the engine adds and how it schedules.

    `layer_s` and `routing_s` are the constant times of all layers and of all MoE layers; for `two_shot_s` see
    `kernels`. `mixed` is 1 if prompts share the steps of decoding sequences, 0 if they have steps of their own.
    `booked` is the mean share of an answer that occupies cache while a request is served. `drafted` are the positions
    of a step for each sequence, `accepted` the tokens that it yields: as stated, or before calibration, which finds a
    multiplier for the `odds` that a drafted token is accepted (0 where there is nothing to find). `max_num_seqs` and
    `max_batched_tokens` limit a step of one engine. `overlapped` is 1 if two halves of a batch take turns, one
    exchanging while the other computes.
    """

    layer_s: N
    routing_s: N
    two_shot_s: N
    booked: N
    mixed: N
    drafted: N
    accepted: N
    odds: N
    max_num_seqs: N
    max_batched_tokens: N
    receive_interval: N
    batch_wait: N
    overlapped: N


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftNumbers(Generic[N]):
    """What drafts tokens: `passes` in a step one after another, each with `positions` of every sequence.

    Seconds of one pass on one GPU: `weights_s` to read dense weights, `expert_s` those of one expert; `position_s` and
    `expert_position_s` to compute one position, `cached_s` to read one cached token, `launch_s` for launches.
    `reductions` are its all-reduces, of `width` times the bytes that the model's have.
    """

    passes: N
    positions: N
    weights_s: N
    position_s: N
    experts: N
    active_experts: N
    expert_s: N
    expert_position_s: N
    cached_s: N
    launch_s: N
    reductions: N
    width: N


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentNumbers(Generic[N]):
    """All numbers of one deployment that the model of a step needs, or columns of many deployments."""

    layout: GpuLayout[N]
    shape: ModelShape[N]
    work: StepWork[N]
    memory: MemoryBytes[N]
    rates: MachineRates[N]
    links: LinkNumbers[N]
    engine: EngineNumbers[N]
    draft: DraftNumbers[N]


Columns = DeploymentNumbers[Floats]
