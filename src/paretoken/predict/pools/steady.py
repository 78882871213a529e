"""A closed loop over a prefill pool and a decode pool, in its steady state.

With N users, P prefill and D decode workers, X requests/s and B sequences that decode in each worker:

    B    = X/D·TPOT·(OSL − 1)                what decodes, by Little's law
    TPOT = t_d(B)/accepted                   no prompt falls between tokens
    u    = X·s/P                             share of the prefill pool's time in use; s = p + o/m a prompt of full steps
    W    = max(Q, R) + β·u²·N·s/P            the latter of users who come in bunches, as they all began at once
           + h·t_d(B)/2                      until the decode worker reserves blocks, between two steps
           + v/(1 − v)/2L                    for the links, which carry L prompts/s, the share v = X/L of it (M/D/1)
    Q    = s/2·u^(√(2c + 2) − 1)/(1 − u)     queue of a worker with c = max(m, 1) places (M/D/c, Sakasegawa, 1977)
    R    = b^(√(2P + 2) − 1)·(T/2 + p·λT)    the rest of the step that runs, and the others who wait for it too
    T    = o + p·(λT + e^(−λT))              a prefill step takes the prompts that came in the one before, or the next
    TTFT = F + p·(1 + (r − 1)·σ) + o·max(1, r/m) + W + K
    N    = X·(TTFT + TPOT·(OSL − 1))

p is what a prompt takes of a worker's steps, o what each of these takes once (launches, dense weights, host), m the
prompts that the token budget of a step holds. A prompt runs on one of the r ranks of attention data parallelism, which
do the share σ of its work alone: with nothing else to do, the others wait. λ are the requests/s of other users at a
worker, b = λT/(λT + e^(−λT)) is the share of the time that it runs a step, and h = 1 − e^(−B) that of a decode worker,
with B of others. A router prefers prefill workers that run none. Where a step holds one prompt, Q alone counts. F is
from the client to the scheduler, through the router. K is the transfer of the prompt's KV cache (see `transfer`).
Requests beyond the slots of the decode pool wait before their first token.

These are of a steady state. At the start of a run all users come at once, with a share `START` of its requests. The
first prompts wait for half of N·s/P on average, which the mean TTFT and the throughput include.

All of N grows with B, so X is where N is the number of users. t_d is computed at `BATCHES` between one sequence and all
users, and read off straight lines between their logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretoken.predict.arrays import Floats
from paretoken.predict.first_token import LEAD_S, START
from paretoken.predict.load import LoadColumns, kv_slots, prompt_pairs
from paretoken.predict.numbers import Columns
from paretoken.predict.pace import pace_at
from paretoken.predict.prompts import prompt_terms
from paretoken.predict.steady import END
from paretoken.predict.terms import accepted_tokens, decode_seconds, multiplier, total

BATCHES, HALVINGS = 48, 45
FULL = 1 - 1e-9
LONE, ROUNDS = 1.5, 6
"""Prompts in a step below which they come one by one; rounds of Newton's method, which comes from below."""
BUNCHED = 0.1
"""β, from the TTFT of published runs: their median error, all else fitted anew, falls from 16.6 to 14.4 % with it."""
LEAST_BATCH = 0.7
"""A step never decodes fewer sequences than this on average, as in `steady`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolColumns:
    """Columns of pooled cases, shape (n,): one worker of each pool, its load, multipliers (n, terms), and workers.

    The load of both sides is that of one worker if all users were in its pool. `prefill_pace` is ln of a factor on the
    times of prompts, `decode_pace` on steps at the batches `pace.ANCHORS`, shape (n, anchors); `lead` on the way to
    the scheduler, and `run` on the time that a whole run takes beside its steady state. All links together carry
    `transfers_per_s`.
    """

    prefill: Columns
    decode: Columns
    prefill_load: LoadColumns
    decode_load: LoadColumns
    prefill_multipliers: Floats
    decode_multipliers: Floats
    prefill_pace: Floats
    decode_pace: Floats
    lead: Floats
    run: Floats
    prefill_workers: Floats
    decode_workers: Floats
    transfer_s: Floats
    transfers_per_s: Floats
    users: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledState:
    """The steady state, shape (n,): seconds, requests/s, `batch` sequences that decode in a worker, busy shares.

    `ttft_s` has the parts `lead_s`, `prompt_s`, `waiting_s` and `transfer_s`. `mean_ttft_s` and `requests_per_s` are
    those of a whole run, of ten requests for each user.
    """

    tpot_s: Floats
    ttft_s: Floats
    mean_ttft_s: Floats
    e2e_s: Floats
    requests_per_s: Floats
    batch: Floats
    prefill_busy: Floats
    lead_s: Floats
    prompt_s: Floats
    waiting_s: Floats
    transfer_s: Floats


@dataclass(frozen=True, slots=True)
class PrefillTimes:
    """Seconds of a prompt in a prefill worker: `alone_s` with nothing else there, `full_s` of full steps.

    A step holds `places` prompts. It takes `per_step_s`, and `per_prompt_s` for each of them.
    """

    alone_s: Floats
    full_s: Floats
    places: Floats
    per_step_s: Floats
    per_prompt_s: Floats

    def stretched(self, factor: Floats) -> PrefillTimes:
        """The times multiplied by a factor."""
        times = (self.alone_s, self.full_s, self.per_step_s, self.per_prompt_s)
        alone_s, full_s, per_step_s, per_prompt_s = (seconds * factor for seconds in times)
        return PrefillTimes(alone_s, full_s, self.places, per_step_s, per_prompt_s)

    def queue_s(self, busy: Floats) -> Floats:
        """Q of the module for a worker that is busy for this share of the time."""
        power = np.sqrt(2 * (self.places + 1)) - 1
        return np.asarray(self.full_s / 2 * busy**power / (1 - busy))

    def rest_s(self, rate: Floats, workers: Floats) -> Floats:
        """R of the module where requests of others come at `rate` per second to all workers."""
        step = rate / workers * self.per_step_s
        prompt = np.minimum(rate / workers * self.per_prompt_s, FULL)
        came = np.zeros_like(step)  # λT
        for _ in range(ROUNDS):
            none = np.exp(-came)
            came = came + (step + prompt * none - (1 - prompt) * came) / (1 - prompt + prompt * none)
        came = np.minimum(came, self.places)
        none = np.exp(-came)
        step_s = self.per_step_s + self.per_prompt_s * np.minimum(came + none, self.places)
        running = (came / (came + none)) ** (np.sqrt(2 * (workers + 1)) - 1)
        return np.where(self.places > LONE, running * (step_s / 2 + self.per_prompt_s * came), 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class DecodeCurve:
    """ln of TPOT at ln of batches of a worker, both of shape (n, BATCHES), the batches evenly apart.

    No larger batch is faster: where calibrated paces would make it so, TPOT stays.
    """

    log_batch: Floats
    log_tpot: Floats

    @classmethod
    def of(cls, x: PoolColumns) -> DecodeCurve:
        """The curve from one sequence to all users, or all slots."""
        load = x.decode_load
        most = np.minimum(x.users / x.decode_workers, kv_slots(x.decode, load))
        low = np.minimum(np.log(LEAST_BATCH), np.log(most) - 1)
        log_batch = low[:, None] + (np.log(most) - low)[:, None] * np.linspace(0, 1, BATCHES)
        batch, context = np.exp(log_batch).T, load.isl + load.osl / 2
        batch = np.maximum(batch, LEAST_BATCH)
        step = decode_seconds(x.decode, x.decode_multipliers, batch, context)
        pace = pace_at(batch, x.decode_pace)
        log_tpot = (np.log(step / accepted_tokens(x.decode, x.decode_multipliers)) + pace).T
        return cls(log_batch, np.maximum.accumulate(log_tpot, axis=1))

    def tpot_s(self, log_batch: Floats) -> Floats:
        """TPOT at ln of a batch of each case."""
        step = self.log_batch[:, 1] - self.log_batch[:, 0]
        at = np.clip((log_batch - self.log_batch[:, 0]) / step, 0, BATCHES - 1 - 1e-9)
        k = at.astype(int)
        row = np.arange(len(k))
        low, high = self.log_tpot[row, k], self.log_tpot[row, k + 1]
        return np.asarray(np.exp(low + (high - low) * (at - k)), dtype=float)


def prefill_times(columns: Columns, multipliers: Floats, load: LoadColumns) -> PrefillTimes:
    """What a prompt takes of a worker that only prefills."""
    parts = prompt_terms(columns, multipliers, load.computed, prompt_pairs(columns, load))
    per_prompt_s = total(parts) - parts["overhead"] - parts["weights"]
    chunks = np.maximum(load.computed / columns.engine.max_batched_tokens, 1.0)
    per_step_s = parts["overhead"] + parts["weights"] / chunks
    no_batch = np.zeros_like(per_step_s)
    per_step_s = per_step_s + columns.engine.mixed * decode_seconds(columns, multipliers, no_batch, load.isl)
    ranks = columns.layout.attention_groups
    own = parts["attention"] + parts["compute"] * _own_share(columns)
    places = columns.engine.max_batched_tokens * ranks * columns.layout.stages / load.computed
    return PrefillTimes(
        alone_s=per_prompt_s + (ranks - 1) * own + per_step_s * np.maximum(1.0, ranks / places),
        full_s=per_prompt_s + per_step_s / places,
        places=np.maximum(places, 1.0),
        per_step_s=per_step_s,
        per_prompt_s=per_prompt_s,
    )


def _own_share(columns: Columns) -> Floats:
    """Share of a prompt's GEMMs that its rank of attention data parallelism does alone."""
    work, groups = columns.work, columns.layout.attention_groups
    alone = work.attention_flops * columns.layout.stages / columns.layout.gpus
    return np.where(groups > 1, np.clip(alone / (work.prompt_dense_flops + work.expert_flops), 0.0, 1.0), 0.0)


