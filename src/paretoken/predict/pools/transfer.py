"""How long the KV cache of a prompt takes from a prefill worker to a decode worker."""

from __future__ import annotations

from paretoken.catalog.loader import Catalog
from paretoken.predict.columns import deployment_numbers
from paretoken.predict.deployment import Deployment
from paretoken.predict.pools.layout import Pools
from paretoken.predict.topology import between_pools_bytes_per_s

REACHED = 0.7
"""Share of a link's rate that a transfer reaches."""
LATENCY_S = 3e-3
"""Seconds of a transfer of any size: the handshake of both workers, and the first decode step's wait for it."""


def transfer_bytes(decode: Deployment, tokens: float, catalog: Catalog) -> float:
    """Bytes of the KV cache of a prompt, all that the decode worker holds of it once."""
    numbers = deployment_numbers(decode, catalog)
    return float(numbers.memory.sequence_bytes(tokens)) * decode.attention_tp


def transfers_per_s(pools: Pools, prompt_bytes: float, catalog: Catalog) -> float:
    """Prompts whose KV cache the links carry in a second, those of all GPUs of the pool that has fewer."""
    one, other = (catalog.accelerators[d.accelerator] for d in (pools.prefill, pools.decode))
    links = min(pools.prefill_gpus, pools.decode_gpus)
    rate = links * between_pools_bytes_per_s(one, other, pools.gpus) * REACHED
    return rate / prompt_bytes


def transfer_seconds(pools: Pools, prompt_bytes: float, catalog: Catalog) -> float:
    """Seconds until a decode worker has a prompt's KV cache, of which each GPU sends its part over its own link."""
    senders = min(pools.prefill.attention_tp, pools.decode.attention_tp)
    one, other = (catalog.accelerators[d.accelerator] for d in (pools.prefill, pools.decode))
    rate = senders * between_pools_bytes_per_s(one, other, pools.gpus) * REACHED
    return LATENCY_S + prompt_bytes / rate
