"""Weights, floating-point operations and cached values of a model, from its shapes alone.

All counts are of the whole model, before it is split over GPUs. A multiply-add is two operations, so a
token costs twice the weights that it passes through. Attention costs 4·heads·head_dim for each (query, key)
pair and layer (scores and values). An MLA layer caches kv_lora_rank + qk_rope_head_dim values per
token, a GQA layer 2·kv_heads·head_dim. Layers with a window may have other heads. A routed expert has two
or three matrices, of the model's width or of a latent width between two projections.

Sparse attention: an indexer caches one key for each token and scores every past token, 2·heads·head_dim for each pair;
attention then reads the `topk` best. A layer of linear attention or Mamba keeps a state for each sequence: a matrix of
key_dim·value_dim for each head, and the last inputs of its convolution. The catalog has the shapes and their sources.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from paretoken.catalog.entries import Checkpoint, Mla, Model, Moe, Recurrent, Windowed

BYTES = {"fp32": 4.0, "bf16": 2.0, "fp8": 1.0, "int8": 1.0, "int4": 0.53, "fp4": 0.5625}
"""Bytes of one weight with its scales: NVFP4 has an FP8 scale per 16 weights, int4 a bf16 scale and zero per 128."""
INDEX_BYTES = 132 / 128
"""Bytes of one value of an index key in any cache format: FP8, with a scale of 4 bytes per 128 values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """One model. `*_params` are weights over all layers, `expert_params` those of one expert in one layer.

    `kv_values` are cached per token over all layers with a cache; `windowed` is the share of them in layers that look
    back only `window` tokens. `pair_flops` is for one (query, key) pair over these layers in a prompt, `cached_flops`
    in decoding; `windowed_pairs` is the windowed layers' share of it. With `tied` weights the head is the embedding.

    `*_layers` count the kinds of attention. `windowed_layers` look back `window` tokens, or if `chunked` within chunks
    of that size; `sparse_layers` attend to the `topk` tokens that an indexer picks; `recurrent_layers` have no cache
    but a state, `state_bytes` per sequence over all layers. `index_values` are cached per token in addition to
    `kv_values`, at `INDEX_BYTES` each. `index_params` are the indexers' part of `attention_params`; `index_flops` is
    for one pair over all indexers.
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
    windowed_layers: int
    recurrent_layers: int
    sparse_layers: int
    chunked: bool
    topk: int
    index_params: float
    index_values: float
    index_flops: float
    state_bytes: float

    @property
    def full_layers(self) -> int:
        """Layers whose cache grows with the context."""
        return self.layers - self.windowed_layers - self.recurrent_layers

    @property
    def full_kv_values(self) -> float:
        """Values cached per token by the layers whose cache grows with the context."""
        return self.kv_values * (1 - self.windowed)

    @property
    def windowed_kv_values(self) -> float:
        """Values cached per token by the layers with a window or chunks."""
        return self.kv_values * self.windowed

    @property
    def sparse(self) -> float:
        """Share of the attended pairs that belong to layers with an indexer."""
        return self.sparse_layers / (self.layers - self.recurrent_layers) if self.sparse_layers else 0.0

    @property
    def all_expert_params(self) -> float:
        """Weights of all routed experts."""
        return self.moe_layers * self.experts * self.expert_params

    @property
    def embedding_params(self) -> float:
        """Weights of the output head and the embedding, counted once if tied."""
        return (1 if self.tied else 2) * self.head_params

    @property
    def total_params(self) -> float:
        """Total weights, embedding included (it is counted with the head unless the two are tied)."""
        return self.attention_params + self.dense_params + self.embedding_params + self.all_expert_params

    def in_stages(self, stages: int) -> Operations:
        """The counts if every stage were as large as the largest one.

        The largest stage sets the pace of a pipeline. It has ceil(layers / stages) layers, with every kind in
        proportion. Equal stages change nothing. The embedding and the head are not part of the layers.
        """
        largest = -(-self.layers // stages)
        scale = stages * largest / self.layers
        return replace(
            self,
            layers=stages * largest,
            attention_params=self.attention_params * scale,
            dense_params=self.dense_params * scale,
            moe_layers=stages * -(-self.moe_layers * largest // self.layers),
            kv_values=self.kv_values * scale,
            pair_flops=self.pair_flops * scale,
            cached_flops=self.cached_flops * scale,
            windowed_layers=round(self.windowed_layers * scale),
            recurrent_layers=round(self.recurrent_layers * scale),
            sparse_layers=round(self.sparse_layers * scale),
            index_params=self.index_params * scale,
            index_values=self.index_values * scale,
            index_flops=self.index_flops * scale,
            state_bytes=self.state_bytes * scale,
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
    matrices = moe.expert_matrices if moe else 0
    expert_columns = float(matrices * moe.expert_intermediate_size) if moe else 0.0
    latent = (moe.latent_size if moe else None) or 0
    moe_layers = model.layers - moe.dense_layers if moe else 0
    dense_layers = model.layers - moe_layers if model.ffn_layers is None else model.ffn_layers
    indexers = _indexers(model, growing)
    return Operations(
        layers=model.layers,
        hidden=model.hidden_size,
        attention_params=attention * model.layers + indexers.params,
        dense_params=dense_layers * float(model.ffn_matrices) * model.hidden_size * (model.intermediate_size or 0)
        + moe_layers * model.hidden_size * (matrices * shared_width(moe) + 2 * latent),
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
        windowed_layers=model.sliding_layers or 0,
        recurrent_layers=model.linear_attention_layers or 0,
        sparse_layers=indexers.sparse_layers,
        chunked=model.chunked,
        topk=model.sparse.topk if model.sparse else 0,
        index_params=indexers.params,
        index_values=indexers.values,
        index_flops=indexers.flops,
        state_bytes=_state_bytes(model.recurrent) * (model.linear_attention_layers or 0) if model.recurrent else 0.0,
    )


class _Indexers(NamedTuple):
    """The indexers of all layers: weights, values cached per token, and FLOPs of a (query, key) pair."""

    sparse_layers: int
    params: float
    values: float
    flops: float


def shared_width(moe: Moe | None) -> int:
    """Width of the shared experts of one layer together; 0 without any."""
    return (moe.shared_width or moe.shared_experts * moe.expert_intermediate_size) if moe else 0


def _indexers(model: Model, growing: int) -> _Indexers:
    """Queries come from the compressed queries, if any; a key, and a weight for each head, from the hidden state."""
    if not model.sparse:
        return _Indexers(0, 0.0, 0.0, 0.0)
    s = model.sparse
    layers = s.layers or growing
    indexers = s.indexers or layers
    query = (model.mla.q_lora_rank if model.mla else None) or model.hidden_size
    params = query * s.heads * s.head_dim + model.hidden_size * (s.head_dim + s.heads)
    return _Indexers(
        layers, float(indexers * params), float(indexers * s.head_dim), indexers * 2.0 * s.heads * s.head_dim
    )


def _state_bytes(r: Recurrent) -> float:
    """Bytes that one layer keeps for each sequence."""
    matrices = r.heads * r.key_dim * r.value_dim * BYTES[r.precision]
    return matrices + r.conv_channels * (r.conv_width - 1) * BYTES["bf16"]


def _latent(model: Model) -> bool:
    """One cached vector serves all heads, so tensor parallelism cannot split the cache."""
    return model.mla is not None or model.kv_values_per_token is not None


def _mla(mla: Mla, model: Model, growing: int) -> tuple[float, float, float]:
    """Attention weights of one layer; cached values per token and FLOPs per (query, key) pair of all."""
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
    """The same counts as `_mla`."""
    params = hidden * (2 * a.heads + 2 * a.kv_heads) * a.head_dim
    return float(params), 2.0 * a.kv_heads * a.head_dim * growing, 4.0 * a.heads * a.head_dim * growing


def _mixed(model: Model, windowed: Windowed, growing: int) -> tuple[float, float, float, float, float]:
    """`_grouped` over layers with and without a window, and the windowed layers' shares of the values and the FLOPs."""
    near, hidden = model.sliding_layers or 0, model.hidden_size
    wide, full_kv, full_pair = _grouped(GroupedHeads.of(model), hidden, growing - near)
    near_heads = GroupedHeads(windowed.heads, windowed.kv_heads, windowed.head_dim)
    narrow, near_kv, near_pair = _grouped(near_heads, hidden, near)
    kv, pair = full_kv + near_kv, full_pair + near_pair
    return (wide * (growing - near) + narrow * near) / growing, kv, pair, near_kv / kv, near_pair / pair


def dense_precision(model: Model, precision: str) -> str:
    """Precision of the weights outside experts: bf16 in MoE models of four bits, unless the catalog states another."""
    if precision in model.dense_precision:
        return model.dense_precision[precision]
    return "bf16" if model.moe and precision in ("fp4", "int4") else precision


def weight_bytes_by_part(model: Model, precision: str) -> Checkpoint:
    """Bytes of one weight of each part: the checkpoint's own in its native precision, else by the precision's rules."""
    if model.checkpoint and precision == model.native_precision:
        return model.checkpoint
    dense = BYTES[dense_precision(model, precision)]
    return Checkpoint(attention=dense, dense=dense, experts=BYTES[precision], head=BYTES["bf16"])
