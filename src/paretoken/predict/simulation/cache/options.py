"""Options of a prefix cache: its policy, and the tiers below GPU memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from paretoken.errors import BadConfig, quoted

Policy = Literal["vllm", "sglang"]
GPU = "gpu"
"""The name of the tier that is the KV cache of the engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheTier:
    """Host memory or an SSD below the KV cache of one engine, with room for `tokens`.

    A load takes `latency_s` plus `s_per_token` for each token; a tier does one load at a time.
    """

    name: str
    tokens: int
    s_per_token: float
    latency_s: float = 0.0

    def __post_init__(self) -> None:
        for field in ("tokens", "s_per_token", "latency_s"):
            if not getattr(self, field) >= 0:
                raise BadConfig(f"{self.name}: {field} is {getattr(self, field):g}; it cannot be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOptions:
    """The prefix cache of an engine. Every tier holds the blocks used last; the fastest that has a block gives it.

    `vllm` orders blocks by when the last request that used them ended, `sglang` by when a prompt last matched them.
    """

    policy: Policy = "vllm"
    tiers: tuple[CacheTier, ...] = ()

    def __post_init__(self) -> None:
        names = [GPU, *(tier.name for tier in self.tiers)]
        for name in names:
            if names.count(name) > 1:
                raise BadConfig(f"there are two cache tiers {quoted(name)}; give every tier a name of its own")
