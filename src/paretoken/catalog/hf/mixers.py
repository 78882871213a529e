"""Weights of each kind of mixer, by its projections: grouped and latent attention, linear attention, Mamba."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from paretoken.catalog.entries import Mla, Recurrent, Sparse
from paretoken.catalog.hf.fields import Fields
from paretoken.catalog.hf.searched import searched_blocks
from paretoken.errors import BadConfig

Projections = Mapping[str, float]
"""Weights of one layer's projections, by the names that checkpoints give them."""
HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")


@dataclass(frozen=True, slots=True)
class Heads:
    """Query heads, key-value heads, and the size of a query or key and of a value."""

    heads: int
    kv_heads: int
    key_dim: int
    value_dim: int

    @property
    def mean_dim(self) -> int:
        """The mean size of a key and a value."""
        return (self.key_dim + self.value_dim) // 2

    def projections(self, hidden: int, *, gated: bool = False, values: bool = True) -> dict[str, float]:
        """Weights of one layer; a gate doubles the queries, and without `values` the keys serve as such."""
        return {
            "q_proj": float(hidden * self.heads * self.key_dim * (2 if gated else 1)),
            "k_proj": float(hidden * self.kv_heads * self.key_dim),
            "v_proj": float(hidden * self.kv_heads * self.value_dim) if values else 0.0,
            "o_proj": float(hidden * self.heads * self.value_dim),
        }


def read_heads(f: Fields, hidden: int) -> Heads:
    """The heads of layers that attend to the whole context. BadConfig where they do not fit together."""
    nested = f.table("attn_config")
    heads = f.needed(*HEADS)
    if f.flag("multi_query_attention") or f.flag("multi_query"):
        kv = f.count("multi_query_group_num", "num_kv_heads", "n_head_kv") or 1
    elif groups := [block.group for block in searched_blocks(f, hidden) if block.group]:
        kv = heads // round(sum(groups) / len(groups))
    else:
        kv = (
            f.count("num_key_value_heads", "num_kv_heads", "n_head_kv", "num_query_groups", "num_attention_groups")
            or (f.whole("attn_config.kv_n_heads", nested["kv_n_heads"]) if "kv_n_heads" in nested else None)
            or heads
        )
    size = f.count("head_dim", "attention_head_dim", "kv_channels")
    if size is None:
        if hidden % heads:
            raise BadConfig(
                f"{f.where}: hidden_size {hidden} is no multiple of the {heads} attention heads; add head_dim"
            )
        size = hidden // heads
    if heads % kv:
        raise BadConfig(f"{f.where}: {heads} attention heads cannot share {kv} key-value heads; one divides the other")
    return Heads(heads, kv, size, f.count("v_head_dim") or size)


def read_windowed(f: Fields, full: Heads) -> tuple[Heads, Heads]:
    """Heads of layers without and with a window, where a config gives both; else the same twice."""
    if f.keys.get("global_head_dim") is not None:
        size = f.count("global_head_dim") or full.key_dim
        own = f.count("num_global_key_value_heads") or full.kv_heads
        return Heads(full.heads, own, size, size), full
    if inner := f.inside("attention_other_setting"):
        size = inner.count("head_dim") or full.key_dim
        heads, kv = inner.needed("num_attention_heads"), inner.count("num_attention_groups") or full.kv_heads
        return full, Heads(heads, kv, size, size)
    heads = f.count("swa_num_attention_heads") or full.heads
    kv = f.count("swa_num_key_value_heads") or full.kv_heads
    size = f.count("swa_head_dim") or full.key_dim
    return full, Heads(heads, kv, size, f.count("swa_v_head_dim") or f.count("v_head_dim") or size)


def read_mla(f: Fields) -> Mla | None:
    """Ranks and sizes of latent attention; None where a config has none."""
    rank = f.count("kv_lora_rank", least=0)
    if not rank:
        return None
    return Mla(
        q_lora_rank=f.count("q_lora_rank", least=0) or None,
        kv_lora_rank=rank,
        qk_nope_head_dim=f.needed("qk_nope_head_dim"),
        qk_rope_head_dim=f.needed("qk_rope_head_dim"),
        v_head_dim=f.needed("v_head_dim"),
    )


