"""How much of the prompts of sessions an endless prefix cache holds, the sessions one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paretoken.sessions.graph import Session
from paretoken.sessions.prefixes import possible_hits, tree_of_sessions
from paretoken.sessions.tree_builder import Ints


def possible_tokens(sessions: Sequence[Session], *, own_answers: bool = True, block_tokens: int = 1) -> Ints:
    """The tokens (calls,) of each prompt that the cache holds, in whole blocks.

    `own_answers`: later prompts hold what the server answered. Lengths that are None count as 1 token.
    """
    inputs = _input_tokens(sessions)
    hits = possible_hits(tree_of_sessions(sessions, own_answers=own_answers), range(len(inputs)), inputs, block_tokens)
    return np.asarray(hits, np.int64)


def possible_share(sessions: Sequence[Session], *, own_answers: bool = True, block_tokens: int = 1) -> float:
    """The share of all prompt tokens that the cache holds. Blocks of 1 token give the most."""
    hits = possible_tokens(sessions, own_answers=own_answers, block_tokens=block_tokens)
    return float(hits.sum() / max(_input_tokens(sessions).sum(), 1))


def _input_tokens(sessions: Sequence[Session]) -> Ints:
    return np.array([call.input_tokens or 1 for session in sessions for call in session.calls.values()], np.int64)
