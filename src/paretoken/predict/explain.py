"""Where a step's time goes: every term of a decode step, of a prompt and of the TTFT, as calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict.acceptance import SpeculationInForce, speculation_in_force
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.effects import FACTORS, PACE
from paretoken.predict.calibration.file import Calibration, shipped_calibration
from paretoken.predict.calibration.sample import case_columns, within_slots
from paretoken.predict.deployment import Case
from paretoken.predict.load import co_running, kv_slots, prompt_pairs
from paretoken.predict.multipliers import log_multipliers
from paretoken.predict.predictor import predict_cases
from paretoken.predict.prompts import prompt_terms
from paretoken.predict.steady import ttft_parts
from paretoken.predict.terms import accepted_tokens, active_experts, decode_terms, micro_batch

DECODE = {
    "dense": "GEMMs: attention projections, dense and shared FFN, output head",
    "experts": "routed experts: GEMMs and routing",
    "imbalance": "waiting for the busiest expert rank",
    "kv": "attention over the KV cache",
    "link": "all-reduce and expert exchange",
    "network": "all-reduce or gather and scatter over the network",
    "hop": "pipeline: activations between stages",
    "layer": "launches and small operators of each layer",
    "step": "host, once a step",
    "sequence": "host, for each sequence",
    "draft": "drafting tokens, one pass after another",
}
PROMPT = {
    "compute": "GEMMs",
    "weights": "weights that no other sequence of the step reads",
    "attention": "attention within the prompt",
    "link": "all-reduce and expert exchange",
    "network": "all-reduce or gather and scatter over the network",
    "hop": "pipeline: activations between stages",
    "overhead": "launches and host",
}
TTFT = {
    "prompt": "prefill time alone",
    "lead": "client, HTTP and tokenization, up to the scheduler",
    "steps": "decode steps: what is left of the running one, and the one that the prefill shares",
    "waiting": "queueing for the prefill of others and, beyond the KV cache slots, for a slot",
}
DISPATCHED = {"link": "dispatch and combine", "network": "dispatch and combine over the network"}
"""Words of the exchanges of wide expert parallelism."""
LEAST_SHARE = 1e-4
"""A part of the TTFT that is less than this is the error of the fixed point."""


@dataclass(frozen=True, slots=True)
class TimeShare:
    """One term: its phase (decode, prompt, ttft), name, what it is, seconds, and share of the phase."""

    phase: str
    name: str
    what: str
    seconds: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The parts of a decode step at the mean decoding batch, of one prompt, and of the median TTFT.

    `busy` is the share of the engine's time that prompts take. `tpot_s` is the step's time over what prompts leave; for
    single tokens it is NaN, and nothing decodes: prompts take all the time. Of several replicas it is one with users.
    """

    case: Case
    batch: float
    active_experts: float
    parts: tuple[TimeShare, ...]
    busy: float
    tpot_s: float
    ttft_s: float
    e2e_s: float
    speculation: SpeculationInForce | None = None


def explain_case(case: Case, *, calibration: Calibration | None = None, catalog: Catalog | None = None) -> Explanation:
    """Take a prediction apart."""
    catalog, calibration = catalog or load_catalog(), calibration or shipped_calibration()
    predictions = predict_cases([case.each], calibration=calibration, catalog=catalog)
    case = predictions.cases[0]
    log_terms, factors = log_multipliers(within_slots([case], catalog), calibration, catalog)
    multipliers, stretch = np.exp(log_terms), float(np.exp(factors[0, FACTORS.index(PACE)]))
    columns, load = case_columns([case], catalog)
    slots = kv_slots(columns, load)
    step = term_seconds(decode_terms(columns, multipliers, predictions.batch, load.isl + load.osl / 2), stretch)
    pairs, others = prompt_pairs(columns, load), co_running(columns, load, slots)
    prompt = term_seconds(prompt_terms(columns, multipliers, load.computed, pairs, others), stretch)
    decode_s = sum(step.values()) / float(accepted_tokens(columns, multipliers)[0])
    tpot_s, ttft_s, e2e_s = (float(x[0]) for x in (predictions.tpot_s, predictions.ttft_s, predictions.e2e_s))
    ttft = _as_predicted(term_seconds(ttft_parts(columns, multipliers, load, slots=slots), stretch), ttft_s)
    exchanges = DISPATCHED if columns.links.dispatched[0] else {}
    positions = micro_batch(columns, predictions.batch) * columns.engine.drafted
    return Explanation(
        case=case,
        batch=float(predictions.batch[0]),
        active_experts=float(active_experts(columns, positions)[0]) if columns.shape.moe_layers[0] else 0.0,
        parts=(
            *time_shares("decode", step, DECODE | exchanges),
            *time_shares("prompt", prompt, PROMPT | exchanges),
            *time_shares("ttft", ttft, TTFT, LEAST_SHARE),
        ),
        busy=max(1 - decode_s / tpot_s, 0.0) if case.lengths.osl > 1 else 1.0,
        tpot_s=tpot_s,
        ttft_s=ttft_s,
        e2e_s=e2e_s,
        speculation=speculation_in_force(case.deployment, calibration, catalog),
    )


def term_seconds(terms: Mapping[str, Floats], stretch: float) -> dict[str, float]:
    """The seconds of the first case, stretched by a factor."""
    return {name: float(values[0]) * stretch for name, values in terms.items()}


def _as_predicted(parts: dict[str, float], ttft_s: float) -> dict[str, float]:
    """Parts that add up to the TTFT: between powers of two of users it is read off a curve, which never falls."""
    whole = sum(parts.values())
    if whole > ttft_s:
        return {name: seconds * ttft_s / whole for name, seconds in parts.items()}
    return {**parts, "waiting": parts["waiting"] + ttft_s - whole}


def time_shares(
    phase: str, seconds: Mapping[str, float], words: Mapping[str, str], least: float = 0.0
) -> tuple[TimeShare, ...]:
    """The parts of a phase with their shares of it, in the order of `words`; those below `least` are left out."""
    whole = sum(seconds.values())
    shares = {name: seconds[name] / whole for name in words}
    return tuple(
        TimeShare(phase, name, words[name], seconds[name], share)
        for name, share in shares.items()
        if abs(share) > least
    )
