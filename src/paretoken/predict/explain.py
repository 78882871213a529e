"""Where a step's time goes: every term of a decode step and of a prompt, in milliseconds, as calibrated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretoken.catalog import Catalog, load_catalog
from paretoken.predict.calibration.effects import FACTORS, PACE
from paretoken.predict.calibration.file import Calibration, shipped_calibration
from paretoken.predict.calibration.points import arrays
from paretoken.predict.deployment import Case
from paretoken.predict.predictor import logs, predict_cases
from paretoken.predict.prompts import prompt_pairs, prompt_terms
from paretoken.predict.steady import company, places
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


@dataclass(frozen=True, slots=True)
class Part:
    """One term: its phase, name, what it is, seconds, and share of the phase."""

    phase: str
    name: str
    what: str
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """The parts of a decode step at the mean decoding batch, and of one prompt; and what a request makes of them.

    `busy` is the share of the engine's time that prompts take. `tpot_s` is the step's time over what prompts leave; for
    single tokens it is NaN, and nothing decodes: prompts take all the time. Of several replicas it is one with users.
    """

    case: Case
    batch: float
    active_experts: float
    parts: tuple[Part, ...]
    busy: float
    tpot_s: float
    ttft_s: float
    e2e_s: float


def explain_case(case: Case, *, calibration: Calibration | None = None, catalog: Catalog | None = None) -> Explanation:
    """Take a prediction apart."""
    case = case.each
    catalog, calibration = catalog or load_catalog(), calibration or shipped_calibration()
    p = predict_cases([case], calibration=calibration, catalog=catalog)
    log_terms, factors = logs([case], calibration, catalog)
    m, stretch = np.exp(log_terms), float(np.exp(factors[0, FACTORS.index(PACE)]))
    c, load = arrays([case], catalog)
    context = load.isl + load.osl / 2
    others = company(c, load, places(c, load))
    step = {k: float(v[0]) * stretch for k, v in decode_terms(c, m, p.batch, context).items()}
    prompt = {
        k: float(v[0]) * stretch for k, v in prompt_terms(c, m, load.isl, prompt_pairs(c, load.isl), others).items()
    }
    decode_s = sum(step.values()) / float(c.accepted[0])
    return Explanation(
        case,
        float(p.batch[0]),
        float(active_experts(c, micro_batch(c, p.batch) * c.drafted)[0]) if c.moe_layers[0] else 0.0,
        (*_parts("decode", step, DECODE), *_parts("prompt", prompt, PROMPT)),
        max(1 - decode_s / float(p.tpot_s[0]), 0.0) if case.lengths.osl > 1 else 1.0,
        float(p.tpot_s[0]),
        float(p.ttft_s[0]),
        float(p.e2e_s[0]),
    )


def _parts(phase: str, seconds: dict[str, float], words: dict[str, str]) -> tuple[Part, ...]:
    whole = sum(seconds.values())
    return tuple(
        Part(phase, name, words[name], seconds[name], seconds[name] / whole) for name in words if seconds[name] > 0
    )


def plot_explanation(e: Explanation):
    """A plotly figure: the parts of a decode step and of a prompt as stacked bars."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for phase in ("decode", "prompt"):
        for part in (x for x in e.parts if x.phase == phase):
            figure.add_bar(
                y=[phase], x=[part.share * 100], name=part.what, orientation="h",
                text=f"{part.name} {part.seconds * 1e3:.2f} ms",
                hovertemplate=f"{part.what}: %{{x:.1f}} %<extra></extra>",
            )  # fmt: skip
    d = e.case.deployment
    figure.update_layout(
        barmode="stack",
        title=f"{d.model} {d.precision} on {d.hardware}, {d.engine}, {e.case.concurrency:g} users",
        xaxis_title="share of the time, %",
    )
    return figure
