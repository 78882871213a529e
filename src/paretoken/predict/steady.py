"""A closed loop in its steady state, as a fixed point: what calibration fits and a point prediction starts from.

With S sequences in service (users, or as many as the KV cache holds), decode step t_d(B) and prompt time t_p:

    B    = S·(TPOT·(OSL − 1)) / L            sequences that decode while others are in their prompt
    L    = TTFT + TPOT·(OSL − 1)             time in service
    ρ    = S·t_p / L                         share of the engine's time that prompts take
    TPOT = t_d(B) + (S − 1)·t_p / (OSL − 1)  the prompts of all others fall between a request's tokens
    TTFT = t_p + 1.5·t_d·a + waiting         `STEPS_AHEAD`, and prompts in front: ρ/(2(1 − 0.9ρ))·t_p·q
    E2E  = L · max(users/S, 1)               the rest wait for a place

A pipeline of p stages takes t_d(B) for a round of its p micro-batches. A prompt whose way through all stages is t_p
holds each of them for t_p/p only, while other sequences pass the others: so ρ and waiting count t_p/p (t_p where there
are fewer sequences than stages). Its own way is t_p if it goes in one piece. The chunks of a longer prompt follow each
other, so that only the last has further stages before it: t_p/p·(1 + (p − 1)·min(1, 8192/ISL)), which nears t_p/p.
That stages idle where a prompt and one sequence's tokens follow each other is not counted.

Users whose requests all have the same length move in step: then all S prompts queue together, share steps
and so pay the overhead of a prompt once and for the weights that it reads once a step, and TTFT is half of the time
that all of them take, with the same L. The cap is rounded off, since contexts differ.

TTFT and waiting above are means of the steady state. The median request waits ρ of that for prompts in front, as most
meet none where there are few (simulations show from none of it to all). A whole run has a start and an end besides. At
the start all users come at once, and wait for what a server does once: that is in its mean TTFT and in its throughput.
At the end they go one by one, and a share of the slots is empty:

    mean TTFT = TTFT + `START`·(what the line takes longer + `START_S`·s)
    run       = (E2E + `START`·`START_S`·s) / (1 − `END`·(1 − 1/S)·(1 − ρ))      users / requests per second

a, q and s are the multipliers `ahead`, `queueing` and `start`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from paretoken.predict.arrays import Floats, Indices
from paretoken.predict.numbers import Columns
from paretoken.predict.prompts import attention_pairs, prefill_latency, prompt_terms
from paretoken.predict.terms import TERMS, cached_tokens, decode_seconds, micro_batch, total

DIFFERENCE = 1e-4
"""Step of forward differences, in logarithms."""
ITERATIONS, RELAXATION, SETTLED = 100, 0.3, 20
"""The iteration goes a share of the way, and ever less: where prompts fill the engine, all the way swings for ever."""
QUEUEING, AHEAD, BEGINNING = (TERMS.index(name) for name in ("queueing", "ahead", "start"))
STEPS_AHEAD = 1.5
"""Decode steps that a first token waits for: half of the running one, and the one that its prompt rides on."""
START, START_S, END = 0.1, 1.0, 0.025
"""Share of a run's requests that come at once: public harnesses send ten for each user. Seconds that these wait for
what a server does once. Share of the slots that are empty as users go; less where prompts take much of the time, as
those left are then the faster. See `docs/predict.md` for the runs and simulations that both are checked against."""
CAP_NORM = 6.0
BUSY_CAP, TTFT_CAP = 0.97, 0.9


@dataclass(frozen=True, slots=True)
class LoadColumns:
    """Columns of the load, shape (n,): users, mean lengths, and whether users move in step (0 to 1).

    `computed` are the input tokens that the prefix cache does not hold.
    """

    users: Floats
    isl: Floats
    computed: Floats
    osl: Floats
    in_step: Floats

    def take(self, index: Indices) -> LoadColumns:
        return LoadColumns(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyState:
    """The fixed point: seconds, shape (n,), and the batch that decodes.

    Means are those of a whole run. `run_s` is its users over its requests per second: mean E2E by Little's law, were it
    not for the end of the run, when users go.
    """

    tpot_s: Floats
    ttft_s: Floats
    mean_ttft_s: Floats
    e2e_s: Floats
    mean_e2e_s: Floats
    run_s: Floats
    batch: Floats


TIMES = ("tpot", "ttft", "mean_ttft", "e2e", "mean_e2e", "run")
"""What a steady state says of time, in the order of every array of it; each is an attribute with `_s` behind."""


def kv_slots(columns: Columns, load: LoadColumns) -> Floats:
    """Sequences that may run at once: what the KV cache holds, at least as many as the least cache does."""
    free = np.maximum(columns.memory.cache_bytes, columns.memory.least_cache_bytes)
    tokens = cached_tokens(columns, load.isl + load.osl * columns.engine.booked)
    held = free / (columns.memory.kv_bytes_per_token * tokens) * columns.layout.stages
    return np.maximum(np.minimum(held, columns.engine.max_num_seqs) * columns.layout.attention_groups, 1.0)


def in_service(load: LoadColumns, slots: Floats) -> Floats:
    """Sequences in service: the users, or as many as there are slots, rounded off between."""
    return (load.users**-CAP_NORM + slots**-CAP_NORM) ** (-1 / CAP_NORM)


def co_running(columns: Columns, load: LoadColumns, slots: Floats) -> Floats:
    """Other sequences in the steps, or micro-batches, that a prompt rides on."""
    return micro_batch(columns, np.maximum(in_service(load, slots) - 1, 0))


def prompt_pairs(columns: Columns, load: LoadColumns) -> Floats:
    """(query, key) pairs that a prompt computes: all but those within what the prefix cache holds."""
    return attention_pairs(columns, load.isl) - attention_pairs(columns, load.isl - load.computed)


def steady(
    columns: Columns, multipliers: Floats, load: LoadColumns, *, slots: Floats, iterations: int = ITERATIONS
) -> SteadyState:
    """The steady state of each deployment; `slots` are the most sequences in service."""
    loop = _Loop(columns, multipliers, load, slots)
    tpot, ttft = decode_seconds(columns, multipliers, loop.served, loop.context) / columns.engine.accepted, loop.prompt
    for k in range(iterations):
        share = RELAXATION / (1 + k / SETTLED)
        new = loop.round(tpot, ttft)
        tpot, ttft = tpot + share * (new.tpot_s - tpot), ttft + share * (new.ttft_s - ttft)
    return loop.state(tpot, ttft, loop.round(tpot, ttft))


def log_times(s: SteadyState) -> Floats:
    """ln of the times in the order of TIMES, shape (n, times)."""
    times: list[Floats] = [getattr(s, f"{name}_s") for name in TIMES]
    return np.log(np.stack(times, axis=1))


def slopes(columns: Columns, log_multipliers: Floats, load: LoadColumns, *, slots: Floats, at: SteadyState) -> Floats:
    """d `log_times` / d ln(multiplier) at the fixed point `at`, shape (n, times, terms).

    With x = ln(TPOT, TTFT) in service, F one round and y what comes of x: dy = (∂y/∂x·(1 − ∂F/∂x)⁻¹·∂F/∂m + ∂y/∂m)·dm.
    Partial derivatives are forward differences.
    """
    loop = _Loop(columns, np.exp(log_multipliers), load, slots)
    x = np.log([at.tpot_s, at.e2e_s / loop.oversubscription - at.tpot_s * loop.decode_tokens])

    def both(loop: _Loop, x: Floats) -> Floats:
        """ln of the next TPOT and TTFT, and the logs of what these are, shape (n, 2 + times)."""
        tpot, ttft = np.exp(x)
        new = loop.round(tpot, ttft)
        further = np.log(np.stack([new.tpot_s, new.ttft_s], axis=1))
        return np.concatenate([further, log_times(loop.state(tpot, ttft, new))], axis=1)

    base = both(loop, x)
    along_x = np.stack([both(loop, x + DIFFERENCE * np.eye(2)[i][:, None]) - base for i in range(2)], axis=2)
    along_m = np.empty((*base.shape, log_multipliers.shape[1]))
    for k in range(log_multipliers.shape[1]):
        moved = log_multipliers.copy()
        moved[:, k] += DIFFERENCE
        along_m[:, :, k] = both(_Loop(columns, np.exp(moved), load, slots), x) - base
    along_x, along_m = along_x / DIFFERENCE, along_m / DIFFERENCE
    settled = np.linalg.solve(np.eye(2) - along_x[:, :2], along_m[:, :2])
    return along_x[:, 2:] @ settled + along_m[:, 2:]


class _Loop:
    """The closed loop of each deployment: what a round makes of the TPOT and TTFT of the one before."""

    def __init__(self, columns: Columns, multipliers: Floats, load: LoadColumns, slots: Floats) -> None:
        self.columns, self.multipliers, self.load = columns, multipliers, load
        self.context, self.decode_tokens = load.isl + load.osl / 2, np.maximum(load.osl - 1, 1e-9)
        self.served = in_service(load, slots)
        self.oversubscription = np.maximum(load.users / self.served, 1.0)
        parts = prompt_terms(
            columns, multipliers, load.computed, prompt_pairs(columns, load), co_running(columns, load, slots)
        )
        self.way = total(parts)
        self.taken = self.way / columns.layout.stages
        overhead = parts["overhead"] / columns.layout.stages
        whole_steps = np.minimum(load.computed / columns.engine.max_batched_tokens, 1)
        shared = overhead + parts["weights"] / columns.layout.stages * (1 - whole_steps)
        self.prompt = prefill_latency(columns, self.taken, load.computed)
        self.queued = (self.taken - shared) * (self.served + 1) / 2 + shared + (self.prompt - self.taken)

    def round(self, tpot: Floats, ttft: Floats) -> _Round:
        """The next TPOT and TTFT, both of requests in service."""
        columns, multipliers, load, served, decode_tokens = (
            self.columns,
            self.multipliers,
            self.load,
            self.served,
            self.decode_tokens,
        )
        life = ttft + tpot * decode_tokens
        batch = np.maximum(np.maximum(served * tpot * decode_tokens / life, np.minimum(served, 1.0) * 0.5), 0.7)
        step = decode_seconds(columns, multipliers, batch, self.context) / columns.engine.accepted
        busy = np.minimum(micro_batch(columns, served) * self.way / life, BUSY_CAP)
        others = np.maximum(micro_batch(columns, served) - 1, 0)
        slowed = step + others * self.way / decode_tokens
        waiting = busy / (2 * (1 - 0.9 * busy)) * multipliers[..., QUEUEING] * np.minimum(1.0, load.users - 1)
        ahead = STEPS_AHEAD * step * multipliers[..., AHEAD]
        alone = self.prompt + ahead + self.taken * waiting
        whole = alone + slowed * decode_tokens
        together = np.minimum(self.queued + ahead, TTFT_CAP * whole)
        first = alone ** (1 - load.in_step) * together**load.in_step
        return _Round(
            tpot_s=(whole - first) / decode_tokens,
            ttft_s=first,
            batch=batch,
            busy=busy,
            waits_s=self.taken * waiting,
            longer_s=np.maximum(together - alone, 0),
        )

    def state(self, tpot: Floats, ttft: Floats, last: _Round) -> SteadyState:
        """What TPOT and TTFT in service mean for a request and a run; `last` is the round that they were put into."""
        e2e = (ttft + tpot * self.decode_tokens) * self.oversubscription
        waited = e2e - tpot * self.decode_tokens
        apart = 1 - self.load.in_step
        once = apart * START * START_S * self.multipliers[..., BEGINNING]
        empty = apart * END * (1 - 1 / np.maximum(self.served, 1.0)) * (1 - last.busy)
        mean = waited + once + apart * START * last.longer_s
        usual = waited - apart * ttft * last.waits_s / last.ttft_s * (1 - last.busy)
        return SteadyState(
            tpot_s=tpot,
            ttft_s=usual,
            mean_ttft_s=mean,
            e2e_s=e2e,
            mean_e2e_s=e2e + once,
            run_s=(e2e + once) / (1 - empty),
            batch=last.batch,
        )


class _Round(NamedTuple):
    """What comes of one round: times in seconds, the batch that decodes, and ρ as `busy`.

    `waits_s` is what a prompt waits for others on average, `longer_s` what it waits longer where all come at once.
    """

    tpot_s: Floats
    ttft_s: Floats
    batch: Floats
    busy: Floats
    waits_s: Floats
    longer_s: Floats
