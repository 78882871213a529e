"""What an engine does where it is told nothing."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.predict.deployment import Deployment

MAX_NUM_SEQS, MAX_BATCHED_TOKENS, MEMORY_UTILIZATION = 1024, 8192, 0.9
"""vLLM's defaults on data-centre GPUs (since v0.8); SGLang's and TensorRT-LLM's are of the same order."""


_CHOICES = ("kv_dtype", "memory_utilization", "max_num_seqs", "max_batched_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsInForce:
    """The settings that a server runs with, stated or by default; see `settings.EngineSettings` for each.

    `by_default` names those that nobody stated.
    """

    kv_dtype: str
    memory_utilization: float
    max_num_seqs: int
    max_batched_tokens: int
    by_default: frozenset[str]


def settings_in_force(d: Deployment) -> SettingsInForce:
    """What a deployment's server runs with."""
    s = d.settings
    return SettingsInForce(
        kv_dtype=s.kv_dtype or "bf16",
        memory_utilization=s.memory_utilization or MEMORY_UTILIZATION,
        max_num_seqs=s.max_num_seqs or MAX_NUM_SEQS,
        max_batched_tokens=s.max_batched_tokens or MAX_BATCHED_TOKENS,
        by_default=frozenset(name for name in _CHOICES if getattr(s, name) is None),
    )
