"""A closed loop in its steady state, as a fixed point: what calibration fits and a point prediction starts from.

With S sequences in service (users, or as many as the KV cache holds), decode step t_d(B) and prompt time t_p:

    B    = S·(TPOT·(OSL − 1)) / L            sequences that decode while others are in their prompt
    L    = TTFT + TPOT·(OSL − 1)             time in service; S times what a prompt takes of its steps at least
    ρ    = S·t_p / L                         share of the engine's time that prompts take
    TPOT = t_d(B) + (S − 1)·t_p / (OSL − 1)  prompts of others fall between tokens; a step holds no more than its budget
    TTFT = `first_token.first_token`         with k = S/L·TPOT prompts in a step
    E2E  = L · max(users/S, 1)               the rest wait for a place

What a prompt takes once a step (launches, weights that others do not read) is shared by all prompts of the step: by
k/(1 − exp(−k)) on average.

A pipeline of p stages takes t_d(B) for a round of its p micro-batches. A prompt whose way through all stages is t_p
holds each of them for t_p/p only, while other sequences pass the others: so ρ and waiting count t_p/p (t_p where there
are fewer sequences than stages). Its own way is t_p if it goes in one piece. The chunks of a longer prompt follow each
other, so that only the last has further stages before it: t_p/p·(1 + (p − 1)·min(1, budget/ISL)), which nears t_p/p.
That stages idle where a prompt and one sequence's tokens follow each other is not counted.

TTFT above is a mean of the steady state. A whole run has a start and an end besides. At the start all users come at
once, and wait for what a server does once: that is in its mean TTFT and in its throughput. At the end they go one by
one, and a share of the slots is empty:

    mean TTFT = TTFT + `START`·(what the line takes longer + `START_S`·s)
    run       = (E2E + `START`·`START_S`·s) / (1 − `END`·(1 − 1/S)·(1 − ρ))      users / requests per second

Beyond the slots a request waits (users/S − 1)·L on average. As users come in a bunch, some of a round find a slot at
once and the others wait for a whole life; the more they part, the more alike they wait: see `_slot_wait`.

The multipliers `ahead` and `start` are those of F (`first_token.LEAD_S`) and of s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from paretoken.predict.arrays import Floats
from paretoken.predict.first_token import (
    LEAD_S,
    LEAD_SPREAD,
    QUANTILES,
    START,
    START_S,
    FirstToken,
    StepLoad,
    bunch_decay,
    density,
    first_token,
)
from paretoken.predict.load import LoadColumns, co_running, in_service, prompt_pairs
from paretoken.predict.numbers import Columns
from paretoken.predict.prompts import prefill_latency, prompt_terms
from paretoken.predict.terms import TERMS, accepted_tokens, decode_seconds, micro_batch, total

DIFFERENCE = 1e-4
"""Step of forward differences, in logarithms."""
ITERATIONS, RELAXATION, SLOWER, SETTLED = 100, 0.9, 10, 1e-7
"""The iteration goes a share of the way, and ever less: where prompts fill the engine, all the way swings for ever. It
ends where no time moves by more than a share of it."""
AHEAD, BEGINNING = (TERMS.index(name) for name in ("ahead", "start"))
END = 0.025
"""Share of the slots that are empty as users go; less where prompts take much of the time, as those left are then the
faster. See `docs/predict.md` for the runs and simulations that it is checked against."""
EULER = 0.5772
"""Of the harmonic numbers: n ranks each have a prompt once n·(ln n + this + 1/2n) came (coupon collector)."""
BUSY_CAP, BUDGET_NORM, PROMPT_NORM = 0.97, 8.0, 32.0
"""Most of the time that prompts take; how sharply the bounds set in that the token budget and all prompts make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyState:
    """The fixed point: seconds, shape (n,), and the batch that decodes.

    `ttft_s` is the median; quantiles are of the steady part of a run of ten requests for each user, means of all of it.
    `run_s` is its users over its requests per second: mean E2E by Little's law, were it not for the end of the run,
    when users go.
    """

    tpot_s: Floats
    ttft_s: Floats
    p90_ttft_s: Floats
    p99_ttft_s: Floats
    mean_ttft_s: Floats
    e2e_s: Floats
    mean_e2e_s: Floats
    run_s: Floats
    batch: Floats


TIMES = ("tpot", "ttft", "mean_ttft", "e2e", "mean_e2e", "run")
"""The times of a steady state, in the order of its arrays; the attribute of each ends in `_s`."""


