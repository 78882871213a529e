"""Models from an architecture search, whose layers differ (Llama Nemotron Super and Ultra): `block_configs`."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.catalog.hf.fields import Fields
from paretoken.errors import BadConfig

ROUNDED_TO = 256
"""FFN widths are rounded up to a multiple of it."""


@dataclass(frozen=True, slots=True)
class SearchedLayer:
    """One layer: query heads for each key-value head, 0 without attention; width of the FFN, 0 without one."""

    group: int
    width: int


def searched_blocks(f: Fields, hidden: int) -> list[SearchedLayer]:
    """The layers that `block_configs` lists; empty where it is missing. BadConfig where it is of another form."""
    listed = f.items("block_configs")
    return [_block(f, block, hidden, n) for n, block in enumerate(listed or [])]


def _block(f: Fields, block: object, hidden: int, number: int) -> SearchedLayer:
    attention = block.get("attention") if isinstance(block, dict) else None
    ffn = block.get("ffn") if isinstance(block, dict) else None
    if not isinstance(attention, dict) or not isinstance(ffn, dict):
        raise BadConfig(f"{f.where}: block_configs[{number}] does not have an attention and an ffn table")
    group = 0
    if not attention.get("no_op"):
        group = f.whole(f"block_configs[{number}].attention.n_heads_in_group", attention.get("n_heads_in_group"))
    times = ffn.get("ffn_mult")
    if ffn.get("no_op"):
        return SearchedLayer(group, 0)
    if isinstance(times, bool) or not isinstance(times, (int, float)) or not 0 < times <= 100:
        raise BadConfig(f"{f.where}: block_configs[{number}].ffn.ffn_mult must be a number from 0 to 100")
    return SearchedLayer(group, -(-int(2 * times * hidden / 3) // ROUNDED_TO) * ROUNDED_TO)
