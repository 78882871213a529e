"""A closed loop in its steady state, as a fixed point: what calibration fits and a point prediction starts from.

With S sequences in service (users, or as many as the KV cache holds), decode step t_d(B) and prompt time t_p:

    B    = S·(TPOT·(OSL − 1)) / L            sequences that decode while others are in their prompt
    L    = TTFT + TPOT·(OSL − 1)             time in service
    ρ    = S·t_p / L                         share of the engine's time that prompts take
    TPOT = t_d(B) / (1 − ρ)                  prompts delay the tokens of others
    TTFT = t_p + 1.5·t_d·a + waiting         `STEPS_AHEAD`, and prompts in front: ρ/(2(1 − 0.9ρ))·t_p·q
    E2E  = L · max(users/S, 1)               the rest wait for a place

A pipeline of p stages takes t_d(B) for a round of its p micro-batches. A prompt whose way through all stages is t_p
holds each of them for t_p/p only, while other sequences pass the others: so ρ and waiting count t_p/p (t_p where there
are fewer sequences than stages). Its own way is t_p if it goes in one piece. The chunks of a longer prompt follow each
other, so that only the last has further stages before it: t_p/p·(1 + (p − 1)·min(1, 8192/ISL)), which nears t_p/p.
That stages idle where a prompt and one sequence's tokens follow each other is not counted.

Users whose requests all have the same length move in step: then all S prompts stand in line together, share steps
and so pay the overhead of a prompt once and for the weights that it reads once a step, and TTFT is half of the time
that all of them take, with the same L. The cap is rounded off, since contexts differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretoken.predict.columns import Columns
from paretoken.predict.prompts import CHUNK_TOKENS, prompt_pairs, prompt_terms
from paretoken.predict.terms import TERMS, decode_seconds, kv_bytes, micro_batch

ITERATIONS, RELAXATION, SETTLED = 100, 0.3, 20
"""The iteration goes a share of the way, and ever less: where prompts fill the engine, all the way swings for ever."""
QUEUEING, AHEAD = TERMS.index("queueing"), TERMS.index("ahead")
STEPS_AHEAD = 1.5
"""Decode steps that a first token waits for: half of the running one, and the one that its prompt rides on."""
CAP_NORM = 6.0
BUSY_CAP, TTFT_CAP = 0.97, 0.9


@dataclass(frozen=True, slots=True)
class Load:
    """Columns of the load, shape (n,): users, mean lengths, and whether users move in step (0 to 1)."""

    users: np.ndarray
    isl: np.ndarray
    osl: np.ndarray
    in_step: np.ndarray

    def take(self, index: np.ndarray) -> Load:
        return Load(self.users[index], self.isl[index], self.osl[index], self.in_step[index])


@dataclass(frozen=True, slots=True)
class Steady:
    """The fixed point: seconds, shape (n,), and the batch that decodes."""

    tpot_s: np.ndarray
    ttft_s: np.ndarray
    e2e_s: np.ndarray
    batch: np.ndarray


def places(c: Columns, load: Load) -> np.ndarray:
    """Sequences that the KV cache holds at once; at least as many as the least cache does."""
    free = np.maximum(c.cache_bytes, c.least_cache_bytes)
    return np.maximum(free / kv_bytes(c, load.isl + load.osl * c.booked) * c.attention_groups * c.stages, 1.0)


def in_service(load: Load, held: np.ndarray) -> np.ndarray:
    """Sequences in service: the users, or as many as are held, rounded off between."""
    return (load.users**-CAP_NORM + held**-CAP_NORM) ** (-1 / CAP_NORM)


def company(c: Columns, load: Load, held: np.ndarray) -> np.ndarray:
    """Other sequences in the steps, or micro-batches, that a prompt rides on."""
    return micro_batch(c, np.maximum(in_service(load, held) - 1, 0))


def steady(
    c: Columns,
    m: np.ndarray,
    load: Load,
    *,
    held: np.ndarray,
    iterations: int = ITERATIONS,
    start: Steady | None = None,
) -> Steady:
    """The steady state of each deployment; `held` is the most sequences in service. `start` saves iterations."""
    context, more = load.isl + load.osl / 2, load.osl - 1
    served = in_service(load, held)
    parts = prompt_terms(c, m, load.isl, prompt_pairs(c, load.isl), company(c, load, held))
    way = sum(parts.values())
    taken = way / c.stages
    overhead = parts["overhead"] / c.stages
    shared = overhead + parts["weights"] / c.stages * np.maximum(1 - load.isl / CHUNK_TOKENS, 0)
    prompt = taken * (1 + (c.stages - 1) * np.minimum(1.0, CHUNK_TOKENS / load.isl))
    tpot = decode_seconds(c, m, served, context) / c.accepted if start is None else start.tpot_s
    ttft = prompt if start is None else start.ttft_s - (start.e2e_s - start.e2e_s / np.maximum(load.users / served, 1))
    for k in range(iterations):
        share = RELAXATION / (1 + k / SETTLED)
        life = ttft + tpot * more
        batch = np.maximum(np.maximum(served * tpot * more / life, np.minimum(served, 1.0) * 0.5), 0.7)
        step = decode_seconds(c, m, batch, context) / c.accepted
        busy = np.minimum(micro_batch(c, served) * way / life, BUSY_CAP)
        slowed = step / (1 - busy)
        waiting = busy / (2 * (1 - 0.9 * busy)) * m[..., QUEUEING] * np.minimum(1.0, load.users - 1)
        ahead = STEPS_AHEAD * step * m[..., AHEAD]
        alone = prompt + ahead + taken * waiting
        whole = alone + slowed * more
        queued = (taken - shared) * (served + 1) / 2 + shared + (prompt - taken)
        together = np.minimum(queued + ahead, TTFT_CAP * whole)
        first = alone ** (1 - load.in_step) * together**load.in_step
        tpot = tpot + share * ((whole - first) / np.maximum(more, 1e-9) - tpot)
        ttft = ttft + share * (first - ttft)
    life = ttft + tpot * more
    e2e = life * np.maximum(load.users / served, 1.0)
    return Steady(tpot, ttft + e2e - life, e2e, batch)
