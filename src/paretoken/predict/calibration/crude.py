"""A crude baseline that the calibrated model has to beat: eight parameters for each cell, and no pooling.

With S sequences in service (users, or as many as the KV cache holds), data-sheet rates and θ ≥ 0:

    step   = θ₀·layers + θ₁·weights read/bandwidth + θ₂·S·cached bytes/bandwidth + θ₃·S·FLOPs/peak
             + θ₄·all-reduces·log₂(GPUs) + θ₅·S·all-reduced bytes/link + θ₆·S
    prompt = θ₇·ISL·FLOPs/peak + θ₅·ISL·all-reduced bytes/link
    TPOT   = (step + S/OSL·prompt) / tokens accepted per step
    E2E    = (prompt + TPOT·(OSL − 1)) · max(users/S, 1)        throughput = users·(ISL + OSL)/E2E

All of it is linear in θ, so a fit is non-negative least squares of relative errors of TPOT and E2E. Rows that
draft tokens, and those of laboratories, are cells of their own. A case whose cell has fewer learned rows than
parameters gets a fit of its model and precision on whatever ran them, or else one of everything learned.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from paretoken.catalog.loader import Catalog
from paretoken.predict.arrays import Floats, Ints, Mask
from paretoken.predict.calibration.sample import OUTCOMES, CalibrationSample, case_columns
from paretoken.predict.calibration.splits import CELL, Fold, ids
from paretoken.predict.calibration.validate import HeldOut
from paretoken.predict.deployment import Case
from paretoken.predict.load import LoadColumns, kv_slots
from paretoken.predict.numbers import Columns
from paretoken.predict.terms import cached_tokens

PARAMETERS, MOST_STEPS = 8, 1000
ALIKE = ("drafting", "harness")
GROUPS = ((*CELL, *ALIKE), ("model", "precision", *ALIKE))
"""What is fitted together, narrowest first; where all are too small, everything."""
LEAST_S = 1e-5
"""No token comes faster: where no fitted term bears on a case (links, on one GPU), the sum would be zero."""


def hold_out(sample: CalibrationSample, folds: Sequence[Fold], catalog: Catalog) -> list[HeldOut]:
    """Fit the baseline without each fold and predict it; TTFT is not predicted, so NaN."""
    rows = terms(sample.cases, catalog)
    groups = [ids(sample.table, names) for names in GROUPS]
    out = []
    for fold in folds:
        seconds = _predict(rows, sample, groups, fold.mask)
        residual = np.full((len(seconds), len(OUTCOMES)), np.nan)
        residual[:, :2] = sample.observed[fold.mask, :2] - np.log(np.maximum(seconds, LEAST_S))
        out.append(HeldOut(fold, residual))
    return out


def terms(cases: list[Case], catalog: Catalog) -> Floats:
    """What each parameter is multiplied by in TPOT and in E2E, shape (n, 2, 8); seconds = terms @ θ."""
    columns, load = case_columns(cases, catalog)
    served = np.minimum(load.users, kv_slots(columns, load))
    prompt = _prompt(columns, load)
    tpot = (_step(columns, load, served) + (served / load.osl)[:, None] * prompt) / columns.engine.accepted[:, None]
    life = prompt + tpot * (load.osl - 1)[:, None]
    return np.stack([tpot, life * np.maximum(load.users / served, 1)[:, None]], axis=1)


def _step(columns: Columns, load: LoadColumns, served: Floats) -> Floats:
    """Terms of a decode step, shape (n, 8)."""
    positions = served * columns.engine.drafted
    active = columns.shape.experts * (1 - (1 - columns.shape.active_experts / columns.shape.experts) ** positions)
    weights = columns.memory.dense_weight_bytes + columns.memory.expert_weight_bytes * active
    dense_flops = columns.work.attention_flops / columns.layout.attention_groups + columns.work.dense_flops
    return np.stack(
        [
            columns.shape.layers,
            weights / columns.rates.bandwidth,
            served
            / columns.layout.attention_groups
            * columns.memory.kv_read_bytes_per_token
            * cached_tokens(columns, load.isl + load.osl / 2)
            / columns.rates.bandwidth,
            positions
            * (dense_flops / columns.rates.dense_peak + columns.work.expert_flops / columns.rates.expert_peak),
            columns.links.reductions * np.log2(columns.layout.gpus),
            positions * columns.links.reductions * columns.links.reduced_bytes / columns.links.link,
            served,
            np.zeros(len(served)),
        ],
        axis=1,
    )


def _prompt(columns: Columns, load: LoadColumns) -> Floats:
    """Terms of a whole prompt, shape (n, 8)."""
    out = np.zeros((len(load.isl), PARAMETERS))
    out[:, 5] = load.isl * columns.links.reductions * columns.links.reduced_bytes / columns.links.link
    out[:, 7] = load.isl * (
        columns.work.prompt_dense_flops / columns.rates.dense_peak
        + columns.work.expert_flops / columns.rates.expert_peak
    )
    return out


def fitted(rows: Floats, seconds: Floats, weight: Floats) -> Floats:
    """θ ≥ 0, shape (8,), of the least weighted Σ (terms @ θ / seconds − 1)² over what was observed.

    Shapes: rows (n, 2, 8), seconds (n, 2) with NaN where nothing was, weight (n,).
    """
    measured = np.isfinite(seconds)
    root = np.broadcast_to(np.sqrt(weight)[:, None], seconds.shape)[measured]
    relative = rows[measured] * (root / seconds[measured])[:, None]
    size: Floats = relative.max(axis=0)
    size[size == 0] = 1
    q, r = np.linalg.qr(relative / size)
    theta: Floats = nnls(r, q.T @ root, maxiter=MOST_STEPS)[0]
    return theta / size


def _predict(rows: Floats, sample: CalibrationSample, groups: Sequence[Ints], mask: Mask) -> Floats:
    """Seconds of TPOT and E2E of the cases held back, shape (held back, 2)."""
    observed = np.exp(sample.observed[:, :2])
    out, missing = np.full(observed.shape, np.nan), mask.copy()
    everything = np.zeros(len(sample), dtype=int)
    for group, fewest in (*((g, PARAMETERS) for g in groups), (everything, 1)):
        for one in np.unique(group[missing]):
            here = group == one
            learned, wanted = here & ~mask, here & missing
            if learned.sum() >= fewest:
                out[wanted] = rows[wanted] @ fitted(rows[learned], observed[learned], sample.weight[learned])
                missing &= ~here
    return out[mask]
