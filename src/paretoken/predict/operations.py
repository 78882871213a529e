"""What a model is to a machine: weights, floating-point operations and cached values, from its shapes alone.

All counts are of the whole model, before it is split over GPUs. A multiply-add is two operations, so a
token costs twice the weights that it passes through. Attention costs by (query, key) pairs: 4·heads·head_dim
for each pair and layer (scores and values). An MLA layer caches kv_lora_rank + qk_rope_head_dim values per
token, a GQA layer 2·kv_heads·head_dim. Layers with a window may have heads of another number and size. A routed
expert has two or three matrices, of the model's width or, between two projections of the layer, of a latent one.
Sources of the shapes: the catalog's entries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from paretoken.catalog.entries import Mla, Model, Windowed

BYTES = {"fp32": 4.0, "bf16": 2.0, "fp8": 1.0, "int4": 0.53, "fp4": 0.5625}
"""Bytes of one weight with its scales: NVFP4 has an FP8 scale for each 16, int4 groups of 128 a bf16 one and zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """One model. `*_params` are weights over all layers, `expert_params` those of one expert in one layer.

    `kv_values` are cached per token over the layers whose cache grows with the context; `windowed` is the
    share of them that belongs to layers which look back only `window` tokens. `pair_flops` is for one (query, key)
    pair over these layers in a prompt, `cached_flops` in decoding, `windowed_pairs` the windowed layers' share of them.
    With `tied` weights the head is the embedding.
    """

    layers: int
    hidden: int
    attention_params: float
    dense_params: float
    head_params: float
    moe_layers: int
    experts: int
    active_experts: int
    expert_params: float
    kv_values: float
    kv_heads: int
    pair_flops: float
    cached_flops: float
    window: int
    windowed: float
    windowed_pairs: float
    tied: bool

    @property
    def total_params(self) -> float:
        """Total weights, embedding included (it is counted with the head unless the two are tied)."""
        return (
            self.attention_params
            + self.dense_params
            + (1 if self.tied else 2) * self.head_params
            + self.moe_layers * self.experts * self.expert_params
        )

    def in_stages(self, stages: int) -> Operations:
        """The counts if each of the stages were as large as the largest.

        A pipeline moves at the pace of its largest stage, of ceil(layers / stages) layers with every kind of layer in
        proportion. Unchanged where the stages are alike. The embedding and the head are not in layers.
        """
        largest = -(-self.layers // stages)
        more = stages * largest / self.layers
        return replace(
            self,
            layers=stages * largest,
            attention_params=self.attention_params * more,
            dense_params=self.dense_params * more,
            moe_layers=stages * -(-self.moe_layers * largest // self.layers),
            kv_values=self.kv_values * more,
            pair_flops=self.pair_flops * more,
            cached_flops=self.cached_flops * more,
        )


def operations(model: Model) -> Operations:
    """The counts of a catalog model."""
    moe = model.moe
    growing = model.layers - (model.linear_attention_layers or 0)
    attention, kv_values, pair_flops = (
        _mla(model.mla, model, growing) if model.mla else _grouped(GroupedHeads.of(model), model.hidden_size, growing)
    )
    cached_flops = _absorbed(model.mla, model.heads, growing) if model.mla else pair_flops
    windowed = windowed_pairs = (model.sliding_layers or 0) / growing
    if model.windowed:
        attention, kv_values, pair_flops, windowed, windowed_pairs = _mixed(model, model.windowed, growing)
    if model.attention_params_per_layer_m:
        attention = model.attention_params_per_layer_m * 1e6
    expert_columns = float(moe.expert_matrices * moe.expert_intermediate_size) if moe else 0.0
    latent = (moe.latent_size if moe else None) or 0
    moe_layers = model.layers - moe.dense_layers if moe else 0
    dense_layers = model.layers - moe_layers
    return Operations(
        layers=model.layers,
        hidden=model.hidden_size,
        attention_params=attention * model.layers,
        dense_params=dense_layers * 3.0 * model.hidden_size * (model.intermediate_size or 0)
        + moe_layers * model.hidden_size * ((moe.shared_experts if moe else 0) * expert_columns + 2 * latent),
        head_params=float(model.hidden_size * model.vocab_size),
        moe_layers=moe_layers,
        experts=moe.experts if moe else 1,
        active_experts=moe.active_experts if moe else 0,
        expert_params=expert_columns * (latent or model.hidden_size),
        kv_values=model.kv_values_per_token or kv_values,
        kv_heads=1 if _latent(model) else (model.kv_heads or model.heads),
        pair_flops=pair_flops,
        cached_flops=cached_flops,
        window=model.sliding_window or 0,
        windowed=windowed,
        windowed_pairs=windowed_pairs,
        tied=model.tied_embeddings,
    )


def _latent(model: Model) -> bool:
    """One cached vector serves all heads, so tensor parallelism cannot split the cache."""
    return model.mla is not None or model.kv_values_per_token is not None


def _mla(mla: Mla, model: Model, growing: int) -> tuple[float, float, float]:
    """Weights of one layer's attention, cached values of a token, FLOPs of a (query, key) pair; so in all below."""
    hidden, heads = model.hidden_size, model.heads
    query = heads * (mla.qk_nope_head_dim + mla.qk_rope_head_dim)
    queries = hidden * mla.q_lora_rank + mla.q_lora_rank * query if mla.q_lora_rank else hidden * query
    compress = hidden * (mla.kv_lora_rank + mla.qk_rope_head_dim)
    expand = mla.kv_lora_rank * heads * (mla.qk_nope_head_dim + mla.v_head_dim)
    out = heads * mla.v_head_dim * hidden
    pair = 2.0 * heads * (mla.qk_nope_head_dim + mla.qk_rope_head_dim + mla.v_head_dim)
    values = growing * (mla.kv_lora_rank + mla.qk_rope_head_dim)
    return float(queries + compress + expand + out), float(values), pair * growing


def _absorbed(mla: Mla, heads: int, growing: int) -> float:
    """FLOPs of decoding per cached token: every head scores and sums the latent vectors themselves."""
    return 2.0 * heads * (2 * mla.kv_lora_rank + mla.qk_rope_head_dim) * growing


class GroupedHeads(NamedTuple):
    """Query heads, key-value heads and their size."""

    heads: int
    kv_heads: int
    head_dim: int

    @classmethod
    def of(cls, model: Model) -> GroupedHeads:
        return cls(model.heads, model.kv_heads or model.heads, model.head_dim or model.hidden_size // model.heads)


def _grouped(a: GroupedHeads, hidden: int, growing: int) -> tuple[float, float, float]:
    params = hidden * (2 * a.heads + 2 * a.kv_heads) * a.head_dim
    return float(params), 2.0 * a.kv_heads * a.head_dim * growing, 4.0 * a.heads * a.head_dim * growing


def _mixed(model: Model, windowed: Windowed, growing: int) -> tuple[float, float, float, float, float]:
    """Like `_grouped` over layers with and without a window, and what share of the last two those with one have."""
    near, hidden = model.sliding_layers or 0, model.hidden_size
    wide, full_kv, full_pair = _grouped(GroupedHeads.of(model), hidden, growing - near)
    near_heads = GroupedHeads(windowed.heads, windowed.kv_heads, windowed.head_dim)
    narrow, near_kv, near_pair = _grouped(near_heads, hidden, near)
    kv, pair = full_kv + near_kv, full_pair + near_pair
    return (wide * (growing - near) + narrow * near) / growing, kv, pair, near_kv / kv, near_pair / pair


def dense_precision(model: Model, precision: str) -> str:
    """Precision of what is not an expert. MoE models in four bits keep it in bf16 unless the catalog says so."""
    if precision in model.dense_precision:
        return model.dense_precision[precision]
    return "bf16" if model.moe and precision in ("fp4", "int4") else precision
