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

TTFT and waiting above are means of the steady state. The median request waits ρ of that for prompts in front, as most
meet none where there are few (simulations show from none of it to all). A whole run has a start and an end besides. At
the start all users come at once, and wait for what a server does once: that is in its mean TTFT and in its throughput.
At the end they go one by one, and a share of the kv_slots is empty:

    mean TTFT = TTFT + `START`·(what the line takes longer + `START_S`·s)
    run       = (E2E + `START`·`START_S`·s) / (1 − `END`·(1 − 1/S)·(1 − ρ))      users / requests per second

a, q and s are the multipliers `ahead`, `queueing` and `start`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from paretoken.predict.columns import Columns
from paretoken.predict.prompts import CHUNK_TOKENS, prefill_latency, attention_pairs, prompt_terms
from paretoken.predict.terms import TERMS, decode_seconds, kv_bytes, micro_batch

DIFFERENCE = 1e-4
"""Step of forward differences, in logarithms."""
ITERATIONS, RELAXATION, SETTLED = 100, 0.3, 20
"""The iteration goes a share of the way, and ever less: where prompts fill the engine, all the way swings for ever."""
QUEUEING, AHEAD, BEGINNING = (TERMS.index(name) for name in ("queueing", "ahead", "start"))
STEPS_AHEAD = 1.5
"""Decode steps that a first token waits for: half of the running one, and the one that its prompt rides on."""
START, START_S, END = 0.1, 1.0, 0.025
"""Share of a run's requests that come at once: public harnesses send ten for each user. Seconds that these wait for
what a server does once. Share of the kv_slots that are empty as users go; less where prompts take much of the time, as
those left are then the faster. See `docs/predict.md` for the runs and simulations that both are checked against."""
CAP_NORM = 6.0
BUSY_CAP, TTFT_CAP = 0.97, 0.9


@dataclass(frozen=True, slots=True)
class LoadColumns:
    """Columns of the load, shape (n,): users, mean lengths, and whether users move in step (0 to 1)."""

    users: np.ndarray
    isl: np.ndarray
    osl: np.ndarray
    in_step: np.ndarray

    def take(self, index: np.ndarray) -> LoadColumns:
        return LoadColumns(self.users[index], self.isl[index], self.osl[index], self.in_step[index])


@dataclass(frozen=True, slots=True)
class SteadyState:
    """The fixed point: seconds, shape (n,), and the batch that decodes.

    Means are those of a whole run. `run_s` is its users over its requests per second: mean E2E by Little's law, were it
    not for the end of the run, when users go.
    """

    tpot_s: np.ndarray
    ttft_s: np.ndarray
    mean_ttft_s: np.ndarray
    e2e_s: np.ndarray
    mean_e2e_s: np.ndarray
    run_s: np.ndarray
    batch: np.ndarray


TIMES = ("tpot", "ttft", "mean_ttft", "e2e", "mean_e2e", "run")
"""What a steady state says of time, in the order of every array of it; each is an attribute with `_s` behind."""


def kv_slots(c: Columns, load: LoadColumns) -> np.ndarray:
    """Sequences that the KV cache holds at once; at least as many as the least cache does."""
    free = np.maximum(c.cache_bytes, c.least_cache_bytes)
    return np.maximum(free / kv_bytes(c, load.isl + load.osl * c.booked) * c.attention_groups * c.stages, 1.0)


def in_service(load: LoadColumns, held: np.ndarray) -> np.ndarray:
    """Sequences in service: the users, or as many as are held, rounded off between."""
    return (load.users**-CAP_NORM + held**-CAP_NORM) ** (-1 / CAP_NORM)


def co_running(c: Columns, load: LoadColumns, held: np.ndarray) -> np.ndarray:
    """Other sequences in the steps, or micro-batches, that a prompt rides on."""
    return micro_batch(c, np.maximum(in_service(load, held) - 1, 0))


def steady(c: Columns, m: np.ndarray, load: LoadColumns, *, held: np.ndarray, iterations: int = ITERATIONS) -> SteadyState:
    """The steady state of each deployment; `held` is the most sequences in service."""
    loop = _Loop(c, m, load, held)
    tpot, ttft = decode_seconds(c, m, loop.served, loop.context) / c.accepted, loop.prompt
    for k in range(iterations):
        share = RELAXATION / (1 + k / SETTLED)
        new = loop.round(tpot, ttft)
        tpot, ttft = tpot + share * (new.tpot_s - tpot), ttft + share * (new.ttft_s - ttft)
    return loop.state(tpot, ttft, loop.round(tpot, ttft))


def logs(s: SteadyState) -> np.ndarray:
    """ln of the times in the order of TIMES, shape (n, times)."""
    return np.log(np.stack([getattr(s, f"{name}_s") for name in TIMES], axis=1))


