"""Sizes among the parameters of a launch: whole numbers, and how those of parallelism cut a model over GPUs."""

from __future__ import annotations

from collections.abc import Mapping

from paretoken.catalog.entries import HubRepository
from paretoken.catalog.recipe import Recipe, Value
from paretoken.engines.sharding import Sharding
from paretoken.errors import BadConfig, quoted

SIZES = (
    *("tp", "pp", "dp", "attention_dp", "prefill_cp", "decode_cp", "max_num_seqs", "max_model_len"),
    *("max_batched_tokens", "kv_tokens", "kv_blocks", "kv_block_size", "threads", "port"),
    *("draft_tokens", "draft_steps", "draft_topk", "draft_length"),
)
"""Parameters that count something of which there is at least one."""


def check_sizes(recipe: Recipe, values: Mapping[str, Value], dp_attention: bool) -> None:
    """BadConfig for a stated size that is no whole number of at least 1, or for sizes that exclude each other."""
    for name in SIZES:
        value = values.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise BadConfig(f"{name} = {quoted(value)} is not a whole number of at least 1; write it in digits")
    if dp_attention and "dp" in values:
        raise BadConfig(
            f"dp and dp_attention both set the replicas of {recipe.name}, and dp_attention runs one attention on each "
            "GPU; leave out one of them"
        )


def sharding(
    recipe: Recipe, values: Mapping[str, Value], tp: int, ep: int, dp_attention: bool, repository: HubRepository | None
) -> Sharding:
    """How an engine cuts a model: over the stated sizes, and the `pp` and `dp` among its parameters.

    `check_sizes` has passed the values.
    """
    ep_flag = recipe.flags.get("ep", [])
    return Sharding(
        tp=tp,
        pp=int(values.get("pp", 1)),
        dp=int(values.get("dp", 1)),
        ep=ep,
        dp_attention=dp_attention,
        ep_is_all="ep" in recipe.flags and not any("{}" in part for part in ep_flag),
        block=(repository.block if repository and recipe.whole_blocks else None) or 0,
    )
