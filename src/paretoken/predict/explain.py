"""Where a step's time goes: every term of a decode step, of a prompt and of the TTFT, as calibrated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict.calibration.effects import FACTORS, PACE
from paretoken.predict.calibration.file import Calibration, shipped_calibration
from paretoken.predict.calibration.sample import arrays
from paretoken.predict.deployment import Case
from paretoken.predict.predictor import logs, predict_cases
from paretoken.predict.prompts import prefill_latency, attention_pairs, prompt_terms
from paretoken.predict.steady import AHEAD, STEPS_AHEAD, co_running, kv_slots, steady
from paretoken.predict.terms import active_experts, decode_terms, micro_batch

DECODE = {
    "dense": "GEMMs: attention projections, dense and shared FFN, output head",
    "experts": "routed experts: GEMMs and routing",
    "imbalance": "waiting for the busiest expert rank",
    "kv": "attention over the KV cache",
    "link": "all-reduce and expert exchange",
    "hop": "pipeline: activations between stages",
    "layer": "launches and small operators of each layer",
    "step": "host, once a step",
    "sequence": "host, for each sequence",
}
PROMPT = {
    "compute": "GEMMs",
    "weights": "weights that no other sequence of the step reads",
    "attention": "attention within the prompt",
    "link": "all-reduce and expert exchange",
    "hop": "pipeline: activations between stages",
    "overhead": "launches and host",
}
TTFT = {
    "prompt": "the prompt: its parts above, on its own way",
    "ahead": "decode steps: half of the running one, and the one that the prompt rides on",
    "waiting": "prompts in front and, where users are more than kv_slots, a place",
    "first": "what calibration found of the first token alone: times {:.2f}",
}
LEAST_SHARE = 1e-4
"""A part of the TTFT that is less than this is what the fixed point is off by."""


@dataclass(frozen=True, slots=True)
class TimeShare:
    """One term: its phase (decode, prompt, ttft), name, what it is, seconds, and share of the phase."""

    phase: str
    name: str
    what: str
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """The parts of a decode step at the mean decoding batch, of one prompt, and of the median TTFT.

    `busy` is the share of the engine's time that prompts take. `tpot_s` is the step's time over what prompts leave; for
    single tokens it is NaN, and nothing decodes: prompts take all the time. `first` is the factor on the first token
    alone, which no other time has; as a part of the TTFT it is what it adds, or takes away. Of several replicas it is
    one with users.
    """

    case: Case
    batch: float
    active_experts: float
    parts: tuple[TimeShare, ...]
    busy: float
    first: float
    tpot_s: float
    ttft_s: float
    e2e_s: float


def explain_case(case: Case, *, calibration: Calibration | None = None, catalog: Catalog | None = None) -> Explanation:
    """Take a prediction apart."""
    case = case.each
    catalog, calibration = catalog or load_catalog(), calibration or shipped_calibration()
    p = predict_cases([case], calibration=calibration, catalog=catalog)
    case = p.cases[0]
    log_terms, factors = logs([case], calibration, catalog)
    m, stretch = np.exp(log_terms), float(np.exp(factors[0, FACTORS.index(PACE)]))
    c, load = arrays([case], catalog)
    context = load.isl + load.osl / 2
    held = kv_slots(c, load)
    others = co_running(c, load, held)
    step = {k: float(v[0]) * stretch for k, v in decode_terms(c, m, p.batch, context).items()}
    prompt = {
        k: float(v[0]) * stretch for k, v in prompt_terms(c, m, load.isl, attention_pairs(c, load.isl), others).items()
    }
    decode_s = sum(step.values()) / float(c.accepted[0])
    unscaled_s = float(steady(c, m, load, held=held).ttft_s[0]) * stretch
    ttft_s, own_s = float(p.ttft_s[0]), float(prefill_latency(c, sum(prompt.values()) / c.stages, load.isl)[0])
    ahead_s = STEPS_AHEAD * decode_s * float(m[0, AHEAD])
    ttft = {"prompt": own_s, "ahead": ahead_s, "waiting": unscaled_s - own_s - ahead_s, "first": ttft_s - unscaled_s}
    words = TTFT | {"first": TTFT["first"].format(ttft_s / unscaled_s)}
    return Explanation(
        case,
        float(p.batch[0]),
        float(active_experts(c, micro_batch(c, p.batch) * c.drafted)[0]) if c.moe_layers[0] else 0.0,
        (*_parts("decode", step, DECODE), *_parts("prompt", prompt, PROMPT), *_parts("ttft", ttft, words, LEAST_SHARE)),
        max(1 - decode_s / float(p.tpot_s[0]), 0.0) if case.lengths.osl > 1 else 1.0,
        ttft_s / unscaled_s,
        float(p.tpot_s[0]),
        ttft_s,
        float(p.e2e_s[0]),
    )


def _parts(phase: str, seconds: dict[str, float], words: dict[str, str], least: float = 0.0) -> tuple[TimeShare, ...]:
    whole = sum(seconds.values())
    shares = {name: seconds[name] / whole for name in words}
    return tuple(
        TimeShare(phase, name, words[name], seconds[name], share) for name, share in shares.items() if abs(share) > least
    )


def plot_explanation(e: Explanation):
    """A plotly figure: the parts of a decode step, of a prompt and of the TTFT as stacked bars."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for phase in ("decode", "prompt", "ttft"):
        for part in (x for x in e.parts if x.phase == phase):
            figure.add_bar(
                y=[phase],
                x=[part.share * 100],
                name=part.what,
                orientation="h",
                text=f"{part.name} {part.seconds * 1e3:.2f} ms",
                hovertemplate=f"{part.what}: %{{x:.1f}} %<extra></extra>",
            )
    d = e.case.deployment
    figure.update_layout(
        barmode="relative",  # a factor below 1 takes away
        title=f"{d.model} {d.precision} on {d.hardware}, {d.engine}, {e.case.concurrency:g} users",
        xaxis_title="share of the time, %",
    )
    return figure
