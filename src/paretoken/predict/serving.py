"""From a deployment to what the simulation and the emulated endpoint run on: step times and limits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import BadConfig
from paretoken.predict.calibration.effects import FACTORS, PACE
from paretoken.predict.calibration.file import Calibration, shipped_calibration
from paretoken.predict.columns import LEAST_CACHE, Columns, columns, memory_bytes
from paretoken.predict.deployment import NO_EVICT_CORES, Case, Deployment, Lengths, require_experts
from paretoken.predict.predictor import logs
from paretoken.predict.prompts import (
    CHUNK_TOKENS,
    gemm_seconds,
    prompt_terms,
    prompt_weights_seconds,
    weights_seconds,
)
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import ServingOptions
from paretoken.predict.terms import decode_seconds, micro_batch, roofline

BLOCK_TOKENS = 16
MOST_SEQUENCES = 1024
"""vLLM's default on data-centre GPUs (since v0.8); SGLang's and TensorRT-LLM's are of the same order."""
_ANCHORS = (2.0, 16.0, 128.0)


@dataclass(frozen=True, slots=True, eq=False)
class CalibratedStep:
    """Step times of one deployment, as `steptime.StepTime` wants them, in seconds.

    `fixed` and `per_token` hold a decode step for every batch from 0 to the largest; prompts cost `per_prompt_token`,
    `per_pair` and, once in each step that has any, `per_prompt` and the `weights` that so many others do not read.

    Where nobody decodes, a step takes what it takes for nobody: dense weights, launches, host. Its prompts compute
    while these weights are read, `read` seconds, and `gemm` for each token: a roofline, of which a sum counts too
    much. An engine that gives prompts steps of their own has all that in `per_prompt` and `weights`, and no `read`.
    """

    fixed: list[float]
    per_token: list[float]
    per_prompt_token: float
    per_pair: float
    per_prompt: float
    weights: list[float]
    read: float = 0.0
    gemm: float = 0.0

    def decode(self, batch: int) -> tuple[float, float]:
        return self.fixed[batch], self.per_token[batch]

    def prefill(self, tokens: int, pairs: float, batch: int = 0) -> float:
        if not tokens:
            return 0.0
        at_once = 0.0 if batch else _at_once(self.read, self.gemm * tokens)
        return self.per_prompt + self.weights[batch] + self.per_prompt_token * tokens + self.per_pair * pairs - at_once

    def step(self, batch: int, context: float, tokens: int, pairs: float) -> float:
        return self.fixed[batch] + self.per_token[batch] * context + self.prefill(tokens, pairs, batch)


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """A deployment ready to be simulated."""

    step_time: CalibratedStep
    limits: SchedulerLimits
    serving: ServingOptions


def kv_tokens(c: Columns) -> int:
    """Tokens that the KV caches of the whole deployment hold, windowed layers counted in full below their window."""
    return int(
        max(c.cache_bytes[0], c.least_cache_bytes[0])
        / (c.kv_bytes_per_token[0] * (1 - c.windowed[0]))
        * c.attention_groups[0]
        * c.stages[0]
    )


