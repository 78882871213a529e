"""Deployments as columns of numbers, so that thousands are computed at once.

Every attribute is a float array of shape (n,), one entry for each deployment: weights and cached values are
already divided over its GPUs, rates are those of one GPU. Units: bytes, FLOP, seconds, bytes/s, FLOP/s. `bandwidth`,
links and peaks are the data sheet's; `dense_` and `expert_bandwidth` and `_rate` what such kernels reach (`kernels`).

Where the layers are split into p `stages`, weights, cached values and operations are divided over the GPUs of a stage
and counted over all stages, as a token meets them on its way: p times those of the largest stage. One GPU holds
1/p of these weights and cached values; `cache_bytes` is what is left on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache

import numpy as np

from paretoken.catalog.entries import Accelerator
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict import kernels
from paretoken.predict.deployment import NO_EVICT_CORES, PREFILL_FIRST_CORES, Deployment, DeploymentParts, parts
from paretoken.predict.operations import Operations

DRAFT_TOKENS = 3.0
"""Positions a step verifies for each sequence when tokens are drafted ahead."""
ACCEPTED_TOKENS = 2.2
"""Tokens such a step yields on random text before calibration; more on text that can be guessed."""
BYTES_PER_GB = 1.068e9
"""Bytes that a card reports for each GB of its name: 81,559 MiB for 80 GB (H100), 189,471 MiB for 186 GB (GB200)."""
USABLE_MEMORY = 0.93
RESERVED_BYTES = 2e9
"""Share of memory an engine takes at most, and what activations and graphs need of it."""
LEAST_CACHE = 0.04
"""Share of memory that is cache at least where a published point shows that the model did fit."""


@dataclass(frozen=True, slots=True)
class Columns:
    """See the module. `layer_s` and `routing_s` are what all layers and all mixture layers take whatever they compute,
    `moved_bytes` the activations that a position moves through its experts, `two_shot_s` see `kernels`. `mixed` is 1
    where prompts ride on the steps of others, 0 where they have steps of their own. `booked` is the share of an answer
    that holds cache on average while a request is served; `drafted` multiplies the positions of a step, `accepted` the
    tokens that come of it.
    """

    gpus: np.ndarray
    stages: np.ndarray
    attention_groups: np.ndarray
    layers: np.ndarray
    moe_layers: np.ndarray
    experts: np.ndarray
    active_experts: np.ndarray
    ranks: np.ndarray
    dense_weight_bytes: np.ndarray
    expert_weight_bytes: np.ndarray
    attention_flops: np.ndarray
    dense_flops: np.ndarray
    prompt_dense_flops: np.ndarray
    expert_flops: np.ndarray
    moved_bytes: np.ndarray
    layer_s: np.ndarray
    routing_s: np.ndarray
    kv_bytes_per_token: np.ndarray
    window: np.ndarray
    windowed: np.ndarray
    windowed_pairs: np.ndarray
    pair_flops: np.ndarray
    cached_flops: np.ndarray
    reduced_bytes: np.ndarray
    reductions: np.ndarray
    hop_bytes: np.ndarray
    bandwidth: np.ndarray
    dense_bandwidth: np.ndarray
    expert_bandwidth: np.ndarray
    dense_peak: np.ndarray
    expert_peak: np.ndarray
    dense_rate: np.ndarray
    expert_rate: np.ndarray
    bf16_peak: np.ndarray
    link: np.ndarray
    hop_link: np.ndarray
    two_shot_s: np.ndarray
    cache_bytes: np.ndarray
    least_cache_bytes: np.ndarray
    booked: np.ndarray
    mixed: np.ndarray
    drafted: np.ndarray
    accepted: np.ndarray

    def take(self, index: np.ndarray) -> Columns:
        """The rows of `index` (a mask or indices)."""
        return Columns(*(getattr(self, f.name)[index] for f in fields(self)))


def peak_flops(accelerator: Accelerator, precision: str) -> float:
    """Dense peak in FLOP/s; weights of a precision that the chip lacks are expanded to BF16."""
    return (kernels.own_tflops(accelerator, precision) or accelerator.bf16_tflops) * 1e12


def link_bytes_per_s(accelerator: Accelerator, gpus: int) -> float:
    """Bytes per second one GPU sends within a group. A mesh gives each pair only its own links, a switch all."""
    total = (accelerator.scaleup_gb_per_s or 32.0) * 1e9
    return total * min((gpus - 1) / 7, 1.0) if "mesh" in accelerator.scaleup_topology and gpus > 1 else total


def columns(deployments: Sequence[Deployment], catalog: Catalog | None = None) -> Columns:
    """The columns of some deployments, all names being catalog ids."""
    catalog = catalog or load_catalog()
    one = cache(lambda d: _row(d, catalog))
    rows = [one(d) for d in deployments]
    return Columns(*(np.array([row[f.name] for row in rows], dtype=float) for f in fields(Columns)))


def memory_bytes(d: Deployment, catalog: Catalog) -> float:
    """Bytes of memory of one of its GPUs."""
    return catalog.accelerators[d.accelerator].hbm_gb * BYTES_PER_GB


def _row(d: Deployment, catalog: Catalog) -> dict[str, float]:
    """The columns of one deployment, by name."""
    p, n = parts(d, catalog), d.stage_gpus
    o = p.operations.in_stages(d.pp)
    experts = o.moe_layers * o.expert_params
    return {
        "gpus": d.gpus,
        "stages": d.pp,
        "attention_groups": n / d.attention_tp,
        "layers": o.layers,
        "moe_layers": o.moe_layers,
        "experts": o.experts,
        "active_experts": o.active_experts,
        "ranks": d.ep if o.moe_layers else 1,
        "attention_flops": 2 * o.attention_params / d.attention_tp,
        "dense_flops": 2 * (o.dense_params + o.head_params) / n,
        "prompt_dense_flops": 2 * (o.attention_params + o.dense_params) / n,
        "expert_flops": 2 * o.active_experts * experts / n,
        "moved_bytes": 2 * o.moe_layers * o.active_experts * (3 * o.hidden / d.ep + o.expert_params / o.hidden / n),
        "window": o.window,
        "windowed": o.windowed,
        "windowed_pairs": o.windowed_pairs,
        "pair_flops": o.pair_flops / n,
        "cached_flops": o.cached_flops / d.attention_tp,
        "hop_bytes": o.hidden * 2,
        "reduced_bytes": 2 * (n - 1) / n * o.hidden * 2,
        "reductions": 2 * o.layers if n > 1 else 0,
        "booked": 1.0 if p.core in NO_EVICT_CORES else 0.5,
        "mixed": p.core not in PREFILL_FIRST_CORES,
        "drafted": DRAFT_TOKENS if d.drafting else 1.0,
        "accepted": ACCEPTED_TOKENS if d.drafting else 1.0,
        **_memory(d, p, o, catalog),
        **_rates(d, p),
        **_constants(p, o, d.precision),
    }


def _memory(d: Deployment, p: DeploymentParts, o: Operations, catalog: Catalog) -> dict[str, float]:
    """Bytes of weights and of the cache."""
    n, whole = d.stage_gpus, memory_bytes(d, catalog)
    dense = (
        o.attention_params * p.dense_bytes / d.attention_tp + (o.dense_params * p.dense_bytes + o.head_params * 2) / n
    )
    expert = o.moe_layers * o.expert_params * p.expert_bytes / n
    # weights shared with the embedding are held once, unless stages at the two ends each need them
    head = 0.0 if o.tied and d.pp == 1 else o.head_params * 2 / n
    # embedding and head lie at the two ends: with more than two stages a GPU at an end holds more than their mean
    held = (dense + head + expert * o.experts) / d.pp + max(1 - 2 / d.pp, 0) * head
    return {
        "dense_weight_bytes": dense,
        "expert_weight_bytes": expert,
        "kv_bytes_per_token": o.kv_values * p.kv_bytes / min(d.attention_tp, o.kv_heads),
        "cache_bytes": USABLE_MEMORY * whole - held - RESERVED_BYTES,
        "least_cache_bytes": LEAST_CACHE * whole,
    }


def _rates(d: Deployment, p: DeploymentParts) -> dict[str, float]:
    """Bytes/s and FLOP/s of memory, arithmetic and links."""
    a, bandwidth = p.accelerator, p.accelerator.hbm_tb_per_s * 1e12
    dense = kernels.of_core(kernels.DENSE_BANDWIDTH[p.dense_precision], p.core)
    return {
        "bandwidth": bandwidth,
        "dense_bandwidth": bandwidth * dense * kernels.bandwidth_left(a, p.dense_precision),
        "expert_bandwidth": bandwidth * kernels.EXPERT_BANDWIDTH * kernels.bandwidth_left(a, d.precision),
        "dense_peak": peak_flops(a, p.dense_precision),
        "expert_peak": peak_flops(a, d.precision),
        "dense_rate": peak_flops(a, p.dense_precision) * kernels.DENSE_PEAK[p.dense_precision],
        "expert_rate": peak_flops(a, d.precision) * kernels.DENSE_PEAK[d.precision],
        "bf16_peak": a.bf16_tflops * 1e12,
        "link": link_bytes_per_s(a, d.stage_gpus),
        "hop_link": link_bytes_per_s(a, 2),
    }


def _constants(p: DeploymentParts, o: Operations, precision: str) -> dict[str, float]:
    """Seconds that do not depend on what is computed."""
    native = kernels.own_tflops(p.accelerator, precision)
    gemm = kernels.of_core(kernels.GEMM_S[p.dense_precision], p.core)
    gemm += kernels.BLOCK_SCALES_S if p.model.moe and p.dense_precision == "fp8" else 0.0
    attention = kernels.LATENT_ATTENTION_S if p.model.mla else kernels.ATTENTION_S + 2 * gemm
    dense_layers = o.layers - o.moe_layers
    return {
        "layer_s": o.layers * (attention + kernels.SMALL_S) + dense_layers * 2 * gemm,
        "routing_s": o.moe_layers * (kernels.ROUTING_S if native else kernels.DEQUANTISING_S),
        "two_shot_s": kernels.of_core(kernels.TWO_SHOT_S, p.core),
    }
