"""Which of several base URLs takes the next request."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from paretoken.errors import BadConfig

Choose = Callable[[Sequence[int]], int]
"""Running requests per endpoint in, the index of the endpoint out."""


def round_robin(weights: Sequence[float]) -> Choose:
    """Each in turn."""
    turn = -1

    def choose(_: Sequence[int]) -> int:
        nonlocal turn
        turn = (turn + 1) % len(weights)
        return turn

    return choose


def weighted(weights: Sequence[float]) -> Choose:
    """In proportion to the weights, as evenly spread as whole requests allow (smooth round robin)."""
    total = sum(weights)
    if not total > 0 or min(weights) < 0:
        raise BadConfig(f"endpoint weights {list(weights)}: give positive numbers")
    credit = [0.0] * len(weights)

    def choose(_: Sequence[int]) -> int:
        for i, weight in enumerate(weights):
            credit[i] += weight
        best = max(range(len(credit)), key=credit.__getitem__)
        credit[best] -= total
        return best

    return choose


def least_outstanding(weights: Sequence[float]) -> Choose:
    """The one with the fewest of this worker's requests running; ties go round."""
    turn = 0
    count = len(weights)

    def choose(outstanding: Sequence[int]) -> int:
        nonlocal turn
        best = min(range(count), key=lambda i: (outstanding[i], (i - turn) % count))
        turn = (best + 1) % count
        return best

    return choose


_WAYS = {"round_robin": round_robin, "weighted": weighted, "least_outstanding": least_outstanding}


def chooser(balance: str, weights: Sequence[float]) -> Choose:
    """The way of that name. Raises BadConfig."""
    if balance not in _WAYS:
        raise BadConfig(f"balance {balance!r}: give one of {', '.join(_WAYS)}")
    return _WAYS[balance](weights)
