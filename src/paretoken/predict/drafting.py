"""What drafts the tokens of speculative decoding, and how many a step.

    mtp               the model's own next-token layer, K passes one after another: attention, FFN or experts, the head
    eagle, eagle3     a dense layer over the model's hidden states, K passes; EAGLE-3 has a head of 32,000 tokens
    draft_model       K decode steps of another model on the same GPUs
    medusa            K heads on the last hidden state, at once
    dspark            five dense layers over a block of K positions, at once, and for each position a small head
    ngram             a search in the text so far, which takes no time of the GPU

The first pass of a chain also takes the positions that the step before accepted: with K + 1 of them, and one in each
further pass, a pass has two positions of each sequence on average.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from paretoken.catalog.entries import Checkpoint, Model
from paretoken.catalog.loader import Catalog
from paretoken.predict.deployment import Deployment
from paretoken.predict.operations import BYTES, Operations, operations, weight_bytes_by_part
from paretoken.predict.published_settings import recipe_tokens
from paretoken.predict.speculation import METHODS

DOCUMENTED: Mapping[tuple[str, str], int] = {
    ("sglang", "mtp"): 3,
    ("sglang", "eagle"): 5,
    ("sglang", "eagle3"): 5,
    ("sglang", "draft_model"): 5,
    ("vllm", "mtp"): 1,
    ("trtllm", "mtp"): 1,
    ("atom", "mtp"): 1,
}
"""Tokens that an engine core drafts a step by default: SGLang's `speculative_num_steps` (docs, advanced features,
speculative decoding), the layers of the checkpoint's predictor in vLLM, `num_nextn_predict_layers` of TensorRT-LLM,
`--num-speculative-tokens` of ATOM."""
EAGLE3_VOCABULARY = 32_000
BLOCK_LAYERS, BLOCK_RANK = 5, 256
"""Layers of a published DSpark draft, and the rank of the head that conditions a position on the one before."""
UNSTATED_SHARE = 1 / 20
"""A draft model that is not stated: weights that a token passes through, over those of the model."""
_BF16 = Checkpoint(attention=2.0, dense=2.0, experts=2.0, head=2.0)


class DraftedTokens(NamedTuple):
    """Tokens drafted a step, and where that number is from."""

    tokens: int
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What runs on the GPUs before a step: `passes` one after another, each with `positions` of every sequence.

    Parameters and bytes are of the whole draft, before it is split over GPUs; `expert_*` are of one expert in all
    its layers. `launches` are kernels of its own beside those of its layers.
    """

    passes: int
    positions: float
    layers: float
    moe_layers: int
    hidden: float
    dense_params: float
    dense_bytes: float
    expert_params: float
    expert_bytes: float
    experts: int
    active_experts: int
    kv_values: float
    kv_heads: int
    launches: int


def drafted_tokens(d: Deployment, catalog: Catalog) -> DraftedTokens:
    """The tokens that a step drafts: as stated, as public recipes of the model have it, or by the engine's default."""
    if not d.drafting:
        return DraftedTokens(0, "")
    if d.speculative_tokens is not None:
        return DraftedTokens(d.speculative_tokens, "stated")
    core = catalog.engines[d.engine].core
    if counts := recipe_tokens(d.engine, core, d.model, d.speculative):
        most = max(Counter(counts).items(), key=lambda item: (item[1], -item[0]))[0]
        assumed = DraftedTokens(most, f"most public recipes of {d.model} with {d.engine}")
    elif (core, d.speculative) in DOCUMENTED:
        assumed = DraftedTokens(DOCUMENTED[core, d.speculative], f"default of {core}")
    else:
        assumed = DraftedTokens(METHODS[d.speculative].tokens, f"usual for {d.speculative}")
    least = ceil((d.acceptance_length or 1) - 1)
    return assumed if assumed.tokens >= least else DraftedTokens(least, "the fewest for the acceptance length")


def draft_of(d: Deployment, model: Model, catalog: Catalog) -> Draft | None:
    """The draft of a deployment; None where nothing runs on the GPU."""
    tokens = drafted_tokens(d, catalog).tokens
    if not tokens or METHODS[d.speculative].passes == "never":
        return None
    if d.speculative == "draft_model":
        return _draft_model(d.draft_model, tokens, model, catalog)
    o = operations(model)
    if d.speculative == "mtp":
        return _own_layer(tokens, o, weight_bytes_by_part(model, d.precision))
    if d.speculative == "medusa":
        return _heads(tokens, o)
    if d.speculative == "dspark":
        return _dense_layers(1, float(tokens), BLOCK_LAYERS, model, o, model.vocab_size, launches=tokens)
    vocabulary = min(model.vocab_size, EAGLE3_VOCABULARY) if d.speculative == "eagle3" else model.vocab_size
    return _dense_layers(tokens, 2.0, 1, model, o, vocabulary)


