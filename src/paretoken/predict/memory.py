"""Memory of a GPU and the weights that must fit it: the one place for both."""

from __future__ import annotations

from paretoken.catalog.entries import Accelerator, Model
from paretoken.predict.operations import BYTES, dense_precision, operations

USABLE_MEMORY = 0.93
RESERVED_BYTES = 2e9
"""Share of memory that an engine takes at most, and what activations and graphs need of it."""
LEAST_CACHE = 0.04
"""Share of memory that is cache at least where a published point shows that the model did fit."""
HEAD_BYTES = 2.0
"""Bytes of a weight of the output head and of the embedding: they stay in bf16."""


def usable_bytes(accelerator: Accelerator) -> float:
    """Bytes of one GPU that weights and KV cache may take."""
    return USABLE_MEMORY * accelerator.memory_bytes - RESERVED_BYTES


def weight_bytes(model: Model, precision: str) -> float:
    """Bytes of all weights of a model with their scales, in the precision that each kind of layer is kept in."""
    o = operations(model)
    dense = (o.attention_params + o.dense_params) * BYTES[dense_precision(model, precision)]
    experts = o.moe_layers * o.experts * o.expert_params * BYTES[precision]
    return dense + experts + o.head_params * (1 if o.tied else 2) * HEAD_BYTES
