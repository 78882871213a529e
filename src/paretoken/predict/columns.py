"""The numbers of deployments (see `numbers`), from the catalog's entries and the model's operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache

import numpy as np

from paretoken.catalog.entries import Accelerator
from paretoken.catalog.loader import Catalog
from paretoken.predict import kernels
from paretoken.predict.arrays import Indices
from paretoken.predict.deployment import NO_EVICT_CORES, PREFILL_FIRST_CORES, Deployment
from paretoken.predict.drafting import drafted_tokens
from paretoken.predict.imbalance import popular_load, rank_excess
from paretoken.predict.memory import SHARED_DENSE_CORES, gpu_memory
from paretoken.predict.numbers import (
    Columns,
    DeploymentNumbers,
    DraftNumbers,
    EngineNumbers,
    GpuLayout,
    Group,
    LinkNumbers,
    MachineRates,
    MemoryBytes,
    ModelShape,
    StepWork,
)
from paretoken.predict.operations import INDEX_BYTES
from paretoken.predict.parts import DeploymentParts, deployment_parts
from paretoken.predict.speculation import METHODS, expected_length
from paretoken.predict.topology import link_numbers

DRAFT_PASS_S = 0.15e-3
"""Seconds of the host and of sampling for each pass of a draft."""
LEAST_CACHE = 0.04
"""Share of memory used as KV cache for a published point whose model does not fit as computed: it did fit.
`capacity.require_fit` refuses such a deployment from a user."""


def take(columns: Columns, index: Indices) -> Columns:
    """The rows of `index`."""
    return DeploymentNumbers(
        layout=_taken(columns.layout, index),
        shape=_taken(columns.shape, index),
        work=_taken(columns.work, index),
        memory=_taken(columns.memory, index),
        rates=_taken(columns.rates, index),
        links=_taken(columns.links, index),
        engine=_taken(columns.engine, index),
        draft=_taken(columns.draft, index),
    )


def deployment_columns(deployments: Sequence[Deployment], catalog: Catalog) -> Columns:
    """The columns of deployments whose names are catalog ids."""
    one = cache(lambda d: deployment_numbers(d, catalog))
    rows = [one(d) for d in deployments]
    return DeploymentNumbers(
        layout=_stacked(GpuLayout, [r.layout for r in rows]),
        shape=_stacked(ModelShape, [r.shape for r in rows]),
        work=_stacked(StepWork, [r.work for r in rows]),
        memory=_stacked(MemoryBytes, [r.memory for r in rows]),
        rates=_stacked(MachineRates, [r.rates for r in rows]),
        links=_stacked(LinkNumbers, [r.links for r in rows]),
        engine=_stacked(EngineNumbers, [r.engine for r in rows]),
        draft=_stacked(DraftNumbers, [r.draft for r in rows]),
    )


def _taken(group: Group, index: Indices) -> Group:
    return replace(group, **{f.name: getattr(group, f.name)[index] for f in fields(group)})


def _stacked(kind: type[Group], rows: Sequence[object]) -> Group:
    names = [f.name for f in fields(kind)]
    return kind(**{name: np.array([getattr(r, name) for r in rows], dtype=float) for name in names})


def deployment_numbers(d: Deployment, catalog: Catalog) -> DeploymentNumbers[float]:
    """The numbers of one deployment."""
    parts = deployment_parts(d, catalog)
    ranks = d.ep if parts.operations.moe_layers else 1
    return DeploymentNumbers(
        layout=GpuLayout(
            gpus=d.gpus,
            stages=d.pp,
            attention_groups=d.stage_gpus / d.attention_tp,
            ranks=ranks,
            rank_excess=rank_excess(ranks),
            popular_load=popular_load(ranks, parts.operations.experts, d.settings.redundant_experts),
        ),
        shape=_shape(parts),
        work=_work(d, parts),
        memory=_memory(d, parts),
        rates=_rates(d, parts),
        links=link_numbers(d, parts),
        engine=_engine(d, parts, drafted_tokens(d, catalog).tokens),
        draft=_draft(d, parts),
    )


def _shape(parts: DeploymentParts) -> ModelShape[float]:
    o = parts.operations
    return ModelShape(
        layers=o.layers,
        moe_layers=o.moe_layers,
        experts=o.experts,
        active_experts=o.active_experts,
        window=o.window,
        windowed=o.windowed,
        windowed_pairs=o.windowed_pairs,
        chunked=o.chunked,
        sparse=o.sparse,
        topk=o.topk,
    )


def _work(d: Deployment, parts: DeploymentParts) -> StepWork[float]:
    o, n = parts.operations, d.stage_gpus
    experts = o.moe_layers * o.expert_params
    own, shared = _placed(d, parts, o.dense_params + o.head_params)
    return StepWork(
        attention_flops=2 * (_attention_params(d, parts) + own) / d.attention_tp,
        dense_flops=2 * shared / n,
        prompt_dense_flops=2 * (_attention_params(d, parts) + o.dense_params) / n,
        expert_flops=2 * o.active_experts * experts / n,
        moved_bytes=2 * o.moe_layers * o.active_experts * (3 * o.hidden / d.ep + o.expert_params / o.hidden / n),
        pair_flops=o.pair_flops / n,
        sparse_flops=o.cached_flops / n,
        cached_flops=o.cached_flops / d.attention_tp,
        index_flops=o.index_flops * peak_flops(parts.accelerator, "bf16") / peak_flops(parts.accelerator, "fp8"),
    )


def _placed(d: Deployment, parts: DeploymentParts, dense: float) -> tuple[float, float]:
    """The part of the dense layers and the head that each attention group has, and the part that all GPUs share.

    With attention data parallelism each rank has them whole, save in `SHARED_DENSE_CORES`.
    """
    return (dense, 0.0) if d.dp_attention and parts.core not in SHARED_DENSE_CORES else (0.0, dense)


def _attention_params(d: Deployment, parts: DeploymentParts) -> float:
    """Attention weights on all GPUs that share a request; each GPU has the indexers in full."""
    return parts.operations.attention_params + (d.attention_tp - 1) * parts.operations.index_params


def _memory(d: Deployment, parts: DeploymentParts) -> MemoryBytes[float]:
    n, o = d.stage_gpus, parts.operations
    own, shared = _placed(d, parts, o.dense_params * parts.weights.dense + o.head_params * parts.weights.head)
    dense = (_attention_params(d, parts) * parts.weights.attention + own) / d.attention_tp + shared / n
    expert = o.moe_layers * o.expert_params * parts.weights.experts / n
    memory = gpu_memory(d, parts)
    return MemoryBytes(
        dense_weight_bytes=dense,
        expert_weight_bytes=expert,
        cache_bytes=memory.cache_bytes if memory.cache_bytes > 0 else LEAST_CACHE * parts.accelerator.memory_bytes,
        growing_bytes=memory.layout.growing_bytes,
        windowed_bytes=memory.layout.windowed_bytes,
        window_tokens=memory.layout.window_tokens,
        fixed_bytes=memory.layout.fixed_bytes,
        least_bytes=memory.layout.least_bytes,
        kv_read_bytes_per_token=o.kv_values * parts.kv_read_bytes / min(d.attention_tp, o.kv_heads),
        index_bytes_per_token=o.index_values * INDEX_BYTES,
        state_bytes=o.state_bytes / d.attention_tp,
    )


def _rates(d: Deployment, parts: DeploymentParts) -> MachineRates[float]:
    accelerator, bandwidth = parts.accelerator, parts.accelerator.hbm_tb_per_s * 1e12
    dense = kernels.of_core(kernels.DENSE_BANDWIDTH[parts.dense_precision], parts.core)
    return MachineRates(
        bandwidth=bandwidth,
        dense_bandwidth=bandwidth * dense * kernels.bandwidth_left(accelerator, parts.dense_precision),
        expert_bandwidth=bandwidth * kernels.EXPERT_BANDWIDTH * kernels.bandwidth_left(accelerator, d.precision),
        dense_peak=peak_flops(accelerator, parts.dense_precision),
        expert_peak=peak_flops(accelerator, d.precision),
        dense_rate=peak_flops(accelerator, parts.dense_precision) * kernels.DENSE_PEAK[parts.dense_precision],
        expert_rate=peak_flops(accelerator, d.precision) * kernels.DENSE_PEAK[d.precision],
        bf16_peak=kernels.bf16_tflops(accelerator) * 1e12,
    )


def _engine(d: Deployment, parts: DeploymentParts, tokens: int) -> EngineNumbers[float]:
    o = parts.operations
    native = kernels.own_tflops(parts.accelerator, d.precision)
    gemm = kernels.of_core(kernels.GEMM_S[parts.dense_precision], parts.core)
    gemm += kernels.BLOCK_SCALES_S if parts.model.moe and parts.dense_precision == "fp8" else 0.0
    attention = kernels.LATENT_ATTENTION_S if parts.model.mla else kernels.ATTENTION_S + 2 * gemm
    dense_layers = o.layers - o.moe_layers
    odds = METHODS[d.speculative].odds if tokens and d.acceptance_length is None else 0.0
    return EngineNumbers(
        layer_s=o.layers * (attention + kernels.SMALL_S) + dense_layers * 2 * gemm,
        routing_s=o.moe_layers * (kernels.ROUTING_S if native else kernels.DEQUANTISING_S),
        two_shot_s=kernels.of_core(kernels.TWO_SHOT_S, parts.core),
        booked=1.0 if parts.core in NO_EVICT_CORES else 0.5,
        mixed=parts.core not in PREFILL_FIRST_CORES,
        drafted=1.0 + tokens,
        accepted=expected_length(odds, tokens) if odds else d.acceptance_length or 1.0,
        odds=odds,
        max_num_seqs=parts.settings.max_num_seqs,
        max_batched_tokens=parts.settings.max_batched_tokens,
        receive_interval=d.settings.receive_steps,
        batch_wait=d.settings.batch_wait,
        overlapped=d.settings.two_batch_overlap,
    )


def _draft(d: Deployment, parts: DeploymentParts) -> DraftNumbers[float]:
    """What drafts tokens, over all GPUs of a stage; the last stage has it in a pipeline."""
    draft, n = parts.draft, d.stage_gpus
    if draft is None:
        return DraftNumbers(**dict.fromkeys((f.name for f in fields(DraftNumbers)), 0.0))
    rates, experts = _rates(d, parts), draft.expert_params > 0
    own, shared = _placed(d, parts, draft.dense_bytes)
    gemm = kernels.of_core(kernels.GEMM_S[parts.dense_precision], parts.core)
    layer = kernels.ATTENTION_S + kernels.SMALL_S + 4 * gemm
    return DraftNumbers(
        passes=draft.passes,
        positions=draft.positions,
        weights_s=(own / d.attention_tp + shared / n) / rates.dense_bandwidth,
        position_s=2 * draft.dense_params / n / rates.dense_rate,
        experts=draft.experts if experts else 0.0,
        active_experts=draft.active_experts if experts else 0.0,
        expert_s=draft.expert_bytes / n / rates.expert_bandwidth + draft.moe_layers / d.ep * kernels.VISIT_S,
        expert_position_s=2
        * draft.active_experts
        * draft.expert_params
        / n
        / (rates.expert_rate * kernels.EXPERT_PEAK),
        cached_s=draft.kv_values
        * parts.kv_read_bytes
        / min(d.attention_tp, draft.kv_heads)
        / (rates.bandwidth * kernels.CACHE_BANDWIDTH),
        launch_s=DRAFT_PASS_S
        + draft.layers * layer
        + draft.moe_layers * (kernels.ROUTING_S - 2 * gemm)
        + (draft.launches + 1) * gemm,
        reductions=2 * draft.layers if n > 1 else 0.0,
        width=draft.hidden / parts.operations.hidden,
    )


def peak_flops(accelerator: Accelerator, precision: str) -> float:
    """Dense peak, FLOP/s; BF16 where the chip does not compute in `precision` and weights are expanded."""
    return (kernels.own_tflops(accelerator, precision) or kernels.bf16_tflops(accelerator)) * 1e12
