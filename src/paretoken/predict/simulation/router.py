"""The router and the links of a disaggregated server: which worker serves a request, when its KV cache arrives."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapreplace

from paretoken.errors import BadConfig

LEAST, ROUND_ROBIN = "least", "round-robin"
POLICIES = (LEAST, ROUND_ROBIN)
"""`least` sends a request to the worker with the least load, the first of equals; `round-robin` to each in turn."""

CLOSED = 1 << 62
"""Added to the load of a worker that gets no more requests: above any load that is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KvTransfer:
    """How the KV cache of a prompt moves from a prefill worker to a decode worker.

    It takes `latency_s` and prompt tokens · `s_per_token`. The `links` of a prefill worker carry one transfer each at a
    time; further ones wait. Latency does not occupy a link.
    """

    latency_s: float = 0.0
    s_per_token: float = 0.0
    links: int = 1

    def __post_init__(self) -> None:
        for name in ("latency_s", "s_per_token"):
            if not getattr(self, name) >= 0:
                raise BadConfig(f"transfer {name} is {getattr(self, name):g}: it cannot be negative")
        if self.links < 1:
            raise BadConfig(f"transfer links are {self.links}: a prefill worker has 1 or more")


class Router:
    """Chooses a worker of a pool for each request. `loads` are prompt tokens or sequences."""

    def __init__(self, workers: int, policy: str = LEAST) -> None:
        if policy not in POLICIES:
            raise BadConfig(f"router policy is {policy!r}; it must be one of {', '.join(POLICIES)}")
        self.policy, self.loads, self.turn = policy, [0] * workers, -1

    def choose(self, load: int) -> int:
        """The worker of the next request, whose load is added to it."""
        if self.policy == ROUND_ROBIN:
            worker = (self.turn + 1) % len(self.loads)
            while self.loads[worker] >= CLOSED:
                worker = (worker + 1) % len(self.loads)
            self.turn = worker
        else:
            worker = self.loads.index(min(self.loads))
        self.loads[worker] += load
        return worker

    def add(self) -> int:
        """One more worker, without load; its index."""
        self.loads.append(0)
        return len(self.loads) - 1

    def close(self, worker: int) -> None:
        """Send a worker nothing more; what it has stays."""
        self.loads[worker] += CLOSED

    def is_open(self, worker: int) -> bool:
        return self.loads[worker] < CLOSED

    def remove(self, worker: int, load: int) -> None:
        """Take the load of a request off its worker."""
        self.loads[worker] -= load


class SenderLinks:
    """The links of one prefill worker; a transfer takes the first that is free."""

    def __init__(self, transfer: KvTransfer) -> None:
        self.transfer = transfer
        self.free_s = [0.0] * transfer.links

    def send(self, tokens: int, at_s: float) -> float:
        """Start or queue the transfer of a prompt's KV cache; when it ends, s."""
        done_s = max(at_s, self.free_s[0]) + tokens * self.transfer.s_per_token
        heapreplace(self.free_s, done_s)
        return done_s + self.transfer.latency_s