def steady(
    columns: Columns, multipliers: Floats, load: LoadColumns, *, slots: Floats, iterations: int = ITERATIONS
) -> SteadyState:
    """The steady state of each deployment; `slots` are the most sequences in service."""
    loop = _Loop(columns, multipliers, load, slots)
    tpot, ttft = decode_seconds(columns, multipliers, loop.served, loop.context) / loop.accepted, loop.prompt
    for k in range(iterations):
        share = RELAXATION / (1 + k / SLOWER)
        new = loop.round(tpot, ttft)
        moved = max(np.max(np.abs(b / a - 1), initial=0.0) for a, b in ((tpot, new.tpot_s), (ttft, new.ttft_s)))
        tpot, ttft = tpot + share * (new.tpot_s - tpot), ttft + share * (new.ttft_s - ttft)
        if moved < SETTLED:
            break
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


def ttft_parts(columns: Columns, multipliers: Floats, load: LoadColumns, *, slots: Floats) -> dict[str, Floats]:
    """Seconds of the parts of the median TTFT: prompt, lead, steps, and waiting for others."""
    at = steady(columns, multipliers, load, slots=slots)
    loop = _Loop(columns, multipliers, load, slots)
    first = loop.round(at.tpot_s, at.e2e_s / loop.oversubscription - at.tpot_s * loop.decode_tokens).first
    return {
        "prompt": loop.prompt,
        "lead": loop.lead,
        "steps": first.alone_s - loop.prompt - loop.lead,
        "waiting": at.ttft_s - first.alone_s,
    }