def mla_projections(m: Mla, hidden: int, heads: int, *, gated: bool = False) -> dict[str, float]:
    """Weights of one layer of latent attention; a gate is as wide as the heads."""
    query = heads * (m.qk_nope_head_dim + m.qk_rope_head_dim)
    down = {"q_a_proj": float(hidden * m.q_lora_rank)} if m.q_lora_rank else {}
    return {
        **down,
        ("q_b_proj" if m.q_lora_rank else "q_proj"): float((m.q_lora_rank or hidden) * query),
        "kv_a_proj_with_mqa": float(hidden * (m.kv_lora_rank + m.qk_rope_head_dim)),
        "kv_b_proj": float(m.kv_lora_rank * heads * (m.qk_nope_head_dim + m.v_head_dim)),
        "o_proj": float(heads * m.v_head_dim * hidden),
        "g_proj": float(heads * m.v_head_dim * hidden) if gated else 0.0,
    }


def read_sparse(f: Fields, n: int) -> Sparse | None:
    """The indexer of sparse attention; None where a config has none."""
    if f.keys.get("compress_ratios") is not None:
        return None
    topk = f.count("index_topk", least=0)
    if topk:
        kinds = f.per_layer(n, "indexer_types")
        indexers = sum(str(k) == "full" for k in kinds) if kinds else n
        return Sparse(
            heads=f.needed("index_n_heads"),
            head_dim=f.needed("index_head_dim"),
            topk=topk,
            indexers=indexers if 0 < indexers < n else None,
        )
    inner = f.inside("sparse_attention_config")
    if not inner or inner.keys.get("use_sparse_attention") is False:
        return None
    blocks = inner.needed("sparse_topk_blocks") * inner.needed("sparse_block_size")
    chosen = inner.per_layer(n, "sparse_attention_freq")
    layers = sum(bool(x) for x in chosen) if chosen else n
    return Sparse(
        heads=inner.needed("sparse_num_index_heads"),
        head_dim=inner.needed("sparse_index_dim"),
        topk=blocks,
        layers=layers if 0 < layers < n else None,
    )


@dataclass(frozen=True, slots=True)
class RecurrentLayer:
    """Weights and state of one layer that keeps a state for each sequence; `name` is that of its module."""

    projections: Projections
    state: Recurrent
    name: str = "linear_attn"


def read_recurrent(f: Fields, hidden: int, heads: Heads) -> RecurrentLayer:
    """The layers of linear attention or Mamba of a config, by the keys that it has."""
    if f.keys.get("linear_num_value_heads") is not None:
        return _delta_net(f, hidden)
    if delta := f.inside("linear_attn_config"):
        return _kimi_delta(delta, hidden)
    if f.count("mamba_num_heads", "mamba_n_heads"):
        return _mamba2(f, hidden)
    if f.count("mamba_d_state"):
        return _mamba1(f, hidden)
    if width := f.count("conv_L_cache"):
        state = Recurrent(heads=1, key_dim=1, value_dim=1, conv_channels=hidden, conv_width=width)
        return RecurrentLayer({"in_proj": 3.0 * hidden * hidden, "out_proj": float(hidden * hidden)}, state)
    return _lightning(f, hidden, heads)


def _precision(f: Fields) -> Literal["fp32", "bf16"]:
    """Precision of the state: FP32 where the config asks for it, else that of the activations."""
    return "fp32" if f.word("mamba_ssm_cache_dtype", "mamba_ssm_dtype") in ("float32", "fp32") else "bf16"


