"""A config.json as a model of the catalog, with the weights of each layer's parts under the names of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from paretoken.catalog.entries import Mla, Moe, Sparse, Windowed
from paretoken.catalog.hf.ffn import Ffns, read_ffns
from paretoken.catalog.hf.fields import Fields
from paretoken.catalog.hf.layers import HIDDEN, Layout, Mixer, read_layout
from paretoken.catalog.hf.mixers import (
    HEADS,
    Heads,
    Projections,
    RecurrentLayer,
    mla_projections,
    read_heads,
    read_mla,
    read_recurrent,
    read_sparse,
    read_windowed,
)
from paretoken.errors import BadConfig

TIED = ("gemma", "cohere", "gpt2", "gpt_bigcode", "bloom", "opt", "falcon", "starcoder2", "granitemoehybrid", "mpt")
"""Families whose embedding is the head where no key says so (a prefix of their model_type)."""
UNTIED = (
    "llama",
    "mistral",
    "mixtral",
    "ministral",
    "qwen",
    "deepseek",
    "glm",
    "phi",
    "gpt_oss",
    "nemotron",
    "minimax",
    "kimi",
    "step",
    "mimo",
    "olmo",
    "hy",
    "ernie",
    "internlm",
    "baichuan",
    "chatglm",
    "dbrx",
    "jamba",
    "mamba",
    "gpt_neox",
    "granite",
    "exaone",
    "smollm",
    "yi",
)
"""Families whose embedding is not the head where no key says so (a prefix of their model_type)."""
INDEXER = "indexer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """A model's shapes. `heads` are those of layers without a window, `windowed_heads` those of layers with one.

    `mixers` are the projections of one layer of each kind, with its share of the indexers. `irregular` says that the
    catalog's plain fields do not give the weights of attention.
    """

    layout: Layout
    hidden: int
    vocab: int
    heads: Heads
    windowed_heads: Heads
    mla: Mla | None
    sparse: Sparse | None
    recurrent: RecurrentLayer | None
    ffns: Ffns
    mixers: Mapping[Mixer, Projections]
    tied: bool
    max_context: int | None
    cached_values: float | None
    irregular: bool

    @property
    def moe(self) -> Moe | None:
        return self.ffns.moe

    @property
    def windowed(self) -> Windowed | None:
        """The heads of layers with a window, where they differ from those of the others."""
        own = self.windowed_heads
        if not self.layout.window or own == self.heads:
            return None
        return Windowed(heads=own.heads, kv_heads=own.kv_heads, head_dim=own.mean_dim)

    @property
    def attention_params(self) -> float:
        """Weights of all mixers, with their indexers."""
        return sum(sum(self.mixers[layer.mixer].values()) for layer in self.layout.layers)

    @property
    def indexer_params(self) -> float:
        """Weights of all indexers."""
        indexer = sum(weights for name, weights in self.mixers["full"].items() if name.startswith(INDEXER))
        return indexer * self.layout.count("full")


def read_shapes(f: Fields) -> Shapes:
    """The shapes of a config; BadConfig where keys are missing, absurd or contradict each other."""
    hidden = f.needed(*HIDDEN)
    layout = read_layout(f)
    if not layout.count("full"):
        raise BadConfig(
            f"{f.where}: no layer attends to the whole context; models without a KV cache cannot be predicted"
        )
    n = len(layout.layers)
    mla = read_mla(f)
    heads = _latent_heads(f, mla) if mla else read_heads(f, hidden)
    heads, windowed_heads = read_windowed(f, heads) if layout.window else (heads, heads)
    gated = f.flag("attn_output_gate", default=f.word("model_type").startswith(("qwen3_next", "qwen3_5")))
    recurrent = read_recurrent(f, hidden, heads) if layout.count("recurrent") else None
    compressed = _compressed(f, hidden, heads, n)
    latent_gated, keys_only = f.flag("mla_use_output_gate"), f.flag("attention_k_eq_v")
    if compressed:
        full, cached = compressed
    elif mla:
        full, cached = mla_projections(mla, hidden, heads.heads, gated=latent_gated), None
    else:
        full, cached = heads.projections(hidden, gated=gated, values=not keys_only), None
    sparse = read_sparse(f, n)
    return Shapes(
        layout=layout,
        hidden=hidden,
        vocab=f.needed("vocab_size", "padded_vocab_size", "n_vocab"),
        heads=heads,
        windowed_heads=windowed_heads,
        mla=mla,
        sparse=sparse,
        recurrent=recurrent,
        ffns=read_ffns(f, layout, hidden),
        mixers={
            "full": {**full, **_indexer(sparse, mla, hidden, n)},
            "windowed": windowed_heads.projections(hidden, gated=gated),
            "recurrent": recurrent.projections if recurrent else {},
            "none": {},
        },
        tied=_tied(f),
        max_context=f.count(
            "max_position_embeddings", "n_positions", "seq_length", "max_seq_len", "max_sequence_length", "n_ctx"
        ),
        cached_values=cached,
        irregular=bool(layout.count("none") or recurrent or compressed or gated or keys_only or latent_gated),
    )


def _latent_heads(f: Fields, mla: Mla) -> Heads:
    """The heads of latent attention, whose keys and values have sizes of their own."""
    heads = f.needed(*HEADS)
    return Heads(heads, heads, mla.qk_nope_head_dim, mla.v_head_dim)


def _indexer(s: Sparse | None, mla: Mla | None, hidden: int, n: int) -> dict[str, float]:
    """Weights of an indexer, as a mean over all layers."""
    if not s:
        return {}
    share = (s.indexers or s.layers or n) / n
    query = (mla.q_lora_rank if mla else None) or hidden
    return {
        f"{INDEXER}.wq_b": share * query * s.heads * s.head_dim,
        f"{INDEXER}.wk": share * hidden * (s.head_dim + s.heads),
    }


def _compressed(f: Fields, hidden: int, heads: Heads, n: int) -> tuple[dict[str, float], float] | None:
    """Projections and cached values per token where layers compress blocks of tokens to one entry (DeepSeek-V4)."""
    ratios = f.per_layer(n, "compress_ratios")
    if ratios is None:
        return None
    size, index = heads.key_dim, f.count("index_head_dim") or 0
    rank, out, groups = f.needed("q_lora_rank"), f.needed("o_lora_rank"), f.needed("o_groups")
    f.get("index_n_heads", "index_topk")
    blocks = [f.whole("compress_ratios", r, least=0) for r in ratios]
    finest = min((r for r in blocks if r), default=0)
    values = sum((size + (index if r == finest else 0)) / r for r in blocks if r)
    f.assume("windows, compressors and indexers beside the compressed cache are not counted")
    projections = {
        "q_a_proj": float(hidden * rank),
        "q_b_proj": float(rank * heads.heads * size),
        "kv_proj": float(hidden * size),
        "o_a_proj": float(heads.heads * size * out),
        "o_proj": float(groups * out * hidden),
    }
    return projections, values


def _tied(f: Fields) -> bool:
    """Whether the embedding is the head: by the config, else by the family."""
    if f.get("tie_word_embeddings") is not None:
        return f.flag("tie_word_embeddings")
    kind = f.word("model_type")
    if kind.startswith(TIED):
        return True
    if not kind.startswith(UNTIED):
        f.assume("the output head is not the embedding, since tie_word_embeddings is missing")
    return False
