"""What the memory of one GPU holds: weights by part, what the engine needs to run, and the cache that is left.

An engine sizes its cache in one of three ways (`cache_sizing` of its file), u being its share of the memory R that the
driver reports:

    budget   u·R − weights − activations − runtime − graphs        vLLM, ATOM
    pool     u·(R − runtime) − weights                             SGLang: activations and graphs have the rest
    free     u·(R − weights − activations − runtime)               TensorRT-LLM

Activations are the largest of what one step of `max_batched_tokens` tokens T holds at a time, in bytes:

    layers   2·T·(4·hidden + widest)           four residual streams, and gate, up and product of an FFN, or Q, K and V
    sampler  S·vocabulary·logit_bytes + 2·T·hidden         for S sequences, as many as may run at once

and beside either, T·k rows for k active experts of eight bits or more: 2·T·k·(max(2·expert, hidden) + expert).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from paretoken.catalog.entries import Model
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict.deployment import Deployment
from paretoken.predict.operations import INDEX_BYTES, operations, weight_bytes_by_part
from paretoken.predict.parts import DeploymentParts, deployment_parts

GIB = 2.0**30
ACTIVATION_BYTES = 2.0
RESIDUALS = 4
"""Copies of the hidden state of every token that a layer holds: its input, the residual, and those of its operators."""
AITER_TOKENS, AITER_LATENT_HEADS = 8192, (16, 128)
"""SGLang on AMD takes AITER's attention, for MLA with so many heads on a GPU; its buffers grow beyond that context."""
SHARED_DENSE_CORES = ("sglang",)
"""Cores whose ranks of attention data parallelism share what is neither attention nor experts."""
BLOCK_TOKENS = 16
"""Tokens of a block of the cache; vLLM's log counts whole blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLayout:
    """What a sequence takes of the caches of all stages of a GPU, in bytes.

    `growing_bytes` for each token, `windowed_bytes` for each of the last `window_tokens` (infinite where the engine
    frees none), and `fixed_bytes` whatever its length; `least_bytes` in all.
    """

    growing_bytes: float
    windowed_bytes: float
    window_tokens: float
    fixed_bytes: float
    least_bytes: float

    def sequence_bytes(self, tokens: float) -> float:
        """Bytes of one sequence of so many tokens."""
        in_window = self.windowed_bytes * min(tokens, self.window_tokens)
        return max(self.growing_bytes * tokens + in_window + self.fixed_bytes, self.least_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryParts:
    """The memory of one GPU, in bytes; of a pipeline, of one that holds an end.

    `reserved_bytes` are those that the engine leaves alone. `cache_bytes` may be negative: the model does not fit.
    `kv_tokens` is what the engine prints as the size of its cache: of one engine, with attention data parallelism of
    one rank.
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

    @property
    def weight_bytes(self) -> float:
        return self.attention_bytes + self.dense_bytes + self.expert_bytes + self.embedding_bytes


def memory_parts(deployment: Deployment, catalog: Catalog | None = None) -> MemoryParts:
    """The memory of one GPU of a deployment whose names are catalog ids."""
    return gpu_memory(deployment, deployment_parts(deployment, catalog or load_catalog()))


def gpu_memory(d: Deployment, parts: DeploymentParts) -> MemoryParts:
    """As `memory_parts`, of what was looked up."""
    attention, dense, experts, embedding = _weights(d, parts)
    rules, u, reported = parts.rules, _share(d, parts), parts.accelerator.memory_bytes
    weights = attention + dense + experts + embedding
    activations, runtime = _activations(d, parts), _runtime(d, parts)
    graphs = 0.0 if d.settings.enforce_eager else (rules.layer_graph_gib or 0) * GIB * parts.operations.layers / d.pp
    if rules.cache_sizing == "pool":
        cache = u * (reported - runtime) - weights
        activations = graphs = 0.0
    elif rules.cache_sizing == "free":
        cache = u * (reported - weights - activations - runtime)
    else:
        cache = u * reported - weights - activations - runtime - graphs
    layout = cache_layout(d, parts)
    token = _printed(d, parts, layout) / d.pp
    if d.settings.kv_tokens:
        cache = d.settings.kv_tokens * token
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
        kv_tokens=d.settings.kv_tokens or int(max(cache, 0) / token // BLOCK_TOKENS * BLOCK_TOKENS),
    )


def _share(d: Deployment, parts: DeploymentParts) -> float:
    """The share of memory that the engine takes: what is set, less what SGLang leaves to AMD's attention kernels."""
    share, length, heads = parts.settings.memory_utilization, parts.settings.max_model_len, parts.model.heads
    aiter = parts.accelerator.vendor == "AMD" and (not parts.model.mla or heads / d.attention_tp in AITER_LATENT_HEADS)
    return share * (parts.rules.aiter_share or 1 if aiter and (length or 0) > AITER_TOKENS else 1)


