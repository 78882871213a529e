"""What prompts share, in blocks of the KV cache: the tree that the caches of all engines look into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paretoken.sessions.prefixes import ROOT, PrefixTree, tree_of_blocks

Ints = npt.NDArray[np.int64]


@dataclass(slots=True, eq=False)
class BlockTree:
    """Segment s holds the blocks `first[s]` to `last[s]` − 1 of every sequence through it, below `parent[s]`.

    Only full blocks count; one across the end of a segment of tokens belongs to the deeper segment. No segment is
    empty. Request i with its answer ends in segment `leaf[i]`, which is ROOT where it fills no block.
    """

    parent: list[int]
    first: list[int]
    last: list[int]
    leaf: list[int]

    def __len__(self) -> int:
        return len(self.parent)


def block_tree(prefixes: PrefixTree | None, block_tokens: int, inputs: list[int], outputs: list[int]) -> BlockTree:
    """The tree for blocks of `block_tokens`. Without `prefixes` no prompt begins like another one.

    A segment ends where a prompt ends, so that requests hold whole segments.
    """
    input_tokens, output_tokens = np.array(inputs, np.int64), np.array(outputs, np.int64)
    if prefixes is None:
        prefixes = tree_of_blocks([()] * len(inputs), block_tokens, input_tokens, output_tokens)
    first, last = prefixes.start // block_tokens, prefixes.end // block_tokens
    full = first < last
    # The closest segment above, or the segment itself, that has blocks; ROOT is the last element.
    up = np.append(np.where(full, np.arange(len(full)), prefixes.parent), ROOT)
    while (up[up] != up).any():
        up = up[up]
    place = np.append(np.cumsum(full) - 1, ROOT)
    parent = place[up[prefixes.parent]][full]
    tree = BlockTree(parent.tolist(), first[full].tolist(), last[full].tolist(), place[up[prefixes.whole]].tolist())
    _split_at_prompts(tree, input_tokens // block_tokens)
    return tree


def _split_at_prompts(tree: BlockTree, depth: Ints) -> None:
    """Split the segments in which a prompt ends after `depth` blocks. A segment keeps its lower part."""
    if not len(tree):
        return
    parent, first, last = (np.array(column) for column in (tree.parent, tree.first, tree.last))
    segment = np.array(tree.leaf)
    above = np.flatnonzero((segment != ROOT) & (first[segment] >= depth))
    while len(above):
        segment[above] = parent[segment[above]]
        above = above[(segment[above] != ROOT) & (first[segment[above]] >= depth[above])]
    inside = (segment != ROOT) & (depth > 0) & (depth < last[segment])
    for s, end in sorted(set(zip(segment[inside].tolist(), depth[inside].tolist(), strict=True))):
        split(tree, s, end)


def split(tree: BlockTree, segment: int, depth: int) -> int:
    """Cut a segment after `depth` blocks from the root; the new segment is its upper part."""
    tree.parent.append(tree.parent[segment])
    tree.first.append(tree.first[segment])
    tree.last.append(depth)
    tree.parent[segment], tree.first[segment] = len(tree) - 1, depth
    return len(tree) - 1
