"""Dense FFNs and experts: their widths, how many matrices they have, and what every token passes through."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.catalog.entries import Moe
from paretoken.catalog.hf.fields import Fields
from paretoken.catalog.hf.layers import Layout, experts_of
from paretoken.catalog.hf.searched import searched_blocks
from paretoken.errors import BadConfig

UNGATED = frozenset(
    [
        "gpt2",
        "gpt_bigcode",
        "gpt_neo",
        "gpt_neox",
        "gptj",
        "codegen",
        "opt",
        "bloom",
        "falcon",
        "mpt",
        "phi",
        "starcoder2",
        "nemotron",
        "nemotron_h",
        "persimmon",
        "gpt-sw3",
        "xglm",
    ]
)
"""Families whose FFN has two matrices."""
FOUR_TIMES = frozenset(["gpt2", "gpt_bigcode", "bloom", "falcon", "gptj", "codegen", "mpt", "gpt_neo"])
"""Families whose FFN is four times as wide as the model where no key gives a width."""
DENSE_WIDTH = ("intermediate_size", "ffn_dim", "ffn_hidden_size", "n_inner", "mlp_dim")
EXPERT_WIDTH = (
    "moe_intermediate_size",
    "expert_intermediate_size",
    "moe_ffn_hidden_size",
    "expert_ffn_hidden_size",
    "expert_hidden_dim",
)
SHARED_WIDTH = (
    "shared_expert_intermediate_size",
    "moe_shared_expert_intermediate_size",
    "share_expert_dim",
    "shared_intermediate_size",
    "shared_expert_dim",
)
SHARED = ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert")
ACTIVE = (
    "num_experts_per_tok",
    "num_experts_per_token",
    "experts_per_token",
    "top_k_experts",
    "moe_topk",
    "moe_k",
    "moe_top_k",
    "num_selected_experts",
)


@dataclass(frozen=True, slots=True)
class Ffns:
    """`width` and `matrices` of a dense FFN; the experts of an MoE layer, if there are any.

    `shared_width` is the width of what every token of an MoE layer passes through: shared experts, or a dense FFN
    `beside` the routed ones.
    """

    width: int
    matrices: int
    moe: Moe | None
    shared_width: int
    beside: bool = False


def read_ffns(f: Fields, layout: Layout, hidden: int) -> Ffns:
    """The FFNs of a config; BadConfig where its keys contradict each other."""
    kind = f.word("model_type")
    matrices = 2 if kind in UNGATED or f.word("mlp_hidden_act", "hidden_act") == "relu2" else 3
    nested = f.table("ffn_config")
    width = _width(f, kind, hidden)
    if "ffn_hidden_size" in nested:
        width = f.whole("ffn_config.ffn_hidden_size", nested["ffn_hidden_size"])
    experts = experts_of(f)
    if not layout.ffns("moe") or not experts:
        if not width and layout.ffns("dense"):
            raise BadConfig(f"{f.where} has no intermediate_size; give the config.json of a language model")
        return Ffns(width, matrices, None, 0)
    return _with_experts(f, layout, experts, width, matrices)


def _width(f: Fields, kind: str, hidden: int) -> int:
    """Width of a dense FFN, the mean where layers differ; 0 where none is given."""
    if widths := [block.width for block in searched_blocks(f, hidden) if block.width]:
        return round(sum(widths) / len(widths))
    if kind.startswith("llama4"):
        return f.count("intermediate_size_mlp") or 0
    if dense := f.count("dense_intermediate_size"):
        return dense
    if listed := f.items("intermediate_size"):
        return round(sum(f.whole("intermediate_size", w) for w in listed) / len(listed))
    width = f.count(*DENSE_WIDTH) or 0
    if kind == "qwen":  # the first Qwen gives the sum of gate and up
        return width // 2
    if not width and kind in FOUR_TIMES:
        return 4 * hidden
    return width


def _with_experts(f: Fields, layout: Layout, experts: int, width: int, matrices: int) -> Ffns:
    sizes = f.items(*EXPERT_WIDTH)
    own = f.whole(EXPERT_WIDTH[0], sizes[0]) if sizes else f.count(*EXPERT_WIDTH)
    expert = own or f.count("intermediate_size") or width
    if not expert:
        raise BadConfig(f"{f.where} has {experts} experts, but no moe_intermediate_size; add it")
    active = f.count(*ACTIVE)
    nested = f.table("ffn_config").get("moe_top_k")
    if active is None:
        active = f.whole("ffn_config.moe_top_k", nested) if nested is not None else f.needed(*ACTIVE)
    if active > experts:
        raise BadConfig(f"{f.where}: num_experts_per_tok {active} is more than the {experts} experts; correct either")
    shared = _shared_width(f, expert)
    beside = f.flag("enable_moe_block")
    if beside:
        shared, width = shared + width, 0
    whole = shared % expert == 0
    moe = Moe(
        experts=experts,
        active_experts=active,
        shared_experts=shared // expert if whole else 0,
        shared_width=None if whole else shared,
        expert_intermediate_size=expert,
        dense_layers=len(layout.layers) - layout.ffns("moe"),
        latent_size=f.count("moe_latent_size", "routed_expert_hidden_size"),
        expert_matrices=matrices,
    )
    return Ffns(width if layout.ffns("dense") else 0, matrices, moe, shared, beside)


def _shared_width(f: Fields, expert: int) -> int:
    """Width of all shared experts together."""
    if f.word("model_type").startswith("llama4"):
        return expert
    count = f.count(*SHARED, least=0)
    width = f.count(*SHARED_WIDTH, least=0)
    if width:
        return width * (count or 1) if f.keys.get("share_expert_dim") is None else width
    return expert * (count or 0)
