"""The requests of a simulation: their lengths, and what becomes of each."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

NONE = -1


@dataclass(frozen=True, slots=True)
class SimulatedLengths:
    """Tokens of every request, shape (requests,); `cached` prompt tokens are in the prefix cache."""

    inputs: list[int]
    outputs: list[int]
    cached: list[int]


class RequestLog:
    """What became of requests 0 … n−1, written by the engines of one pool. Times are in seconds.

    A stint is a request's time in a batch: from `stint_s`, and in the steps `joined` … `left` − 1 that decoded.
    """

    __slots__ = ("ends", "first", "joined", "last", "left", "lost", "preempted", "stint_s")

    def __init__(self, requests: int) -> None:
        self.first, self.last, self.stint_s = [inf] * requests, [inf] * requests, [0.0] * requests
        self.joined, self.left = [0] * requests, [0] * requests
        self.preempted = [0] * requests
        self.lost: list[tuple[int, float, int, int]] = []  # stints cut by a preemption
        self.ends = [NONE] * requests  # the step number of its engine after which a request is done
