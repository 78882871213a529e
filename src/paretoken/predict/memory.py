"""The memory of one GPU: weights by part, what the engine needs to run, and the KV cache.

An engine sizes its cache by one of three formulas (`cache_sizing` in its file). It takes the share u of the memory R
that the driver reports:

    budget   u·R − weights − activations − runtime − graphs        vLLM, ATOM
    pool     u·(R − runtime) − weights                             SGLang; activations and graphs use the rest
    free     u·(R − weights − activations − runtime)               TensorRT-LLM

Activations are the larger of two peaks in a step of T = `max_batched_tokens` tokens, in bytes:

    layers   2·T·(4·hidden + widest)           four residual streams, and gate, up and product of an FFN, or Q, K and V
    sampler  S·vocabulary·logit_bytes + 2·T·hidden         S sequences, the most that may run at once

With k active experts of eight bits or more, either adds T·k rows: 2·T·k·(max(2·expert, hidden) + expert).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Annotated

from paretoken.catalog.description import NullIfInfinite
from paretoken.catalog.entries import Model
from paretoken.catalog.loader import Catalog
from paretoken.predict.deployment import Deployment
from paretoken.predict.operations import INDEX_BYTES, GroupedHeads, operations, shared_width, weight_bytes_by_part
from paretoken.predict.parts import DeploymentParts, deployment_parts

GIB = 2.0**30
ACTIVATION_BYTES = 2.0
"""Bytes of one activation: bf16."""
RESIDUALS = 4
"""Hidden states that a layer keeps for each token: its input, the residual, and those of its operators."""
AITER_TOKENS, AITER_LATENT_HEADS = 8192, (16, 128)
"""SGLang on AMD uses AITER's attention, whose buffers grow beyond this context; for MLA only with 16 or 128 heads on a
GPU."""
SHARED_DENSE_CORES = ("sglang",)
"""Cores whose ranks of attention data parallelism shard the dense layers, the embedding and the head."""
BLOCK_TOKENS = 16
"""Tokens in a block of the KV cache: vLLM's default of --block-size, whose log counts whole blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLayout:
    """Bytes of KV cache that a sequence needs, summed over one GPU of each stage.

    It needs `growing_bytes` for each token, `windowed_bytes` for each of its last `window_tokens` (infinite if the
    engine frees none), and `fixed_bytes` at any length; at least `least_bytes` in total.
    """

    growing_bytes: float
    windowed_bytes: float
    window_tokens: Annotated[float, NullIfInfinite()]
    fixed_bytes: float
    least_bytes: float

    def sequence_bytes(self, tokens: float) -> float:
        """Bytes for one sequence of `tokens` tokens."""
        in_window = self.windowed_bytes * min(tokens, self.window_tokens)
        return max(self.growing_bytes * tokens + in_window + self.fixed_bytes, self.least_bytes)

    def longest_sequence(self, cache_bytes: float) -> int:
        """Tokens of the longest sequence that `cache_bytes` of all stages hold."""
        free_bytes, token_bytes = cache_bytes - self.fixed_bytes, self.growing_bytes + self.windowed_bytes
        if free_bytes <= token_bytes * self.window_tokens:
            return int(free_bytes / token_bytes)
        return int((free_bytes - self.windowed_bytes * self.window_tokens) / self.growing_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryParts:
    """The memory of one GPU, in bytes; in a pipeline, of a GPU of the first or the last stage.

    The engine leaves `reserved_bytes` free. Negative `cache_bytes` mean that the model does not fit. `kv_tokens` is
    the size of the cache that one engine prints; with attention data parallelism, that one rank prints.
    """

    reported_bytes: float
    attention_bytes: float
    dense_bytes: float
    expert_bytes: float
    embedding_bytes: float
    activation_bytes: float
    graph_bytes: float
    runtime_bytes: float
    reserved_bytes: float
    cache_bytes: float
    layout: CacheLayout
    kv_tokens: int
    draft_bytes: float = 0.0

    @property
    def weight_bytes(self) -> float:
        return self.attention_bytes + self.dense_bytes + self.expert_bytes + self.embedding_bytes + self.draft_bytes

    def __str__(self) -> str:
        parts = {
            "weights": self.weight_bytes,
            "activations": self.activation_bytes,
            "graphs": self.graph_bytes,
            "runtime": self.runtime_bytes,
            "left free": self.reserved_bytes,
        }
        sizes = ", ".join(f"{name} {size / GIB:.1f}" for name, size in parts.items() if size)
        return f"KV cache {self.cache_bytes / GIB:.1f} ({self.kv_tokens:,} tokens), {sizes}"


def memory_parts(deployment: Deployment, catalog: Catalog) -> MemoryParts:
    """The memory of one GPU of a deployment whose names are catalog ids."""
    return gpu_memory(deployment, deployment_parts(deployment, catalog))


def gpu_memory(d: Deployment, parts: DeploymentParts) -> MemoryParts:
    """`memory_parts` from catalog entries that are already looked up."""
    attention, dense, experts, embedding = _weights(d, parts)
    rules, u, reported = parts.rules, _memory_share(d, parts), parts.accelerator.memory_bytes
    draft = _draft_weights(d, parts)
    weights = attention + dense + experts + embedding + draft
    activations, runtime = _activations(d, parts), _runtime(d, parts)
    graphs = 0.0 if d.settings.enforce_eager else (rules.layer_graph_gib or 0) * GIB * parts.operations.layers / d.pp
    if rules.cache_sizing == "pool":
        cache = u * (reported - runtime) - weights
        activations = graphs = 0.0
    elif rules.cache_sizing == "free":
        cache = u * (reported - weights - activations - runtime)
    else:
        cache = u * reported - weights - activations - runtime - graphs
    layout = _cache_layout(d, parts)
    token_bytes = _printed_token_bytes(d, parts, layout) / d.pp
    if d.settings.kv_tokens:
        cache = d.settings.kv_tokens * token_bytes
    return MemoryParts(
        reported_bytes=reported,
        attention_bytes=attention,
        dense_bytes=dense,
        expert_bytes=experts,
        embedding_bytes=embedding,
        activation_bytes=activations,
        graph_bytes=graphs,
        runtime_bytes=runtime,
        reserved_bytes=reported - weights - activations - graphs - runtime - cache,
        cache_bytes=cache,
        layout=layout,
        draft_bytes=draft,
        kv_tokens=d.settings.kv_tokens or int(max(cache, 0) / token_bytes // BLOCK_TOKENS * BLOCK_TOKENS),
    )


def _memory_share(d: Deployment, parts: DeploymentParts) -> float:
    """The share of memory that the engine takes: the setting, less what SGLang leaves to AMD's attention kernels."""
    share, context, heads = parts.settings.memory_utilization, parts.settings.max_model_len, parts.model.heads
    aiter = parts.accelerator.vendor == "AMD" and (not parts.model.mla or heads / d.attention_tp in AITER_LATENT_HEADS)
    if aiter and (context or 0) > AITER_TOKENS:
        return share * (parts.rules.aiter_share or 1)
    return share


def _weights(d: Deployment, parts: DeploymentParts) -> tuple[float, float, float, float]:
    """Bytes on one GPU: attention, dense and shared FFN, routed experts, embedding and head.

    In a pipeline the first stage has the embedding and the last one the head. Each rank of attention data parallelism
    has all weights but those of the experts, save in `SHARED_DENSE_CORES`.
    """
    o, w, n = parts.operations, parts.weights, d.stage_gpus
    dense_gpus = n if parts.core in SHARED_DENSE_CORES else d.attention_tp
    ends = 1 if d.pp > 1 or o.tied else 2
    experts = o.moe_layers * o.expert_params * (o.experts + (d.settings.redundant_experts if o.moe_layers else 0))
    attention = o.attention_params / d.attention_tp + o.index_params * (1 - 1 / d.attention_tp)
    computed = (
        attention * w.attention / d.pp,
        o.dense_params * w.dense / dense_gpus / d.pp,
        experts * w.experts / n / d.pp,
        ends * o.head_params * w.head / dense_gpus,
    )
    if d.settings.weights_gb is None:
        return computed
    scale = d.settings.weights_gb * 1e9 / weight_bytes(parts.model, d.precision)
    return computed[0] * scale, computed[1] * scale, computed[2] * scale, computed[3] * scale


def _draft_weights(d: Deployment, parts: DeploymentParts) -> float:
    """Bytes of what drafts tokens on one GPU; SGLang takes them from what it leaves free (`drafting_mib`)."""
    draft, reserved = parts.draft, parts.rules.reserved
    if draft is None or (reserved and reserved.drafting_mib):
        return 0.0
    return draft.dense_bytes / d.attention_tp + draft.experts * draft.expert_bytes / d.stage_gpus


def _activations(d: Deployment, parts: DeploymentParts) -> float:
    """Peak bytes of the largest step; the module's docstring has the formula."""
    o, model, s, qkv = parts.operations, parts.model, parts.settings, GroupedHeads.of(parts.model)
    tokens, moe = s.max_batched_tokens, model.moe
    sequences = s.max_num_seqs if parts.rules.cache_sizing == "free" else min(s.max_num_seqs, tokens)
    qkv_width = (qkv.heads + 2 * qkv.kv_heads) * qkv.head_dim
    ffn_width = 3 * max(model.intermediate_size or 0, shared_width(moe))
    widest = max(qkv_width / d.attention_tp, ffn_width / d.stage_gpus)
    layers = ACTIVATION_BYTES * tokens * (RESIDUALS * o.hidden + widest)
    sampler = sequences * model.vocab_size * (parts.rules.logit_bytes or 0) + ACTIVATION_BYTES * tokens * o.hidden
    rows = 0.0
    if moe and parts.weights.experts >= 1:
        expert = moe.expert_intermediate_size * d.ep / d.stage_gpus
        rows = ACTIVATION_BYTES * tokens * moe.active_experts * (max(2 * expert, o.hidden) + expert)
    return rows + max(layers, sampler)


def _runtime(d: Deployment, parts: DeploymentParts) -> float:
    """Bytes of the driver's context, of communication and of other libraries."""
    gib, links = parts.rules.runtime_gib or 0, parts.rules.linked_gib
    if links and d.stage_gpus > 1 and parts.accelerator.max_scaleup_gpus > 1:
        gib = links.get(parts.accelerator.vendor, links["other"])
    return gib * GIB


def _cache_layout(d: Deployment, parts: DeploymentParts) -> CacheLayout:
    """Bytes of cache for a sequence, by the engine's policy for windowed layers and for states."""
    o, rules = parts.operations, parts.rules
    shared = min(d.settings.context_parallel, d.attention_tp)
    shards = min(min(d.attention_tp, o.kv_heads) * shared, d.attention_tp)
    windowed = o.windowed_kv_values * parts.kv_bytes / shards
    growing = o.full_kv_values * parts.kv_bytes / shards + o.index_values * INDEX_BYTES / shared
    if draft := parts.draft:
        growing += draft.kv_values * parts.kv_bytes / min(d.attention_tp, draft.kv_heads) / shared
    state = o.state_bytes / d.attention_tp
    share = (rules.state_share or 0) if state else 0
    if rules.window_policy == "pools":
        windowed *= rules.window_pool or 1
    return CacheLayout(
        growing_bytes=growing / (1 - share),
        windowed_bytes=windowed / (1 - share),
        window_tokens=float(o.window) if rules.window_policy == "freed" and windowed else inf,
        fixed_bytes=0.0 if share else state,
        least_bytes=state / share if share else 0.0,
    )


def _printed_token_bytes(d: Deployment, parts: DeploymentParts, layout: CacheLayout) -> float:
    """Bytes of all stages by which the engine divides its cache to print its size in tokens.

    vLLM counts requests of the longest context. With windowed layers, each keeps its window and the tokens of one step,
    padded to groups with as many layers as the rarer kind has; and its state.
    """
    o, s = parts.operations, parts.settings
    if layout.window_tokens == inf and not layout.fixed_bytes:
        return layout.growing_bytes + layout.windowed_bytes
    length = float(s.max_model_len or s.max_batched_tokens)
    kept = length
    if layout.window_tokens < inf:
        kept = min(layout.window_tokens + s.max_batched_tokens, length) + BLOCK_TOKENS
    request = layout.growing_bytes * length + layout.windowed_bytes * _padding(o.windowed_layers, o.full_layers) * kept
    return (request + layout.fixed_bytes) / length


def _padding(layers: int, others: int) -> float:
    """Memory of `layers` in groups of the size of the rarer kind, relative to their memory without groups."""
    if not layers or not others:
        return 1.0
    rarer, commoner = sorted((layers, others))
    size = commoner if commoner < 1.5 * rarer else rarer
    return -(-layers // size) * size / layers


def weight_bytes(model: Model, precision: str) -> float:
    """Bytes of all weights of a model with their scales, each part in its own precision."""
    o, part = operations(model), weight_bytes_by_part(model, precision)
    dense = o.attention_params * part.attention + o.dense_params * part.dense
    return dense + o.all_expert_params * part.experts + o.embedding_params * part.head
