"""Prompt tokens that an endless cache would hold for each request of a level, in the order of that level.

A request can find what any other one holds that was due before its own first token came: a server that answers in
another order than it was asked finds no more. Requests that wait at the same time can each find the other's tokens, so
hits possible are a bound: they may exceed what one order allows, never fall short of it.

Synthetic text is other text each time the trace begins again, and recorded text begins with a line of its own then, so
nothing of the pass before is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from paretoken.bench.workload.makers import Ints
from paretoken.sessions.graph import Session
from paretoken.sessions.prefixes import ROOT, PrefixTree, tree_of_sessions

if TYPE_CHECKING:
    import polars as pl

Floats = npt.NDArray[np.float64]
NOBODY = -1
NEVER = np.iinfo(np.int64).max
POSSIBLE = "possible_tokens"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PossibleHits:
    """What the calls of a trace share.

    Session s has the calls `first[s]` to `first[s + 1]` − 1; `input_tokens`, shape (calls,).
    """

    tree: PrefixTree
    first: Ints
    input_tokens: Ints

    @classmethod
    def of(cls, sessions: Sequence[Session], *, own_answers: bool) -> Self:
        """Those of the sessions of a trace; with `own_answers` later prompts hold the server's."""
        calls = [list(session.calls.values()) for session in sessions]
        return cls(
            tree=tree_of_sessions(sessions, own_answers=own_answers),
            first=np.cumsum([0, *map(len, calls)]),
            input_tokens=np.array([call.input_tokens or 1 for row in calls for call in row], np.int64),
        )

    def added(self, requests: pl.DataFrame, block_tokens: int) -> pl.DataFrame:
        """The records with `possible_tokens`, in whole blocks; -1 for requests without a session."""
        import polars as pl

        rows = np.flatnonzero(requests["session"].fill_null(-1).to_numpy() >= 0)
        number = requests["session"].gather(rows).to_numpy().astype(np.int64)
        again, session = np.divmod(number, len(self.first) - 1)
        call = self.first[session] + requests["turn"].gather(rows).to_numpy()
        due, first, end = (requests[f"{name}_ns"].gather(rows).to_numpy() for name in ("due", "first", "end"))
        until = np.where(first >= 0, first, np.where(end >= 0, end, NEVER))
        hits = np.full(requests.height, -1, np.int64)
        planned, served = (requests[name].gather(rows).to_numpy() for name in ("planned_input", "input_tokens"))
        uncounted = (planned < 0) & (served > 0)
        scale = np.where(uncounted, served / self.input_tokens[call], 1.0)
        hits[rows] = self.tokens(call, again, due, until, block_tokens, scale)
        return requests.with_columns(pl.Series(POSSIBLE, hits, pl.Int32()))

    def tokens(
        self,
        call: Ints,
        again: Ints,
        due_ns: Ints,
        until_ns: Ints,
        block_tokens: int,
        scale: Floats | None = None,
    ) -> Ints:
        """Tokens of each request (n,): of call `call` in pass `again`, due then, and with its first token at `until`.

        Whole blocks, and less than the prompt: its last token is always computed. The server counts
        `scale` tokens for each token of the trace; where that is not 1, the hits are the same share of its prompt,
        rounded up, which makes them an upper bound.
        """
        common = np.zeros(len(call), np.int64)
        for one in np.unique(again):
            rows = np.flatnonzero(again == one)
            common[rows] = _common(self.tree, call[rows], due_ns[rows], until_ns[rows])
        most = np.minimum(common, self.input_tokens[call] - 1)
        hits: Ints = np.maximum(most, 0) // block_tokens * block_tokens
        if scale is None:
            return hits
        whole = (np.rint(self.input_tokens[call] * scale).astype(np.int64) - 1) // block_tokens
        blocks = np.minimum(np.ceil(most * scale / block_tokens).astype(np.int64), whole)
        scaled: Ints = np.where(scale == 1, hits, np.maximum(blocks, 0) * block_tokens)
        return scaled


def _common(tree: PrefixTree, call: Ints, due_ns: Ints, until_ns: Ints) -> Ints:
    """The longest prefix of each prompt that another request holds which was due before its first token. (n,)"""
    order = np.argsort(due_ns, kind="stable").tolist()
    due, until = due_ns.tolist(), until_ns.tolist()
    parent, end = tree.parent.tolist(), tree.end.tolist()
    prompt, whole = tree.prompt[call].tolist(), tree.whole[call].tolist()
    # The two requests that were due first of those through each segment: one of them is not the request itself.
    earliest: dict[int, int] = {}
    second: dict[int, int] = {}
    for request in order:
        segment = whole[request]
        while segment != ROOT and segment not in second:
            (second if segment in earliest else earliest)[segment] = request
            segment = parent[segment]
    common = np.zeros(len(call), np.int64)
    for request in order:
        segment = prompt[request]
        while segment != ROOT:
            other = earliest[segment]
            other = second.get(segment, NOBODY) if other == request else other
            if other != NOBODY and due[other] < until[request]:
                break
            segment = parent[segment]
        common[request] = 0 if segment == ROOT else end[segment]
    return common
