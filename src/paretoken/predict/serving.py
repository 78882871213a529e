"""From a deployment to what the simulation and the emulated endpoint run on: step times and limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.effects import FACTORS, PACE
from paretoken.predict.calibration.file import Calibration, shipped_calibration
from paretoken.predict.capacity import kv_tokens, require_fit
from paretoken.predict.columns import deployment_columns, deployment_numbers
from paretoken.predict.deployment import NO_EVICT_CORES, Case, Deployment, Lengths, require_experts
from paretoken.predict.engine_defaults import settings_in_force
from paretoken.predict.first_token import LEAD_S, LEAD_SPREAD, START_S
from paretoken.predict.memory import BLOCK_TOKENS
from paretoken.predict.multipliers import log_multipliers
from paretoken.predict.numbers import Columns
from paretoken.predict.pace import ANCHORS, pace_at
from paretoken.predict.prompts import attention_pairs, prompt_terms, prompt_weights_seconds
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import MOST_ACCEPTED, ServingOptions
from paretoken.predict.terms import accepted_tokens, decode_seconds, micro_batch, multiplier


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CalibratedStep:
    """Step times of one deployment, as `steptime.StepTime` wants them, in seconds.

    `fixed` and `per_token` hold a decode step for every batch from 0 to the largest; prompts cost `per_prompt_token`,
    `per_pair` and, once in each step that has any, `per_prompt` and the `weights` that no decoding sequence reads.

    A step without decodes takes the time of an empty one besides: dense weights, launches, host. An engine that gives
    prompts steps of their own has all that in `per_prompt` and `weights`.
    """

    fixed: list[float]
    per_token: list[float]
    per_prompt_token: float
    per_pair: float
    per_prompt: float
    weights: list[float]

    def decode(self, batch: int) -> tuple[float, float]:
        return self.fixed[batch], self.per_token[batch]

    def prefill(self, tokens: int, pairs: float, batch: int = 0) -> float:
        if not tokens:
            return 0.0
        return self.per_prompt + self.weights[batch] + self.per_prompt_token * tokens + self.per_pair * pairs

    def step(self, batch: int, context: float, tokens: int, pairs: float) -> float:
        return self.fixed[batch] + self.per_token[batch] * context + self.prefill(tokens, pairs, batch)


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """A deployment ready to be simulated; `start_s` is what its server does once, before the first tokens of a run."""

    step_time: CalibratedStep
    limits: SchedulerLimits
    serving: ServingOptions
    start_s: float


def served(
    deployment: Deployment,
    lengths: Lengths,
    *,
    calibration: Calibration | None = None,
    catalog: Catalog | None = None,
) -> Served:
    """Step times under the calibrated multipliers, and the limits of memory and scheduler.

    `lengths` set the mean context that windowed layers see and the pace at these lengths. BadConfig if it does not fit,
    or if experts cannot be shared so. A step verifies what is drafted and yields the acceptance length, as stated or as
    calibrated. A pipeline's step is a round of its micro-batches: each has the budget
    `max_batched_tokens`, and a prompt adds what it takes of one stage. All attention-DP ranks are one engine.
    """
    catalog = catalog or load_catalog()
    require_experts(deployment, catalog)
    require_fit(deployment, catalog)
    cases = [Case(deployment=deployment, lengths=lengths, concurrency=users) for users in ANCHORS]
    log_terms, factors = log_multipliers(cases, calibration or shipped_calibration(), catalog)
    return served_with(
        deployment,
        lengths,
        deployment_columns([deployment], catalog),
        np.exp(log_terms[:1]),
        factors[:, FACTORS.index(PACE)],
        catalog=catalog,
    )


def served_with(
    deployment: Deployment,
    lengths: Lengths,
    columns: Columns,
    multipliers: Floats,
    log_pace: Floats,
    *,
    catalog: Catalog,
) -> Served:
    """The same with multipliers of shape (1, terms), and ln of the pace at the `pace.ANCHORS`, shape (3,)."""
    settings, ranks = settings_in_force(deployment, catalog), round(float(columns.layout.attention_groups[0]))
    max_num_seqs = settings.max_num_seqs * ranks
    context = lengths.mean_isl + lengths.mean_osl
    return Served(
        _step_time(columns, multipliers, log_pace, lengths, max_num_seqs),
        SchedulerLimits(
            max_num_seqs=max_num_seqs,
            receive_interval=deployment.settings.receive_steps,
            batch_wait=deployment.settings.batch_wait,
            drafted_tokens=round(float(columns.engine.drafted[0])) - 1,
            max_batched_tokens=settings.max_batched_tokens * deployment.pp * ranks,
            kv_blocks=max(kv_tokens(deployment_numbers(deployment, catalog), context) // BLOCK_TOKENS, 1),
            block_tokens=BLOCK_TOKENS,
            mixed=bool(columns.engine.mixed[0]),
            reserve_output=catalog.engines[deployment.engine].core in NO_EVICT_CORES,
        ),
        ServingOptions(
            deployment.settings.prefix_hits,
            min(float(accepted_tokens(columns, multipliers)[0]), MOST_ACCEPTED),
            frontend_s=LEAD_S * float(multiplier(multipliers[0], "ahead")),
            frontend_spread=LEAD_SPREAD,
            stages=deployment.pp,
        ),
        start_s=START_S * float(multiplier(multipliers[0], "start")),
    )


def _step_time(
    columns: Columns, multipliers: Floats, pace: Floats, lengths: Lengths, max_num_seqs: int
) -> CalibratedStep:
    """Step times for every batch up to the largest; `pace` is ln of the factor at the `pace.ANCHORS`."""
    stages, mixed = int(columns.layout.stages[0]), bool(columns.engine.mixed[0])
    batches = np.arange(max_num_seqs + 1, dtype=float)
    stretch = np.exp(pace_at(np.maximum(batches, 1.0), pace))
    context = lengths.mean_isl + lengths.mean_osl / 2
    at, further = (decode_seconds(columns, multipliers, batches, x) * stretch for x in (context, context + 1.0))
    slope = further - at
    per_token = np.divide(slope, batches, out=np.zeros_like(slope), where=batches > 0)
    fixed = at - slope * context
    fixed[0] *= mixed
    prompt = float(np.exp(pace[1])) / stages
    tokens = min(lengths.mean_isl, float(columns.engine.max_batched_tokens[0]))
    terms = {k: float(v[0]) * prompt for k, v in prompt_terms(columns, multipliers, tokens, np.ones(1)).items()}
    weights = prompt_weights_seconds(columns, multipliers, tokens, micro_batch(columns, batches)) * prompt
    return CalibratedStep(
        fixed=fixed.tolist(),
        per_token=per_token.tolist(),
        per_prompt_token=(terms["compute"] + terms["link"] + terms["network"] + terms["hop"]) / tokens,
        per_pair=terms["attention"] * _pairs_share(columns, lengths.mean_isl),
        per_prompt=terms["overhead"],
        weights=weights.tolist(),
    )


def _pairs_share(columns: Columns, isl: float) -> float:
    """Share of a prompt's (query, key) pairs that attention computes: less than 1 with windows or sparse attention."""
    return float(attention_pairs(columns, isl)[0]) / (isl * isl / 2)