def _weights(d: Deployment, parts: DeploymentParts) -> tuple[float, float, float, float]:
    """Bytes on one GPU: attention, dense and shared FFN, routed experts, embedding and head.

    Embedding and head lie at the two ends of a pipeline. Ranks of attention data parallelism each hold all but the experts.
    """
    o, w, n = parts.operations, parts.weights, d.stage_gpus
    rest = n if parts.core in SHARED_DENSE_CORES else d.attention_tp
    ends = 1 if d.pp > 1 or o.tied else 2
    experts = o.moe_layers * o.expert_params * (o.experts + (d.settings.redundant_experts if o.moe_layers else 0))
    attention = o.attention_params / d.attention_tp + o.index_params * (1 - 1 / d.attention_tp)
    held = (
        attention * w.attention / d.pp,
        o.dense_params * w.dense / rest / d.pp,
        experts * w.experts / n / d.pp,
        ends * o.head_params * w.head / rest,
    )
    if d.settings.weights_gb is None:
        return held
    scale = d.settings.weights_gb * 1e9 / weight_bytes(parts.model, d.precision)
    return held[0] * scale, held[1] * scale, held[2] * scale, held[3] * scale


def _activations(d: Deployment, parts: DeploymentParts) -> float:
    """Bytes at the largest step; see above."""
    o, model, s = parts.operations, parts.model, parts.settings
    tokens, moe = s.max_batched_tokens, model.moe
    sequences = s.max_num_seqs if parts.rules.cache_sizing == "free" else min(s.max_num_seqs, tokens)
    heads = (model.heads + 2 * (model.kv_heads or model.heads)) * (model.head_dim or o.hidden // model.heads)
    ffn = 3 * max(model.intermediate_size or 0, (moe.shared_experts * moe.expert_intermediate_size) if moe else 0)
    widest = max(heads / d.attention_tp, ffn / d.stage_gpus)
    layers = ACTIVATION_BYTES * tokens * (RESIDUALS * o.hidden + widest)
    sampler = sequences * model.vocab_size * (parts.rules.logit_bytes or 0) + ACTIVATION_BYTES * tokens * o.hidden
    rows = 0.0
    if moe and parts.weights.experts >= 1:
        expert = moe.expert_intermediate_size * d.ep / d.stage_gpus
        rows = ACTIVATION_BYTES * tokens * moe.active_experts * (max(2 * expert, o.hidden) + expert)
    return rows + max(layers, sampler)


def _runtime(d: Deployment, parts: DeploymentParts) -> float:
    """Bytes of the context, of communication and of other libraries."""
    rules = parts.rules
    linked = d.stage_gpus > 1 and parts.accelerator.max_scaleup_gpus > 1 and rules.linked_gib
    gib = rules.linked_gib.get(parts.accelerator.vendor, rules.linked_gib["other"]) if linked else rules.runtime_gib
    return (gib or 0) * GIB


def cache_layout(d: Deployment, parts: DeploymentParts) -> CacheLayout:
    """What a sequence takes of the caches, by the engine's policy for layers with a window and for states."""
    o, rules = parts.operations, parts.rules
    shards = min(d.attention_tp, o.kv_heads) * d.settings.context_parallel
    windowed = o.windowed_kv_values * parts.kv_bytes / shards
    growing = o.full_kv_values * parts.kv_bytes / shards + o.index_values * INDEX_BYTES / d.settings.context_parallel
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


def _printed(d: Deployment, parts: DeploymentParts, layout: CacheLayout) -> float:
    """What the engine divides its cache by for the tokens that it prints, in bytes.

    vLLM's line is of requests of the longest context: with windows each holds what one step adds to its window, padded
    to groups of as many layers as there are of the rarer kind, and its state.
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
    """How many times as much layers of one kind take in groups of the size of the rarer kind."""
    if not layers or not others:
        return 1.0
    rarer, commoner = sorted((layers, others))
    size = commoner if commoner < 1.5 * rarer else rarer
    return -(-layers // size) * size / layers


def weight_bytes(model: Model, precision: str) -> float:
    """Bytes of all weights of a model with their scales, in the precision that each kind of layer is kept in."""
    o, each = operations(model), weight_bytes_by_part(model, precision)
    dense = o.attention_params * each.attention + o.dense_params * each.dense
    return dense + o.all_expert_params * each.experts + o.embedding_params * each.head
