"""A closed loop over a prefill pool and a decode pool, in its steady state.

With N users, P prefill and D decode workers, X requests/s and B sequences that decode in each worker:

    B    = X/D·TPOT·(OSL − 1)                what decodes, by Little's law
    TPOT = t_d(B)/accepted                   no prompt falls between tokens
    u    = X·s/P                             share of the prefill pool's time in use; s = p + o/m a prompt of full steps
    W    = s/2P·u^(√(2c + 2) − 1)/(1 − u)    queue for prefill, c = P·max(m, 1) places (M/D/c, Sakasegawa, 1977)
    TTFT = F + p·(1 + (r − 1)·σ) + o·max(1, 1/m) + W + K
    N    = X·(TTFT + TPOT·(OSL − 1))

p is what a prompt takes of a worker's steps, o what each of these takes once (launches, dense weights, host), m the
prompts that the token budget of a step holds. A prompt runs on one of the r ranks of attention data parallelism, which
hold the share σ of p: alone, it waits for that rank. F is from the client to the scheduler, through the router. K is
the transfer of the prompt's KV cache (see `transfer`). Requests beyond the slots of the decode pool wait, before their
first token. X solves the last line, by bisection on B: all of it grows with B.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretoken.predict.arrays import Floats
from paretoken.predict.first_token import LEAD_S
from paretoken.predict.load import LoadColumns, kv_slots, prompt_pairs
from paretoken.predict.numbers import Columns
from paretoken.predict.prompts import prompt_terms
from paretoken.predict.terms import accepted_tokens, decode_seconds, multiplier, total

HALVINGS = 60
FULL = 1 - 1e-9
LEAST_BATCH = 0.7
"""A step never decodes fewer sequences than this on average, as in `steady`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolColumns:
    """Columns of pooled cases, shape (n,): one worker of each pool, its load, multipliers (n, terms), and workers.

    The load of both sides is that of one worker if all users were in its pool. `prefill_pace` and `decode_pace` are
    factors on the times of each pool.
    """

    prefill: Columns
    decode: Columns
    prefill_load: LoadColumns
    decode_load: LoadColumns
    prefill_multipliers: Floats
    decode_multipliers: Floats
    prefill_pace: Floats
    decode_pace: Floats
    prefill_workers: Floats
    decode_workers: Floats
    transfer_s: Floats
    users: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledState:
    """The steady state, shape (n,): seconds, requests/s, `batch` sequences that decode in a worker, busy shares.

    `waiting_s` and `transfer_s` are parts of the mean TTFT.
    """

    tpot_s: Floats
    ttft_s: Floats
    e2e_s: Floats
    requests_per_s: Floats
    batch: Floats
    prefill_busy: Floats
    waiting_s: Floats
    transfer_s: Floats
    prompt_s: Floats


@dataclass(frozen=True, slots=True)
class PrefillTimes:
    """Seconds of a prompt in a prefill worker: `alone_s` with nothing else there, `full_s` of full steps.

    `places` are the prompts that a step holds.
    """

    alone_s: Floats
    full_s: Floats
    places: Floats


def prefill_times(columns: Columns, multipliers: Floats, load: LoadColumns) -> PrefillTimes:
    """What a prompt takes of a worker that only prefills."""
    parts = prompt_terms(columns, multipliers, load.computed, prompt_pairs(columns, load))
    once = parts["overhead"] + parts["weights"]
    once = once + columns.engine.mixed * decode_seconds(columns, multipliers, np.zeros_like(once), load.isl)
    ranks = columns.layout.attention_groups
    each = total(parts) - parts["overhead"] - parts["weights"]
    own = parts["attention"] + parts["compute"] * _own_share(columns)
    places = columns.engine.max_batched_tokens * ranks * columns.layout.stages / load.computed
    return PrefillTimes(
        alone_s=each + (ranks - 1) * own + once * np.maximum(1.0, 1 / places),
        full_s=each + once / places,
        places=np.maximum(places, 1.0),
    )


def _own_share(columns: Columns) -> Floats:
    """Share of a prompt's GEMMs that its rank does alone."""
    work = columns.work
    share: Floats = work.attention_flops * columns.layout.attention_groups / columns.layout.gpus
    return np.clip(share / np.maximum(work.prompt_dense_flops + work.expert_flops, 1e-9), 0.0, 1.0)


def pooled_steady(x: PoolColumns) -> PooledState:
    """The steady state of each case."""
    prompt = prefill_times(x.prefill, x.prefill_multipliers, x.prefill_load)
    alone, full = prompt.alone_s * x.prefill_pace, prompt.full_s * x.prefill_pace
    places = x.prefill_workers * prompt.places
    lead = LEAD_S * multiplier(x.prefill_multipliers, "ahead")
    load, tokens = x.decode_load, np.maximum(x.decode_load.osl - 1, 1e-9)
    context = load.isl + load.osl / 2
    slots = kv_slots(x.decode, load)

    def at(batch: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        step = decode_seconds(x.decode, x.decode_multipliers, np.maximum(batch, LEAST_BATCH), context)
        tpot = step * x.decode_pace / accepted_tokens(x.decode, x.decode_multipliers)
        rate = batch * x.decode_workers / (tpot * tokens)
        used = rate * full / x.prefill_workers
        inside = np.minimum(used, FULL)
        waiting = full / (2 * x.prefill_workers) * inside ** (np.sqrt(2 * (places + 1)) - 1) / (1 - inside)
        return tpot, rate, used, waiting

    low, high = np.full_like(x.users, 1e-6), np.minimum(x.users / x.decode_workers, slots)
    for _ in range(HALVINGS):
        batch = np.sqrt(low * high)
        tpot, rate, used, waiting = at(batch)
        users = rate * (lead + alone + waiting + x.transfer_s) + batch * x.decode_workers
        over = (users > x.users) | (used > FULL)
        low, high = np.where(over, low, batch), np.where(over, batch, high)
    tpot, rate, used, waiting = at(low)
    e2e = x.users / rate
    ttft = e2e - tpot * tokens
    return PooledState(
        tpot_s=tpot,
        ttft_s=ttft,
        e2e_s=e2e,
        requests_per_s=rate,
        batch=low,
        prefill_busy=used,
        waiting_s=np.maximum(ttft - lead - alone - x.transfer_s, 0.0),
        transfer_s=x.transfer_s,
        prompt_s=alone,
    )
