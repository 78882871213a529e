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

    `rank_excess` is by how many deviations the largest of as many normal numbers is expected to exceed their mean.
    """

    gpus: N
    stages: N
    attention_groups: N
    ranks: N
    rank_excess: N


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape(Generic[N]):
    """Layers and experts; `windowed` is the share of the cache, `windowed_pairs` of the pairs, with a window.

    `chunked` is 1 where that is fixed chunks. Of the pairs without a window, the share `sparse` is with `topk` tokens
    at most, which an indexer picks.
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
    """FLOPs and moved bytes, of a position unless stated otherwise; `moved_bytes` are activations through experts.

    Of a (query, key) pair are `pair_flops` and `sparse_flops` in a prompt, `cached_flops` in decoding, and
    `index_flops` of the indexers, which every GPU of a group runs in full; these count as BF16 operations. A GPU sends
    `reduced_bytes` in each of the `reductions` of a step, or `one_shot_copies` of them where all send to all at once.
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
    reduced_bytes: N
    reductions: N
    one_shot_copies: N
    hop_bytes: N


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBytes(Generic[N]):
    """Bytes of weights, of what sequences keep, and of the cache.

    A sequence takes `growing_bytes` of the cache for each token, `windowed_bytes` for each of its last `window_tokens`
    (infinite where the engine frees none) and `fixed_bytes`; `least_bytes` in all. What steps read of it:
    `kv_read_bytes_per_token` is what attention takes as long as to read: kernels gain no time where a cache in FP8
    halves the memory, so it is that of the recipes which calibration learned from. `index_bytes_per_token` are the keys
    of indexers, which each GPU holds in full, `state_bytes` what linear attention and Mamba keep for one sequence.
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
        """Bytes that the caches of all stages of a GPU keep of a sequence of so many tokens."""
        in_window: N = np.minimum(tokens, self.window_tokens)
        kept = self.growing_bytes * tokens + self.windowed_bytes * in_window + self.fixed_bytes
        most: N = np.maximum(kept, self.least_bytes)
        return most


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRates(Generic[N]):
    """`bandwidth`, links and peaks are the data sheet's; `dense_`, `expert_bandwidth` and `_rate` the kernels'."""

    bandwidth: N
    dense_bandwidth: N
    expert_bandwidth: N
    dense_peak: N
    expert_peak: N
    dense_rate: N
    expert_rate: N
    bf16_peak: N
    link: N
    hop_link: N


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineNumbers(Generic[N]):
    """What the engine adds and how it schedules.

    `layer_s` and `routing_s` are what all layers and all MoE layers take whatever they compute; `two_shot_s` see
    `kernels`. `mixed` is 1 where prompts ride on the steps of others, 0 where they have steps of their own. `booked` is
    the share of an answer that holds cache on average while a request is served; `drafted` multiplies the positions of
    a step, `accepted` the tokens that come of it. `max_num_seqs` and `max_batched_tokens` bound a step of one engine.
    """

    layer_s: N
    routing_s: N
    two_shot_s: N
    booked: N
    mixed: N
    drafted: N
    accepted: N
    max_num_seqs: N
    max_batched_tokens: N
    receive_interval: N
    batch_wait: N


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentNumbers(Generic[N]):
    """All that the model of a step needs of one deployment, or of many as columns."""

    layout: GpuLayout[N]
    shape: ModelShape[N]
    work: StepWork[N]
    memory: MemoryBytes[N]
    rates: MachineRates[N]
    engine: EngineNumbers[N]


Columns = DeploymentNumbers[Floats]