class _Loop:
    """The closed loop of each deployment: what a round makes of the TPOT and TTFT of the one before."""

    def __init__(self, columns: Columns, multipliers: Floats, load: LoadColumns, slots: Floats) -> None:
        self.columns, self.multipliers, self.load = columns, multipliers, load
        self.context, self.decode_tokens = load.isl + load.osl / 2, np.maximum(load.osl - 1, 1e-9)
        self.served = in_service(load, slots)
        self.company = np.clip(self.served - 1, 0.0, 1.0)
        self.oversubscription = np.maximum(load.users / self.served, 1.0)
        parts = prompt_terms(
            columns, multipliers, load.computed, prompt_pairs(columns, load), co_running(columns, load, slots)
        )
        self.taken = total(parts) / columns.layout.stages
        whole_steps = np.minimum(load.computed / columns.engine.max_batched_tokens, 1)
        self.shared = (parts["overhead"] + parts["weights"] * (1 - whole_steps)) / columns.layout.stages
        self.prompt = prefill_latency(columns, self.taken, load.computed)
        ranks = columns.layout.attention_groups
        budget = columns.engine.max_batched_tokens / load.computed
        self.enough = np.where(ranks > 1, ranks * (np.log(ranks) + EULER + 0.5 / ranks), budget)
        self.lead = LEAD_S * multipliers[..., AHEAD]
        self.accepted = accepted_tokens(columns, multipliers)
        self.tokens = columns.engine.max_batched_tokens * columns.layout.stages * columns.layout.attention_groups

    def round(self, tpot: Floats, ttft: Floats) -> _Round:
        """The next TPOT and TTFT, both of requests in service."""
        columns, served, decode_tokens = self.columns, self.served, self.decode_tokens
        accepted, mixed = self.accepted, columns.engine.mixed
        life = ttft + tpot * decode_tokens
        batch = np.maximum(np.maximum(served * tpot * decode_tokens / life, np.minimum(served, 1.0) * 0.5), 0.7)
        step = decode_seconds(columns, self.multipliers, batch, self.context)
        positions = batch * columns.engine.drafted
        budget = np.maximum(self.tokens - mixed * positions, self.tokens / 8) / self.load.computed
        prompts = served / life * tpot * accepted
        saved = self.shared * (1 + np.expm1(-prompts) / np.maximum(prompts, 1e-9))
        occupied = micro_batch(columns, served) * columns.layout.stages * (self.taken - saved) / life
        busy = np.minimum(occupied, BUSY_CAP)
        full = self.shared + (self.taken - self.shared) * budget
        neighbours = np.maximum(micro_batch(columns, served) * columns.layout.stages - 1, 0.0)
        between = step + neighbours * (self.taken - saved) * accepted / decode_tokens
        slowed = np.where(mixed > 0, _smaller(between, step + full), between) / accepted
        per_request = mixed * step / budget + self.taken - self.shared + self.shared / np.maximum(budget, 1.0)
        decoding = np.minimum(step / (tpot * accepted), 1.0)
        decay = bunch_decay(busy, self.load.spread * tpot * decode_tokens / life, self.load.users)
        x = StepLoad(
            decode_s=step,
            prompt_s=self.prompt,
            further_s=self.taken - self.shared,
            lead_s=self.lead,
            prompts=prompts * density(decay) * self.company * (1 - 1 / np.maximum(served, 1.0)),
            budget=budget,
            used=np.minimum(prompts / budget, BUSY_CAP),
            mixed=mixed,
            others=self.company,
            interval=1 + (columns.engine.receive_interval - 1) * decoding,
            batch_wait=np.minimum(columns.engine.batch_wait, self.enough / np.maximum(prompts, 1e-9)),
        )
        first = first_token(x)
        whole = _larger(first.mean_s + slowed * decode_tokens, self.company * served * per_request)
        return _Round(slowed, whole - slowed * decode_tokens, batch, busy, decay, x, first)

    def state(self, tpot: Floats, ttft: Floats, last: _Round) -> SteadyState:
        """What TPOT and TTFT in service mean for a request and a run; `last` is the round that they were put into."""
        life = ttft + tpot * self.decode_tokens
        wait = life * (self.oversubscription - 1)
        e2e = life + wait
        once = START * START_S * self.multipliers[..., BEGINNING]
        empty = END * (1 - 1 / np.maximum(self.served, 1.0)) * (1 - last.busy)
        longer = np.maximum(self._line(last) - ttft, 0) - wait / 2
        quantiles = {name: self._quantile(name, wait, last) for name in QUANTILES}
        return SteadyState(
            tpot_s=tpot,
            ttft_s=quantiles["p50"],
            p90_ttft_s=(p90 := np.maximum(quantiles["p50"], quantiles["p90"])),
            p99_ttft_s=np.maximum(p90, quantiles["p99"]),
            mean_ttft_s=ttft + wait + once + START * longer,
            e2e_s=e2e,
            mean_e2e_s=e2e + once,
            run_s=(e2e + once) / (1 - empty),
            batch=last.batch,
        )

    def _line(self, last: _Round) -> Floats:
        """Mean TTFT where all users in service come at once."""
        x, n = last.x, self.served
        rows = np.maximum(x.budget, 1.0)
        steps = np.maximum((n + rows) / (2 * rows), 1.0)
        decodes = x.mixed * x.decode_s * np.maximum((n + rows) / (2 * x.budget), np.maximum(1.0, 1 / x.budget))
        once = (x.prompt_s - x.further_s) * steps
        line: Floats = x.lead_s + once + decodes + x.further_s * (n + np.minimum(n, rows)) / 2
        return line

    def _quantile(self, name: str, wait: Floats, last: _Round) -> Floats:
        """A quantile of TTFT; beyond what `first_token` knows of, a queue for prompts makes all wait alike."""
        x = last.x
        jitter = np.sqrt(
            (self.load.spread * x.prompt_s) ** 2
            + (LEAD_SPREAD * x.lead_s) ** 2 / 3
            + (x.interval * x.decode_s * self.company) ** 2 / 12
        )
        longer = last.ttft_s - last.first.mean_s
        inside = last.first.quantile_s(name, x.used, jitter, last.decay)
        return np.maximum(inside, x.prompt_s + x.decode_s) + longer + self._slot_wait(name, wait, last.decay)

    def _slot_wait(self, name: str, wait: Floats, decay: Floats) -> Floats:
        """A quantile of the wait for a slot, of the mean `wait`."""
        at, x = QUANTILES[name], self.oversubscription - 1
        life = wait / np.maximum(x, 1e-9)
        stepped = at - 0.5 + np.sin(2 * np.pi * (x + at)) / (2 * np.pi)
        waited: Floats = life * np.clip(x + np.exp(-decay / 2) * stepped, 0.0, x / (1 - at))
        return waited


def _smaller(a: Floats, b: Floats) -> Floats:
    """The smaller of both, rounded off."""
    least: Floats = a / (1 + (a / b) ** BUDGET_NORM) ** (1 / BUDGET_NORM)
    return least


def _larger(a: Floats, b: Floats) -> Floats:
    """The larger of both, rounded off."""
    most: Floats = a * (1 + (b / a) ** PROMPT_NORM) ** (1 / PROMPT_NORM)
    return most


class _Round(NamedTuple):
    """What comes of one round: times in seconds, the batch that decodes, ρ as `busy`, and what the first token met."""

    tpot_s: Floats
    ttft_s: Floats
    batch: Floats
    busy: Floats
    decay: Floats
    x: StepLoad
    first: FirstToken