def _delta_net(f: Fields, hidden: int) -> RecurrentLayer:
    """Gated DeltaNet: keys and queries of some heads, values and gates of more."""
    n = f.needed("linear_num_value_heads")
    key, value = f.needed("linear_key_head_dim"), f.needed("linear_value_head_dim")
    keys, values = f.needed("linear_num_key_heads") * key, n * value
    width, channels = f.count("linear_conv_kernel_dim") or 4, 2 * keys + values
    state = Recurrent(
        heads=n, key_dim=key, value_dim=value, conv_channels=channels, conv_width=width, precision=_precision(f)
    )
    projections = {
        "in_proj_qkvz": float(hidden * (2 * keys + 2 * values)),
        "in_proj_ba": float(hidden * 2 * n),
        "conv1d": float(channels * width),
        "out_proj": float(values * hidden),
    }
    return RecurrentLayer(projections, state)


def _kimi_delta(f: Fields, hidden: int) -> RecurrentLayer:
    """Kimi Delta Attention: queries, keys, values and gates of the same heads; its state is always FP32."""
    n, size = f.needed("num_heads"), f.needed("head_dim")
    width, wide = f.count("short_conv_kernel_size") or 4, n * size
    low_rank = float(hidden * size + size * wide)
    state = Recurrent(heads=n, key_dim=size, value_dim=size, conv_channels=3 * wide, conv_width=width, precision="fp32")
    projections = {
        **{name: float(hidden * wide) for name in ("q_proj", "k_proj", "v_proj", "o_proj")},
        "g_proj": float(hidden * wide) if f.flag("use_full_rank_gate") else low_rank,
        "f_proj": low_rank,
        "b_proj": float(hidden * n),
        "conv1d": float(3 * wide * width),
    }
    return RecurrentLayer(projections, state, "self_attn")


def _mamba2(f: Fields, hidden: int) -> RecurrentLayer:
    n = f.needed("mamba_num_heads", "mamba_n_heads")
    size = f.count("mamba_head_dim", "mamba_d_head") or (f.count("mamba_expand", "expand") or 2) * hidden // n
    key = f.needed("ssm_state_size", "mamba_d_state", "state_size")
    groups = f.count("n_groups", "mamba_n_groups") or 1
    width, inner = f.count("conv_kernel", "mamba_d_conv", "conv_kernel_size") or 4, n * size
    f.get("expand", "mamba_expand")
    channels = inner + 2 * groups * key
    projections = {
        "in_proj": float(hidden * (inner + channels + n)),
        "conv1d": float(channels * width),
        "out_proj": float(inner * hidden),
    }
    state = Recurrent(
        heads=n, key_dim=key, value_dim=size, conv_channels=channels, conv_width=width, precision=_precision(f)
    )
    return RecurrentLayer(projections, state)


def _mamba1(f: Fields, hidden: int) -> RecurrentLayer:
    """The first Mamba: a state for each of its channels."""
    inner, key = (f.count("mamba_expand") or 2) * hidden, f.needed("mamba_d_state")
    rank, width = f.count("mamba_dt_rank") or -(-hidden // 16), f.count("mamba_d_conv") or 4
    projections = {
        "in_proj": float(2 * hidden * inner),
        "x_proj": float(inner * (rank + 2 * key)),
        "dt_proj": float(rank * inner),
        "conv1d": float(inner * width),
        "out_proj": float(inner * hidden),
    }
    state = Recurrent(
        heads=inner, key_dim=key, value_dim=1, conv_channels=inner, conv_width=width, precision=_precision(f)
    )
    return RecurrentLayer(projections, state)


def _lightning(f: Fields, hidden: int, heads: Heads) -> RecurrentLayer:
    """Linear attention with the heads of the other layers: queries, keys, values, a gate, an output."""
    if f.word("model_type") not in ("minimax", "minimax_text_01"):
        f.assume("linear-attention layers have the heads of the others, and an output gate")
    wide = heads.heads * heads.key_dim
    names = ("q_proj", "k_proj", "v_proj", "g_proj", "o_proj")
    state = Recurrent(heads=heads.heads, key_dim=heads.key_dim, value_dim=heads.key_dim, conv_width=1, precision="fp32")
    return RecurrentLayer({name: float(hidden * wide) for name in names}, state, "self_attn")
