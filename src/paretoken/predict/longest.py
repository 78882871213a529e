"""The longest request that a server takes, by its KV cache and by the context of its model."""

from __future__ import annotations

from math import ceil

from paretoken.catalog.loader import Catalog
from paretoken.predict.deployment import Deployment
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import ServingOptions


def kv_room(limits: SchedulerLimits, serving: ServingOptions) -> int:
    """Input and output tokens of the longest request that the KV cache holds, as `run.check_capacity` counts them."""
    return limits.kv_tokens - max(ceil(serving.acceptance) - 2 + limits.drafted_tokens, 0)


def context_limit(d: Deployment, catalog: Catalog) -> int | None:
    """Input and output tokens of the longest request by the context of the model and the server; None without one."""
    return min((n for n in (catalog.models[d.model].max_context, d.settings.max_model_len) if n), default=None)


def attention_ranks(d: Deployment) -> int:
    """Attention groups, each with a KV cache of its own."""
    return max(d.stage_gpus // d.attention_tp, 1) if d.dp_attention else 1