def served(
    deployment: Deployment,
    lengths: Lengths,
    *,
    calibration: Calibration | None = None,
    catalog: Catalog | None = None,
    max_num_seqs: int = MOST_SEQUENCES,
    max_batched_tokens: int = CHUNK_TOKENS,
    prefix_hit_rate: float = 0.0,
    acceptance_length: float | None = None,
) -> Served:
    """Step times under the calibrated multipliers, and the limits of memory and scheduler.

    `lengths` set the mean context that windowed layers see and the pace at these lengths. With drafting,
    `acceptance_length` is the tokens a step yields (the calibrated base otherwise). BadConfig if it does not fit, or if
    experts cannot be shared so. A pipeline's step is a round of its micro-batches: each has the budget
    `max_batched_tokens`, and a prompt adds what it takes of one stage.
    """
    catalog = catalog or load_catalog()
    require_experts(deployment, catalog)
    require_fit(deployment, catalog)
    c = columns([deployment], catalog)
    cases = [Case(deployment, lengths, users) for users in _ANCHORS]
    log_terms, factors = logs(cases, calibration or shipped_calibration(), catalog)
    pace = factors[:, FACTORS.index(PACE)]
    m = np.exp(log_terms[:1])
    batches = np.arange(max_num_seqs + 1, dtype=float)
    stretch = np.exp(_curve(np.log2(np.maximum(batches, 1.0)), np.log2(_ANCHORS), pace))
    context = lengths.mean_isl + lengths.mean_osl / 2
    at, further = (decode_seconds(c, m, batches, x) * stretch for x in (context, context + 1.0))
    slope = further - at
    per_token = np.divide(slope, batches, out=np.zeros_like(slope), where=batches > 0)
    fixed = at - slope * context
    mixed = bool(c.mixed[0])
    fixed[0] *= mixed
    prompt = float(np.exp(pace[1])) / deployment.pp
    tokens = min(lengths.mean_isl, CHUNK_TOKENS)
    parts = {k: float(v[0]) * prompt for k, v in prompt_terms(c, m, tokens, np.ones(1)).items()}
    weights = prompt_weights_seconds(c, m, tokens, micro_batch(c, batches)) * prompt
    read = float(weights_seconds(c, m)[0] * stretch[0]) * mixed / deployment.pp
    accepted = float(c.accepted[0]) if acceptance_length is None else acceptance_length
    return Served(
        CalibratedStep(
            fixed.tolist(),
            per_token.tolist(),
            (parts["compute"] + parts["link"] + parts["hop"]) / tokens,
            parts["attention"],
            parts["overhead"],
            weights.tolist(),
            read,
            float(gemm_seconds(c, m, 1.0)[0]) * prompt,
        ),
        SchedulerLimits(
            max_num_seqs,
            max_batched_tokens * deployment.pp,
            max(kv_tokens(c) // BLOCK_TOKENS, 1),
            BLOCK_TOKENS,
            mixed=mixed,
            reserve_output=catalog.engines[deployment.engine].core in NO_EVICT_CORES,
        ),
        ServingOptions(prefix_hit_rate, accepted if deployment.drafting else 1.0, stages=deployment.pp),
    )


def _at_once(read: float, computed: float) -> float:
    """Seconds of a sum in which weights are read and used at once; what is left of it is a roofline."""
    return read + computed - roofline(read, computed)


def _curve(x: np.ndarray, anchors: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The parabola through three anchors, held constant beyond one more anchor's distance on either side."""
    step = anchors[1] - anchors[0]
    return np.polyval(np.polyfit(anchors, values, 2), np.clip(x, anchors[0] - step, anchors[-1] + step))


def _spare(d: Deployment, catalog: Catalog) -> float:
    """Bytes per GPU that the least cache leaves; negative by what is missing. Engines squeeze in where published
    points show that a model just fits, so the reserve may be eaten into by as much as the least cache."""
    return float(columns([d], catalog).cache_bytes[0]) + LEAST_CACHE * memory_bytes(d, catalog)


def require_fit(deployment: Deployment, catalog: Catalog | None = None) -> None:
    """BadConfig where weights leave no memory for a cache: by how many GB, and how many GPUs would do."""
    d, catalog = deployment, catalog or load_catalog()
    short = -_spare(d, catalog)
    if short < 0:
        return
    model = catalog.models[d.model]
    most = catalog.accelerators[d.accelerator].max_scaleup_gpus
    enough = next(
        (
            n
            for n in (2**k for k in range(1, 10))
            if d.stage_gpus < n <= max(most, 8)
            and model.heads % n == 0
            and _spare(replace(d, gpus=n * d.pp, tp=n, ep=min(d.ep, n)), catalog) > 0
        ),
        None,
    )
    advice = f"tp {enough} would do" if enough else "no tp of one node would do; use a lower precision or a higher pp"
    raise BadConfig(
        f"{d.model} in {d.precision} does not fit {d.hardware}: {short / 1e9:.1f} GB per GPU are missing; {advice}"
    )
