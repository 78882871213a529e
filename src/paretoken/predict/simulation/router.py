"""Routers and links: which worker serves a request, when its KV cache arrives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapreplace

from paretoken.errors import BadConfig

LEAST, ROUND_ROBIN = "least", "round-robin"
POLICIES = (LEAST, ROUND_ROBIN)
"""`least` sends a request to the worker with the least load, the first of equals; `round-robin` to each in turn."""

PREFIX = "prefix"
ROUTING = (ROUND_ROBIN, LEAST, PREFIX)
"""Policies before replicas that cache prefixes. `prefix` is the rule of `PrefixAffinity`."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixAffinity:
    """The rule `cache_aware` of SGLang's gateway and of vLLM's router, with their defaults.

    A request goes to the replica whose cache holds the longest prefix of it, the least busy of equals, if that is above
    `least_share` of its prompt; otherwise to the one that was sent the fewest uncached tokens. Where the busiest
    replica has over `most_apart` requests more than the idlest and more than `most_ratio` times as many, the least
    busy one gets it.

    Defaults: https://docs.gpustack.ai/gpustack-operator/main/docs/modules/model-deployment/routing/, which describes
    SGLang's gateway 0.3.1 and vLLM's router 0.1.15. Dynamo and llm-d weigh prefix and load in one score instead.
    """

    least_share: float = 0.3
    most_apart: int = 64
    most_ratio: float = 1.5

    def __post_init__(self) -> None:
        if not 0 <= self.least_share <= 1:
            raise BadConfig(f"least_share is {self.least_share:g}: it is a share of the prompt, from 0 to 1")
        if not (self.most_apart >= 0 and self.most_ratio >= 0):
            raise BadConfig(f"most_apart {self.most_apart} and most_ratio {self.most_ratio:g}: neither can be negative")


class PrefixRouter(Router):
    """Chooses a replica by the prefixes in each cache. `loads` are requests without a whole answer."""

    def __init__(self, replicas: int, affinity: PrefixAffinity) -> None:
        super().__init__(replicas, LEAST)
        self.affinity = affinity
        self.computed = [0] * replicas  # prompt tokens sent to each that were not in its cache

    def choose_by_prefix(self, prompt_tokens: int, cached_tokens: Sequence[int]) -> int:
        """The replica of the next prompt; `cached_tokens` are the tokens of its prefix in the cache of each replica."""
        loads, longest = self.loads, max(cached_tokens)
        busiest, idlest = max(loads), min(loads)
        rule = self.affinity
        if busiest - idlest > rule.most_apart and busiest > rule.most_ratio * idlest:
            replica = loads.index(idlest)
        elif longest > rule.least_share * prompt_tokens:
            replica = min((i for i, tokens in enumerate(cached_tokens) if tokens == longest), key=loads.__getitem__)
        else:
            replica = self.computed.index(min(self.computed))
        self.computed[replica] += prompt_tokens - cached_tokens[replica]
        loads[replica] += 1
        return replica


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
