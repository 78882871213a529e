"""The load of a deployment, and how much of it is in service at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from paretoken.predict.arrays import Floats, Indices
from paretoken.predict.numbers import Columns
from paretoken.predict.prompts import attention_pairs
from paretoken.predict.terms import micro_batch

CAP_NORM = 40.0
"""How sharply the slots bound the users."""


@dataclass(frozen=True, slots=True)
class LoadColumns:
    """Columns of the load, shape (n,): users, and mean lengths.

    `computed` are the input tokens that the prefix cache does not hold, `spread` the deviation of output lengths over
    their mean (`first_token.length_spread`).
    """

    users: Floats
    isl: Floats
    computed: Floats
    osl: Floats
    spread: Floats

    def take(self, index: Indices) -> LoadColumns:
        return LoadColumns(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def kv_slots(columns: Columns, load: LoadColumns) -> Floats:
    """Sequences that may run at once: what the KV cache holds with a slot for each drafted token, at least one."""
    tokens = load.isl + load.osl * columns.engine.booked + (columns.engine.drafted - 1)
    sequences = columns.memory.cache_bytes / columns.memory.sequence_bytes(tokens) * columns.layout.stages
    return np.maximum(np.minimum(sequences, columns.engine.max_num_seqs) * columns.layout.attention_groups, 1.0)


def in_service(load: LoadColumns, slots: Floats) -> Floats:
    """Sequences in service: the users, or as many as there are slots, rounded off between."""
    return (load.users**-CAP_NORM + slots**-CAP_NORM) ** (-1 / CAP_NORM)


def co_running(columns: Columns, load: LoadColumns, slots: Floats) -> Floats:
    """Other sequences in the steps, or micro-batches, that a prompt rides on."""
    return micro_batch(columns, np.maximum(in_service(load, slots) - 1, 0))


def prompt_pairs(columns: Columns, load: LoadColumns) -> Floats:
    """(query, key) pairs that a prompt computes: all but those within what the prefix cache holds."""
    return attention_pairs(columns, load.isl) - attention_pairs(columns, load.isl - load.computed)
