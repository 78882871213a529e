"""What prompts share, as a tree of segments: runs of tokens that the same requests hold.

Every cached prefix is a path from the root of this tree, so a cache tracks segments, however many blocks these hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from paretoken.sessions.block_runs import BlockRuns
from paretoken.sessions.graph import NO_STEP, Call, Session
from paretoken.sessions.message_runs import START, Chain, MessageRuns, chained
from paretoken.sessions.tree_builder import ROOT as ROOT
from paretoken.sessions.tree_builder import Ints, TreeBuilder
from paretoken.sessions.tree_builder import PrefixTree as PrefixTree


def tree_of_blocks(
    ids: Sequence[Sequence[int]], block_tokens: int, input_tokens: Ints, output_tokens: Ints
) -> PrefixTree:
    """The tree of prompts with block ids, shape of lengths (n,). No prompt holds the answer to another one.

    Ids beyond the length of a prompt are left out.
    """
    most = -(-input_tokens // block_tokens)
    units = np.minimum(np.array([len(row) for row in ids], np.int64), most)
    flat, id_count = _numbered(ids, units)
    return tree_of_nodes(nodes_of(flat, units, id_count), units, block_tokens, input_tokens, output_tokens)


def _numbered(ids: Sequence[Sequence[int]], units: Ints) -> tuple[Ints, int]:
    """The first `units` ids of every row, one after the other, as numbers from 0 to below the second value."""
    total = int(units.sum())

    def flat() -> Iterable[int]:
        return chain.from_iterable(
            row if len(row) == n else row[:n] for row, n in zip(ids, units.tolist(), strict=True)
        )

    try:
        numbers = np.fromiter(flat(), np.int64, total)
    except OverflowError:  # hashes of more than 64 bits
        places: dict[int, int] = {}
        return np.fromiter((places.setdefault(block, len(places)) for block in flat()), np.int64, total), len(places)
    low, high = (int(numbers.min()), int(numbers.max())) if total else (0, 0)
    if high - low > 8 * total:
        unique, numbers = np.unique(numbers, return_inverse=True)
        return numbers.reshape(-1), len(unique)
    numbers -= low
    return numbers, high - low + 1


def nodes_of(ids: Ints, units: Ints, id_count: int) -> Ints:
    """The node of every block in the tree of prefixes, shape of `ids`: one id under another parent is another node.

    `ids` (total,), below `id_count`, are the blocks of n chains of `units` (n,) blocks each, one after the other. Nodes
    are assigned level by level, so an id that names only the content of its block is distinguished by the blocks before
    it. Nodes count from 1.
    """
    starts = np.cumsum(units) - units
    nodes = np.empty(len(ids), np.int64)
    active, parent = np.flatnonzero(units > 0), np.zeros(len(units), np.int64)
    level, fresh = 0, 1
    while len(active):
        at = starts[active] + level
        keys = parent[active] * id_count + ids[at]
        unique, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
        nodes[at] = parent[active] = fresh + inverse
        fresh += len(unique)
        level += 1
        longer, alone = units[active] > level, counts[inverse] == 1
        # Below a node with one chain there are no others.
        rest = active[longer & alone]
        at = _ranges(starts[rest] + level, units[rest] - level)
        nodes[at] = np.arange(fresh, fresh + len(at))
        fresh += len(at)
        active = active[longer & ~alone]
    return nodes


def _ranges(starts: Ints, lengths: Ints) -> Ints:
    """The numbers of all ranges, one after the other."""
    before = np.cumsum(lengths) - lengths
    numbers: Ints = np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths)
    return numbers


def tree_of_nodes(nodes: Ints, units: Ints, block_tokens: int, input_tokens: Ints, output_tokens: Ints) -> PrefixTree:
    """The tree of n chains of nodes, as `nodes_of` gives them; each node is a block of `block_tokens`.

    The last block of a prompt may be partly filled; then only prompts of the same length share it. Requests
    through a node are a subset of those through its parent, so a segment ends where their number changes.
    """
    prompt = np.full(len(units), ROOT, np.int64)
    if not len(nodes):
        none = np.empty(0, np.int64)
        return _with_own(none, none, none, prompt, input_tokens, output_tokens)
    nodes = _own_last_nodes(nodes, units, block_tokens, input_tokens)
    filled = units > 0
    starts = (np.cumsum(units) - units)[filled]
    # Runs of nodes with the same number of requests: a run is how one request goes through one segment.
    count = np.bincount(nodes).astype(np.int32)[nodes]
    begins = np.append(True, count[1:] != count[:-1])
    begins[starts] = True
    run = np.flatnonzero(begins)
    opens = np.isin(run, starts, assume_unique=True)
    heads, at, segment = np.unique(nodes[run], return_index=True, return_inverse=True)
    level = (run - starts[np.cumsum(opens) - 1])[at]
    order = np.lexsort((heads, level))  # parents come first
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    segment, at, level = place[segment.reshape(-1)], at[order], level[order]
    parent = np.where(opens[at], ROOT, segment[at - 1])
    start = level * block_tokens
    end = start + np.diff(run, append=len(nodes))[at] * block_tokens
    prompt[filled] = segment[np.append(np.flatnonzero(opens)[1:], len(run)) - 1]
    # All prompts that end in a block filled in part are as long.
    end[prompt[filled]] = np.minimum(end[prompt[filled]], input_tokens[filled])
    return _with_own(parent, start, end, prompt, input_tokens, output_tokens)


def _own_last_nodes(nodes: Ints, units: Ints, block_tokens: int, input_tokens: Ints) -> Ints:
    """The nodes with another one for a last block that is filled in part, for each number of tokens in it."""
    ends = (np.cumsum(units) - 1)[units > 0]
    spare = (units * block_tokens - input_tokens)[units > 0]
    part = spare > 0
    if not part.any():
        return nodes
    own, last = nodes.copy(), ends[part]
    keys = nodes[last] * (int(spare.max()) + 1) + spare[part]
    own[last] = nodes.max() + 1 + np.unique(keys, return_inverse=True)[1].reshape(-1)
    return own


def _with_own(
    parent: Ints, start: Ints, end: Ints, prompt: Ints, input_tokens: Ints, output_tokens: Ints
) -> PrefixTree:
    """The tree with the segments that no other request has: prompts beyond their blocks, and answers."""
    reach = np.where(prompt == ROOT, 0, end[prompt] if len(end) else 0)
    longer = np.flatnonzero(input_tokens > reach)
    parent, start, end, prompt = _added(parent, start, end, prompt, longer, reach, input_tokens)
    begin = np.where(prompt == ROOT, 0, end[prompt] if len(end) else 0)
    answered = np.flatnonzero(output_tokens > 1)
    parent, start, end, whole = _added(parent, start, end, prompt, answered, begin, begin + output_tokens - 1)
    return PrefixTree(parent=parent, start=start, end=end, prompt=prompt, whole=whole)


def _added(
    parent: Ints, start: Ints, end: Ints, leaf: Ints, rows: Ints, begin: Ints, stop: Ints
) -> tuple[Ints, Ints, Ints, Ints]:
    """The segments with one more below the leaf of each of these rows, and the leaves then."""
    leaves = leaf.copy()
    leaves[rows] = len(parent) + np.arange(len(rows))
    return (
        np.concatenate([parent, leaf[rows]]),
        np.concatenate([start, begin[rows]]),
        np.concatenate([end, stop[rows]]),
        leaves,
    )


def tree_of_sessions(sessions: Iterable[Session], *, own_answers: bool = True) -> PrefixTree:
    """The tree of the model calls of all sessions, one after the other.

    Prompts share what their block ids say, else the context they go on with and the messages that are equal after it;
    `message_runs` says how long a message is. With `own_answers`, later prompts hold the server's own answer, which its
    cache has and no other prompt shares. Otherwise they hold other text of that length, the same in all of them, and
    equal recorded answers are shared. Lengths that are None count as 1 token.
    """
    sessions = list(sessions)
    growing = _SessionTree(own_answers, MessageRuns.of(sessions))
    prompt: list[int] = []
    whole: list[int] = []
    for session in sessions:
        context: dict[int, _Context] = {}
        for index, call in session.calls.items():
            leaf, text = growing.prompt(session, context.get(call.continues), call)
            prompt.append(leaf)
            whole.append(growing.builder.add(leaf, (call.output_tokens or 1) - 1))
            context[index] = growing.context(call, leaf, whole[-1], text)
    return growing.builder.tree(prompt, whole)


_Context = tuple[int, Chain]
"""The segment in which a context ends, and its text."""


@dataclass(slots=True)
class _SessionTree:
    """The tree of the calls so far."""

    own_answers: bool
    texts: MessageRuns
    builder: TreeBuilder = field(default_factory=TreeBuilder)
    openings: dict[str, int] = field(default_factory=dict)
    # By the size of a block: equal ids of different sizes are different text.
    runs_of: defaultdict[int, BlockRuns] = field(default_factory=lambda: defaultdict(BlockRuns))

    def prompt(self, session: Session, before: _Context | None, call: Call) -> _Context:
        """Where the prompt of a call ends that goes on with `before`."""
        tokens = call.input_tokens or 1
        if call.blocks:
            leaf = self._of_blocks(session.block_tokens, call, tokens)
        elif call.messages and not call.opening:
            base = self._base(before, call, tokens)
            text = START if before is None else before[1]
            if before is not None and self.builder.reach(base) < self.builder.reach(before[0]):
                text = chained(text, self.builder.reach(base))
            return self.texts.prompt(self.builder, base, text, call, tokens)
        else:
            base = self._base(before, call, tokens)
            leaf = self.builder.add(base, tokens - self.builder.reach(base))
        return leaf, self.texts.unlike()

    def context(self, call: Call, leaf: int, whole: int, text: Chain) -> _Context:
        """The context of a call with its answer, for calls that go on with it."""
        if self.own_answers:
            return whole, self.texts.unlike()
        answer = call.output_tokens or 1
        if call.answer is None or not call.messages:
            return self.builder.add(leaf, answer), self.texts.unlike()
        after = chained(text, dict(call.answer))
        return self.texts.placed(self.builder, leaf, after, answer), after

    def _of_blocks(self, block_tokens: int, call: Call, tokens: int) -> int:
        runs = self.runs_of[block_tokens]
        blocks, leaf = runs.longest(call.blocks)
        base = self.builder.at(leaf, min(blocks * block_tokens, tokens))
        leaf = self.builder.add(base, tokens - self.builder.reach(base))
        runs.add(call.blocks, leaf)
        return leaf

    def _base(self, before: _Context | None, call: Call, tokens: int) -> int:
        """The segment at whose end the tokens begin that are new in a call."""
        if call.continues != NO_STEP:
            kept = tokens if call.kept_tokens is None else min(call.kept_tokens, tokens)
            return self.builder.at(ROOT if before is None else before[0], kept)
        if not call.opening:
            return ROOT
        if call.opening not in self.openings:
            self.openings[call.opening] = self.builder.add(ROOT, call.opening_tokens)
        # The opening stays one segment for later calls: only its upper part is that of a shorter prompt.
        return self.builder.at(self.openings[call.opening], min(call.opening_tokens, tokens))


def possible_hits(tree: PrefixTree, order: Iterable[int], input_tokens: Ints, block_tokens: int) -> Ints:
    """Tokens (n,) of each prompt that an endless cache holds, if requests come in this order.

    Whole blocks of `block_tokens`, and less than the prompt: its last token is always computed.
    """
    parent, end, cached = tree.parent.tolist(), tree.end.tolist(), bytearray(len(tree.parent))
    prompt, whole = tree.prompt.tolist(), tree.whole.tolist()
    hits = np.zeros(len(tree), np.int64)
    for request in order:
        segment = prompt[request]
        while segment != ROOT and not cached[segment]:
            segment = parent[segment]
        common = 0 if segment == ROOT else end[segment]
        hits[request] = max(min(common, int(input_tokens[request]) - 1), 0) // block_tokens * block_tokens
        segment = whole[request]
        while segment != ROOT and not cached[segment]:
            cached[segment] = 1
            segment = parent[segment]
    return hits