def slopes(c: Columns, log_m: np.ndarray, load: LoadColumns, *, held: np.ndarray, at: SteadyState) -> np.ndarray:
    """d `logs` / d ln(multiplier) at the fixed point `at`, shape (n, times, terms).

    With x = ln(TPOT, TTFT) in service, F one round and y what comes of x: dy = (∂y/∂x·(1 − ∂F/∂x)⁻¹·∂F/∂m + ∂y/∂m)·dm.
    Partial derivatives are forward differences.
    """
    loop = _Loop(c, np.exp(log_m), load, held)
    x = np.log([at.tpot_s, at.e2e_s / loop.crowd - at.tpot_s * loop.more])

    def both(loop: _Loop, x: np.ndarray) -> np.ndarray:
        """ln of the next TPOT and TTFT, and the logs of what these are, shape (n, 2 + times)."""
        tpot, ttft = np.exp(x)
        new = loop.round(tpot, ttft)
        further = np.log(np.stack([new.tpot_s, new.ttft_s], axis=1))
        return np.concatenate([further, logs(loop.state(tpot, ttft, new))], axis=1)

    base = both(loop, x)
    along_x = np.stack([both(loop, x + DIFFERENCE * np.eye(2)[i][:, None]) - base for i in range(2)], axis=2)
    along_m = np.empty((*base.shape, log_m.shape[1]))
    for k in range(log_m.shape[1]):
        moved = log_m.copy()
        moved[:, k] += DIFFERENCE
        along_m[:, :, k] = both(_Loop(c, np.exp(moved), load, held), x) - base
    along_x, along_m = along_x / DIFFERENCE, along_m / DIFFERENCE
    settled = np.linalg.solve(np.eye(2) - along_x[:, :2], along_m[:, :2])
    return along_x[:, 2:] @ settled + along_m[:, 2:]


class _Loop:
    """The closed loop of each deployment: what a round makes of the TPOT and TTFT of the one before."""

    def __init__(self, c: Columns, m: np.ndarray, load: LoadColumns, held: np.ndarray) -> None:
        self.c, self.m, self.load = c, m, load
        self.context, self.more = load.isl + load.osl / 2, np.maximum(load.osl - 1, 1e-9)
        self.served = in_service(load, held)
        self.crowd = np.maximum(load.users / self.served, 1.0)
        parts = prompt_terms(c, m, load.isl, attention_pairs(c, load.isl), co_running(c, load, held))
        self.way = sum(parts.values())
        self.taken = self.way / c.stages
        overhead = parts["overhead"] / c.stages
        shared = overhead + parts["weights"] / c.stages * np.maximum(1 - load.isl / CHUNK_TOKENS, 0)
        self.prompt = prefill_latency(c, self.taken, load.isl)
        self.queued = (self.taken - shared) * (self.served + 1) / 2 + shared + (self.prompt - self.taken)

    def round(self, tpot: np.ndarray, ttft: np.ndarray) -> _Round:
        """The next TPOT and TTFT, both of requests in service."""
        c, m, load, served, more = self.c, self.m, self.load, self.served, self.more
        life = ttft + tpot * more
        batch = np.maximum(np.maximum(served * tpot * more / life, np.minimum(served, 1.0) * 0.5), 0.7)
        step = decode_seconds(c, m, batch, self.context) / c.accepted
        busy = np.minimum(micro_batch(c, served) * self.way / life, BUSY_CAP)
        slowed = step / (1 - busy)
        waiting = busy / (2 * (1 - 0.9 * busy)) * m[..., QUEUEING] * np.minimum(1.0, load.users - 1)
        ahead = STEPS_AHEAD * step * m[..., AHEAD]
        alone = self.prompt + ahead + self.taken * waiting
        whole = alone + slowed * more
        together = np.minimum(self.queued + ahead, TTFT_CAP * whole)
        first = alone ** (1 - load.in_step) * together**load.in_step
        return _Round((whole - first) / more, first, batch, busy, self.taken * waiting, np.maximum(together - alone, 0))

    def state(self, tpot: np.ndarray, ttft: np.ndarray, last: _Round) -> SteadyState:
        """What TPOT and TTFT in service mean for a request and a run; `last` is the round that they were put into."""
        e2e = (ttft + tpot * self.more) * self.crowd
        waited = e2e - tpot * self.more
        apart = 1 - self.load.in_step
        once = apart * START * START_S * self.m[..., BEGINNING]
        empty = apart * END * (1 - 1 / np.maximum(self.served, 1.0)) * (1 - last.busy)
        mean = waited + once + apart * START * last.longer_s
        usual = waited - apart * ttft * last.waits_s / last.ttft_s * (1 - last.busy)
        return SteadyState(tpot, usual, mean, e2e, e2e + once, (e2e + once) / (1 - empty), last.batch)


class _Round(NamedTuple):
    """What comes of one round: times in seconds, the batch that decodes, and ρ as `busy`.

    `waits_s` is what a prompt waits for others on average, `longer_s` what it waits longer where all come at once.
    """

    tpot_s: np.ndarray
    ttft_s: np.ndarray
    batch: np.ndarray
    busy: np.ndarray
    waits_s: np.ndarray
    longer_s: np.ndarray
