"""Where the time and the GPUs of a disaggregated deployment go, as calibrated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict.calibration.file import Calibration, shipped_calibration
from paretoken.predict.explain import DECODE, DISPATCHED, LEAST_SHARE, PROMPT, TimeShare, term_seconds, time_shares
from paretoken.predict.load import kv_slots, prompt_pairs
from paretoken.predict.numbers import Columns
from paretoken.predict.pools.layout import PooledCase
from paretoken.predict.pools.predictor import pool_columns, predict_pools
from paretoken.predict.pools.steady import LEAST_BATCH
from paretoken.predict.prompts import prompt_terms
from paretoken.predict.terms import accepted_tokens, decode_terms, total

ALONE = {**PROMPT, "alone": "a step of its own, and with attention data parallelism one rank at work for it"}
FIRST_TOKEN = {
    "lead": "client, HTTP, router and tokenization, up to the scheduler of the prefill worker",
    "prompt": "prefill time alone",
    "waiting": "queueing for the prefill of others and, beyond the KV cache slots of the decode pool, for a slot",
    "transfer": "KV cache from the prefill worker to the decode worker",
}
FULL = 0.95
"""Share of a pool in use at which it limits the throughput."""


@dataclass(frozen=True, slots=True)
class GpuShare:
    """What a share of the GPU time of both pools goes to; shares add up to 1."""

    pool: str
    use: str
    what: str
    gpus: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolExplanation:
    """The parts of a decode step at the mean batch, of a prompt alone in a prefill worker, and of the median TTFT.

    `batch` sequences decode in each decode worker, which has `slots` for them. `limited_by` is what more users would
    run into: prefill, slots, or nothing yet (users).
    """

    case: PooledCase
    parts: tuple[TimeShare, ...]
    gpus: tuple[GpuShare, ...]
    prefill_busy: float
    batch: float
    slots: float
    limited_by: str
    requests_per_s: float
    tpot_s: float
    ttft_s: float
    e2e_s: float


def explain_pools(
    case: PooledCase, *, calibration: Calibration | None = None, catalog: Catalog | None = None
) -> PoolExplanation:
    """Take the prediction of a checked case apart."""
    catalog, calibration = catalog or load_catalog(), calibration or shipped_calibration()
    s = predict_pools([case], calibration=calibration, catalog=catalog).state
    x = pool_columns([case], calibration, catalog)
    pace = float(np.exp(x.prefill_pace[0]))
    batch, busy = float(s.batch[0]), float(s.prefill_busy[0])
    context = x.decode_load.isl + x.decode_load.osl / 2
    running = s.batch.clip(LEAST_BATCH)
    step = decode_terms(x.decode, x.decode_multipliers, running, context)
    paced = float((s.tpot_s * accepted_tokens(x.decode, x.decode_multipliers) / total(step))[0])
    pairs = prompt_pairs(x.prefill, x.prefill_load)
    prompt = term_seconds(prompt_terms(x.prefill, x.prefill_multipliers, x.prefill_load.computed, pairs), pace)
    alone, ttft = float(s.prompt_s[0]), float(s.ttft_s[0])
    first = {name: float(getattr(s, f"{name}_s")[0]) for name in FIRST_TOKEN}
    slots = float(kv_slots(x.decode, x.decode_load)[0])
    return PoolExplanation(
        case=case,
        parts=(
            *time_shares(
                "prompt",
                {**prompt, "alone": max(alone - sum(prompt.values()), 0.0)},
                ALONE | _exchanges(x.prefill),
                LEAST_SHARE,
            ),
            *time_shares("decode", term_seconds(step, paced), DECODE | _exchanges(x.decode)),
            *time_shares("ttft", first, FIRST_TOKEN),
        ),
        gpus=_gpu_shares(case, busy, batch),
        prefill_busy=busy,
        batch=batch,
        slots=slots,
        limited_by="prefill" if busy > FULL else "slots" if batch > FULL * slots else "users",
        requests_per_s=float(s.requests_per_s[0]),
        tpot_s=float(s.tpot_s[0]),
        ttft_s=ttft,
        e2e_s=float(s.e2e_s[0]),
    )


def _exchanges(columns: Columns) -> dict[str, str]:
    return DISPATCHED if columns.links.dispatched[0] else {}


def _gpu_shares(case: PooledCase, busy: float, batch: float) -> tuple[GpuShare, ...]:
    """A decode worker idles where less than one sequence decodes in it on average."""
    pools, decoding = case.pools, min(batch, 1.0)
    uses = (
        ("prefill", "busy", "prefill of prompts", pools.prefill_gpus * busy),
        ("prefill", "idle", "waiting for prompts", pools.prefill_gpus * (1 - busy)),
        ("decode", "busy", "decode steps", pools.decode_gpus * decoding),
        ("decode", "idle", "waiting for sequences", pools.decode_gpus * (1 - decoding)),
    )
    return tuple(GpuShare(pool, use, what, gpus, gpus / pools.gpus) for pool, use, what, gpus in uses)
