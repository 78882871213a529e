"""The prefixes that prompts share, as a tree in blocks of the KV cache, which the caches of all engines look into."""

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
    empty. Request i with its answer ends in or above segment `leaf[i]`, which is ROOT where it fills no block.
    """

    parent: list[int]
    first: list[int]
    last: list[int]
    leaf: list[int]

    def __len__(self) -> int:
        return len(self.parent)


def block_tree(prefixes: PrefixTree | None, block_tokens: int, inputs: list[int], outputs: list[int]) -> BlockTree:
    """The tree for blocks of `block_tokens`. Without `prefixes` no prompt begins like another one."""
    input_tokens, output_tokens = np.array(inputs, np.int64), np.array(outputs, np.int64)
    if prefixes is None:
        prefixes = tree_of_blocks([()] * len(inputs), block_tokens, input_tokens, output_tokens)
    first, last = prefixes.start // block_tokens, prefixes.end // block_tokens
    full = first < last
    # The closest segment above, or the segment itself, that has blocks; ROOT is the last element.
    up = _ends(np.append(np.where(full, np.arange(len(full)), prefixes.parent), ROOT))
    place = np.append(np.cumsum(full) - 1, ROOT)
    parent, leaf, prompt = (place[up[column]] for column in (prefixes.parent, prefixes.whole, prefixes.prompt))
    return _joined(parent[full], first[full], last[full], leaf, prompt, input_tokens // block_tokens)


def _joined(parent: Ints, first: Ints, last: Ints, leaf: Ints, prompt: Ints, depth: Ints) -> BlockTree:
    """The tree with a segment and its only child merged where this changes no hit.

    That is where at most one request ends, and all that lies below comes after it: its own answer, or prompts that
    continue it. `depth` are the blocks of each prompt. A task that is one long conversation becomes one segment.
    """
    n, numbers = len(parent), np.arange(len(parent))
    below = np.bincount(parent[parent != ROOT], minlength=n)
    ends, ender = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for column in (np.where(prompt == leaf, ROOT, prompt), leaf):
        some = column != ROOT
        ends += np.bincount(column[some], minlength=n)
        ender[column[some]] = np.flatnonzero(some)
    alone = ends == 0
    one = ends == 1
    alone[one] = (leaf[ender[one]] != numbers[one]) | (depth[ender[one]] < last[one])
    joins = np.append(alone & (below == 1), False)
    down = numbers.copy()
    children = np.flatnonzero(joins[parent])
    down[parent[children]] = children
    down, top = _ends(np.append(down, ROOT)), _ends(np.where(joins[parent], parent, numbers))
    kept = ~joins[:-1]
    place = np.append(np.cumsum(kept) - 1, ROOT)
    upper = top[kept]
    columns = (place[parent[upper]], first[upper], last[kept], place[down[leaf]])
    return BlockTree(*(column.tolist() for column in columns))


def _ends(following: Ints) -> Ints:
    """Where each chain of numbers ends: the one that is followed by itself."""
    while (following[following] != following).any():
        following = following[following]
    return following


def split(tree: BlockTree, segment: int, depth: int) -> int:
    """Cut a segment after `depth` blocks from the root; the new segment is its upper part."""
    tree.parent.append(tree.parent[segment])
    tree.first.append(tree.first[segment])
    tree.last.append(depth)
    tree.parent[segment], tree.first[segment] = len(tree) - 1, depth
    return len(tree) - 1