def pooled_steady(x: PoolColumns, curve: DecodeCurve | None = None) -> PooledState:
    """The steady state of each case; `curve` is that of its decode workers, if the caller has it."""
    prompt = prefill_times(x.prefill, x.prefill_multipliers, x.prefill_load).stretched(np.exp(x.prefill_pace))
    lead = LEAD_S * multiplier(x.prefill_multipliers, "ahead") * np.exp(x.lead)
    return _solved(x, prompt, lead, curve or DecodeCurve.of(x))


def _solved(x: PoolColumns, prompt: PrefillTimes, lead: Floats, curve: DecodeCurve) -> PooledState:
    """The steady state, by bisection."""
    tokens = np.maximum(x.decode_load.osl - 1, 1e-9)
    others = 1 - 1 / np.maximum(x.users, 1.0)
    half_step = accepted_tokens(x.decode, x.decode_multipliers) / 2

    def at(log_batch: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        tpot = curve.tpot_s(log_batch)
        rate = np.exp(log_batch) * x.decode_workers / (tpot * tokens)
        used = rate * prompt.full_s / x.prefill_workers
        inside = np.minimum(used, FULL)
        waiting = np.maximum(prompt.queue_s(inside), prompt.rest_s(rate * others, x.prefill_workers))
        waiting += BUNCHED * inside**2 * x.users * prompt.full_s / x.prefill_workers
        sent = np.minimum(rate / x.transfers_per_s, FULL)
        waiting += sent / (1 - sent) / (2 * x.transfers_per_s)
        waiting += half_step * tpot * -np.expm1(-np.exp(log_batch) * others)
        return tpot, rate, used, waiting

    low, high = curve.log_batch[:, 0] - 20, curve.log_batch[:, -1]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        _, rate, used, waiting = at(middle)
        users = rate * (lead + prompt.alone_s + waiting + x.transfer_s) + np.exp(middle) * x.decode_workers
        over = (users > x.users) | (used > FULL) | (rate > FULL * x.transfers_per_s)
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    tpot, rate, used, _ = at(low)
    e2e = x.users / rate
    ttft = e2e - tpot * tokens
    between_prompts_s = np.maximum(prompt.full_s / x.prefill_workers, 1 / x.transfers_per_s)
    line = lead + prompt.alone_s + x.transfer_s + x.users * between_prompts_s / 2
    longer = START * np.maximum(line - ttft, 0.0)
    empty = END * others
    return PooledState(
        tpot_s=tpot,
        ttft_s=ttft,
        mean_ttft_s=ttft + longer,
        e2e_s=e2e,
        requests_per_s=x.users * (1 - empty) / (e2e + longer) * np.exp(-x.run),
        batch=np.exp(low),
        prefill_busy=used,
        lead_s=lead,
        prompt_s=prompt.alone_s,
        waiting_s=np.maximum(ttft - lead - prompt.alone_s - x.transfer_s, 0.0),
        transfer_s=x.transfer_s,
    )