def _own_layer(tokens: int, o: Operations, w: Checkpoint) -> Draft:
    """One more layer of the model, which gets the hidden state beside the token's embedding."""
    moe = 1 if o.moe_layers else 0
    attention, dense = o.attention_params / o.layers, o.dense_params / o.layers + 2.0 * o.hidden**2
    return Draft(
        passes=tokens,
        positions=2.0,
        layers=1,
        moe_layers=moe,
        hidden=o.hidden,
        dense_params=attention + dense + o.head_params,
        dense_bytes=attention * w.attention + dense * w.dense + o.head_params * w.head,
        expert_params=moe * o.expert_params,
        expert_bytes=moe * o.expert_params * w.experts,
        experts=o.experts,
        active_experts=o.active_experts,
        kv_values=o.kv_values / max(o.layers - o.recurrent_layers, 1),
        kv_heads=o.kv_heads,
        launches=0,
    )


def _dense_layers(
    passes: int, positions: float, layers: int, model: Model, o: Operations, vocabulary: int, *, launches: int = 0
) -> Draft:
    """Dense layers over hidden states of three or more of the model's layers."""
    attention = layers * o.attention_params / o.layers
    ffn = layers * 3.0 * o.hidden * (model.intermediate_size or 4 * o.hidden)
    inputs = max(layers, 3) * float(o.hidden) ** 2
    heads = float(vocabulary) * (o.hidden + (2 * BLOCK_RANK if launches else 0))
    return Draft(
        passes=passes,
        positions=positions,
        layers=layers,
        moe_layers=0,
        hidden=o.hidden,
        dense_params=attention + ffn + inputs + heads,
        dense_bytes=(attention + ffn + inputs + heads) * _BF16.dense,
        expert_params=0.0,
        expert_bytes=0.0,
        experts=1,
        active_experts=0,
        kv_values=layers * o.kv_values / max(o.layers - o.recurrent_layers, 1),
        kv_heads=o.kv_heads,
        launches=launches,
    )


def _heads(tokens: int, o: Operations) -> Draft:
    """A square layer and a head for each token."""
    params = tokens * (float(o.hidden) ** 2 + o.head_params)
    return Draft(
        passes=1,
        positions=1.0,
        layers=0,
        moe_layers=0,
        hidden=o.hidden,
        dense_params=params,
        dense_bytes=params * _BF16.dense,
        expert_params=0.0,
        expert_bytes=0.0,
        experts=1,
        active_experts=0,
        kv_values=0.0,
        kv_heads=1,
        launches=2 * tokens,
    )


def _draft_model(name: str, tokens: int, target: Model, catalog: Catalog) -> Draft:
    """Another model: one of the catalog, or one of a size with the shapes that dense models of that size have."""
    if name in catalog.models:
        model = catalog.models[name]
        o, w = operations(model), weight_bytes_by_part(model, model.native_precision)
        return Draft(
            passes=tokens,
            positions=2.0,
            layers=o.layers,
            moe_layers=o.moe_layers,
            hidden=o.hidden,
            dense_params=o.attention_params + o.dense_params + o.head_params,
            dense_bytes=o.attention_params * w.attention + o.dense_params * w.dense + o.head_params * w.head,
            expert_params=o.moe_layers * o.expert_params,
            expert_bytes=o.moe_layers * o.expert_params * w.experts,
            experts=o.experts,
            active_experts=o.active_experts,
            kv_values=o.kv_values,
            kv_heads=o.kv_heads,
            launches=0,
        )
    params = draft_billions(name, target) * 1e9
    scale = (params / 1e9) ** (1 / 3)
    return Draft(
        passes=tokens,
        positions=2.0,
        layers=16 * scale,
        moe_layers=0,
        hidden=2048 * scale,
        dense_params=params,
        dense_bytes=params * BYTES["bf16"],
        expert_params=0.0,
        expert_bytes=0.0,
        experts=1,
        active_experts=0,
        kv_values=16 * scale * 2048,
        kv_heads=8,
        launches=0,
    )


def draft_billions(name: str, target: Model) -> float:
    """Billions of weights of a draft model outside the catalog: as stated, or a share of the target's."""
    if name:
        return float(name.removesuffix("b"))
    return UNSTATED_SHARE * (target.params_active_b or target.params_total_b)


def speculation_notes(d: Deployment, catalog: Catalog) -> list[str]:
    """What is assumed of a deployment's speculative decoding, in sentences."""
    notes, model = [], catalog.models[d.model]
    if d.speculative == "mtp" and not model.multi_token_prediction:
        notes.append(
            f"{d.model} is published without a layer that predicts further tokens; mtp is predicted as if it had one"
        )
    if d.speculative == "draft_model" and not d.draft_model:
        billions = draft_billions("", model)
        notes.append(f"the draft model is not stated; predicted with {billions:.2g} billion weights (--draft-model)")
    if d.speculative == "dspark":
        notes.append("dspark is predicted with all drafted tokens verified in each step, not a number by confidence")
    return notes
