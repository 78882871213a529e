"""Deployments as columns of numbers, so that thousands are computed at once.

Every attribute is a float array of shape (n,), one entry for each deployment: weights and cached values are
already divided over its GPUs, rates are those of one GPU. Units: bytes, FLOP, seconds, bytes/s, FLOP/s.

Where the layers are split into p `stages`, weights, cached values and operations are divided over the GPUs of a stage
and counted over all stages, as a token meets them on its way: p times those of the largest stage. One GPU holds
1/p of these weights and cached values; `cache_bytes` is what is left on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache

import numpy as np

from paretoken.catalog import Accelerator, Catalog, load_catalog
from paretoken.predict.deployment import Deployment, parts

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
    """See the module. `booked` is the share of an answer that holds cache on
    average while a request is served; `drafted` multiplies the positions of a step, `accepted` the tokens
    that come of it.
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
    kv_bytes_per_token: np.ndarray
    window: np.ndarray
    windowed: np.ndarray
    windowed_pairs: np.ndarray
    pair_flops: np.ndarray
    reduced_bytes: np.ndarray
    reductions: np.ndarray
    hop_bytes: np.ndarray
    bandwidth: np.ndarray
    dense_peak: np.ndarray
    expert_peak: np.ndarray
    bf16_peak: np.ndarray
    link: np.ndarray
    hop_link: np.ndarray
    cache_bytes: np.ndarray
    least_cache_bytes: np.ndarray
    booked: np.ndarray
    drafted: np.ndarray
    accepted: np.ndarray

    def take(self, index: np.ndarray) -> Columns:
        """The rows of `index` (a mask or places)."""
        return Columns(*(getattr(self, f.name)[index] for f in fields(self)))


def peak_flops(accelerator: Accelerator, precision: str) -> float:
    """Dense peak in FLOP/s; a precision the chip lacks runs at the next wider one it has."""
    a = accelerator
    if precision in ("bf16", "fp32", "int4"):
        return a.bf16_tflops * 1e12
    wider = {"fp8": (a.fp8_tflops,), "fp4": (a.fp4_tflops, a.fp8_tflops)}[precision]
    return next((t for t in wider if t), a.bf16_tflops) * 1e12


def link_bytes_per_s(accelerator: Accelerator, gpus: int) -> float:
    """Bytes per second one GPU sends within a group. A mesh gives each pair only its own links, a switch all."""
    total = (accelerator.scaleup_gb_per_s or 32.0) * 1e9
    return total * min((gpus - 1) / 7, 1.0) if "mesh" in accelerator.scaleup_topology and gpus > 1 else total


def columns(deployments: Sequence[Deployment], catalog: Catalog | None = None) -> Columns:
    """The columns of some deployments, all names being catalog ids."""
    catalog = catalog or load_catalog()
    one = cache(lambda d: _row(d, catalog))
    return Columns(*np.array([one(d) for d in deployments], dtype=float).reshape(len(deployments), -1).T)


def memory_bytes(d: Deployment, catalog: Catalog) -> float:
    """Bytes of memory of one of its GPUs."""
    return catalog.accelerators[d.accelerator].hbm_gb * BYTES_PER_GB


def _row(d: Deployment, catalog: Catalog) -> tuple[float, ...]:
    p = parts(d, catalog)
    o, a, n, atp = p.operations.in_stages(d.pp), p.accelerator, d.stage_gpus, d.attention_tp
    expert_params = o.moe_layers * o.expert_params
    dense_bytes = o.attention_params * p.dense_bytes / atp + (o.dense_params * p.dense_bytes + o.head_params * 2) / n
    expert_bytes = expert_params * p.expert_bytes / n
    kv = o.kv_values * p.kv_bytes / min(atp, o.kv_heads)
    # weights shared with the embedding are held once, unless stages at the two ends each need them
    head = 0.0 if o.tied and d.pp == 1 else o.head_params * 2 / n
    # embedding and head lie at the two ends: with more than two stages a GPU at an end holds more than their mean
    held = (dense_bytes + head + expert_bytes * o.experts) / d.pp + max(1 - 2 / d.pp, 0) * head
    cache_bytes = USABLE_MEMORY * memory_bytes(d, catalog) - held - RESERVED_BYTES
    return (
        d.gpus,
        d.pp,
        n / atp,
        o.layers,
        o.moe_layers,
        o.experts,
        o.active_experts,
        d.ep if o.moe_layers else 1,
        dense_bytes,
        expert_bytes,
        2 * o.attention_params / atp,
        2 * (o.dense_params + o.head_params) / n,
        2 * (o.attention_params + o.dense_params) / n,
        2 * o.active_experts * expert_params / n,
        kv,
        o.window,
        o.windowed,
        o.windowed_pairs,
        o.pair_flops / n,
        2 * (n - 1) / n * o.hidden * 2,
        2 * o.layers if n > 1 else 0,
        o.hidden * 2,
        a.hbm_tb_per_s * 1e12,
        peak_flops(a, "bf16" if p.dense_bytes >= 2 else ("fp8" if p.dense_bytes >= 1 else d.precision)),
        peak_flops(a, d.precision),
        a.bf16_tflops * 1e12,
        link_bytes_per_s(a, n),
        link_bytes_per_s(a, 2),
        cache_bytes,
        LEAST_CACHE * memory_bytes(d, catalog),
        1.0 if p.booking else 0.5,
        DRAFT_TOKENS if d.drafting else 1.0,
        ACCEPTED_TOKENS if d.drafting else 1.0,
    )
