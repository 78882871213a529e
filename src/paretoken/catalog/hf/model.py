"""A config.json as an entry of the catalog."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.catalog.entries import Checkpoint, Model
from paretoken.catalog.hf.fields import Fields, Keys
from paretoken.catalog.hf.quantization import Quantization, read_quantization
from paretoken.catalog.hf.shapes import Shapes, read_shapes
from paretoken.catalog.hf.text_part import text_fields
from paretoken.errors import BadConfig

MOST_PARAMS = 1e14
"""Parameters beyond which the shapes of a config are taken to be wrong."""
FILES_BY_SHAPES = (0.5, 2.0)
"""Size of the files over that of the shapes, outside which they are taken to be of another model."""
NOTED_DIFFERENCE = 0.03
"""Share by which the files and the shapes may differ without a note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A model as it is published: the keys of its config.json, and what the files beside it add."""

    name: str
    where: str
    source: str
    keys: Keys
    quantization: Keys | None = None
    total_bytes: int | None = None


def model_of(config: Config) -> Model:
    """The model of a config; BadConfig names the key that is wrong."""
    f = text_fields(config.keys, config.where)
    shapes = read_shapes(f)
    parts = Parts.of(shapes)
    if not 0 < parts.total < MOST_PARAMS:
        raise BadConfig(f"{config.where}: its shapes come to {parts.total / 1e9:,.1f} B parameters; correct them")
    quantization = read_quantization(f, config.quantization, shapes)
    moe, layout, heads = shapes.moe, shapes.layout, shapes.heads
    windowed, uncached = layout.count("windowed"), layout.count("recurrent") + layout.count("none")
    dense_ffns = layout.ffns("dense")
    plain = dense_ffns == (moe.dense_layers if moe else len(layout.layers))
    return Model(
        name=config.name,
        maker=config.name.split("/")[0] if "/" in config.name else "",
        kind="moe" if moe else "dense",
        attention=_attention(shapes),
        layers=len(layout.layers),
        hidden_size=shapes.hidden,
        heads=heads.heads,
        kv_heads=heads.kv_heads,
        head_dim=_head_dim(shapes),
        intermediate_size=shapes.ffns.width or None,
        vocab_size=shapes.vocab,
        max_context=shapes.max_context,
        params_total_b=parts.total / 1e9,
        params_active_b=parts.active / 1e9,
        tied_embeddings=shapes.tied,
        sliding_window=layout.window or None,
        sliding_layers=windowed or None,
        chunked=layout.chunked,
        windowed=shapes.windowed,
        linear_attention_layers=uncached or None,
        recurrent=shapes.recurrent.state if shapes.recurrent else None,
        sparse=shapes.sparse,
        mla=shapes.mla,
        moe=moe,
        ffn_layers=None if plain or not shapes.ffns.width else dense_ffns,
        ffn_matrices=shapes.ffns.matrices,
        native_precision=quantization.precision,
        dense_precision={quantization.precision: quantization.dense},
        checkpoint=_checkpoint(config, quantization, parts, f),
        checkpoint_kv_dtype=quantization.kv_dtype,
        multi_token_prediction=bool(f.count("num_nextn_predict_layers", "mtp_num_hidden_layers", least=0)),
        attention_params_per_layer_m=parts.mixers / len(layout.layers) / 1e6 if shapes.irregular else None,
        kv_values_per_token=shapes.cached_values,
        source=config.source,
        date="",
        unknown=tuple(f.unread()),
        assumed=tuple(f.assumed),
    )


def _attention(s: Shapes) -> str:
    if s.layout.count("recurrent") or s.cached_values:
        return "hybrid"
    if s.mla:
        return "mla"
    return "mha" if s.heads.kv_heads == s.heads.heads else "gqa"


def _head_dim(s: Shapes) -> int:
    """Size of a head; the mean of keys and values where they differ, but for latent attention that of the keys."""
    return s.heads.key_dim if s.mla else s.heads.mean_dim


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Weights of each part of a model; `mixers` are attention without indexers."""

    mixers: float
    attention: float
    dense: float
    experts: float
    head: float
    active: float

    @classmethod
    def of(cls, s: Shapes) -> Parts:
        moe, moe_layers = s.moe, s.layout.ffns("moe")
        latent = (moe.latent_size if moe else None) or 0
        dense = s.layout.ffns("dense") * s.ffns.matrices * s.hidden * s.ffns.width
        expert = 0
        if moe:
            dense += moe_layers * s.hidden * (moe.expert_matrices * s.ffns.shared_width + 2 * latent)
            expert = moe.expert_matrices * moe.expert_intermediate_size * (latent or s.hidden)
        attention = s.attention_params
        head = s.hidden * s.vocab * (1 if s.tied else 2)
        active = (moe_layers * moe.active_experts * expert) if moe else 0
        return cls(
            mixers=attention - s.indexer_params,
            attention=attention,
            dense=float(dense),
            experts=float(moe_layers * moe.experts * expert) if moe else 0.0,
            head=float(head),
            active=attention + dense + active + head,
        )

    @property
    def total(self) -> float:
        return self.attention + self.dense + self.experts + self.head


def _checkpoint(config: Config, q: Quantization, parts: Parts, f: Fields) -> Checkpoint | None:
    """Bytes of one weight by part, scaled to the size of all files where that is known."""
    c = q.checkpoint
    if not config.total_bytes:
        return c if q.quantized else None
    shapes = parts.attention * c.attention + parts.dense * c.dense + parts.experts * c.experts + parts.head * c.head
    least, most = FILES_BY_SHAPES
    factor = config.total_bytes / shapes
    if not least < factor < most:
        raise BadConfig(
            f"{config.where}: the files have {config.total_bytes / 1e9:,.1f} GB, the shapes need "
            f"{shapes / 1e9:,.1f} GB; check that both are of the same model"
        )
    if abs(factor - 1) > NOTED_DIFFERENCE:
        f.assume(
            f"all parts are {factor:.2f} times as large as their shapes, "
            f"to make up the {config.total_bytes / 1e9:,.1f} GB of the files"
        )
    return Checkpoint(
        attention=c.attention * factor, dense=c.dense * factor, experts=c.experts * factor, head=c.head * factor
    )
