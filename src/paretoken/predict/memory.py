"""Memory of a GPU and the weights that must fit it: the one place for both."""

from __future__ import annotations

from paretoken.catalog.entries import Accelerator, Model
from paretoken.predict.operations import operations, weight_bytes_by_part

USABLE_MEMORY = 0.93
RESERVED_BYTES = 2e9
"""Share of memory that an engine takes at most, and what activations and graphs need of it."""
LEAST_CACHE = 0.04
"""Share of memory that is cache at least where a published point shows that the model did fit."""


def usable_bytes(accelerator: Accelerator) -> float:
    """Bytes of one GPU that weights and KV cache may take."""
    return USABLE_MEMORY * accelerator.memory_bytes - RESERVED_BYTES


def weight_bytes(model: Model, precision: str) -> float:
    """Bytes of all weights of a model with their scales, in the precision that each kind of layer is kept in."""
    o, each = operations(model), weight_bytes_by_part(model, precision)
    dense = o.attention_params * each.attention + o.dense_params * each.dense
    return dense + o.all_expert_params * each.experts + o.embedding_params * each.head
