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
from paretoken.predict.calibration.sample import OUTCOMES, CalibrationSample, arrays
from paretoken.predict.calibration.splits import CELL, Fold, ids
from paretoken.predict.calibration.validate import HeldOut
from paretoken.predict.columns import Columns
from paretoken.predict.deployment import Case
from paretoken.predict.steady import LoadColumns, kv_slots
from paretoken.predict.terms import kv_bytes

PARAMETERS, MOST_STEPS = 8, 1000
ALIKE = ("drafting", "harness")
GROUPS = ((*CELL, *ALIKE), ("model", "precision", *ALIKE))
"""What is fitted together, narrowest first; where all are too small, everything."""
LEAST_S = 1e-5
"""No token comes faster: where no fitted term bears on a case (links, on one GPU), the sum would be zero."""


def hold(sample: CalibrationSample, folds: Sequence[Fold], catalog: Catalog) -> list[HeldOut]:
    """Fit the baseline without each fold and predict it; TTFT is not predicted, so NaN."""
    rows = terms(sample.cases, catalog)
    groups = [ids(sample.table, some) for some in GROUPS]
    out = []
    for fold in folds:
        seconds = _predict(rows, sample, groups, fold.held)
        residual = np.full((len(seconds), len(OUTCOMES)), np.nan)
        residual[:, :2] = sample.observed[fold.held, :2] - np.log(np.maximum(seconds, LEAST_S))
        out.append(HeldOut(fold, residual))
    return out


def terms(cases: list[Case], catalog: Catalog) -> np.ndarray:
    """What each parameter is multiplied by in TPOT and in E2E, shape (n, 2, 8); seconds = terms @ θ."""
    c, load = arrays(cases, catalog)
    served = np.minimum(load.users, kv_slots(c, load))
    prompt = _prompt(c, load)
    tpot = (_step(c, load, served) + (served / load.osl)[:, None] * prompt) / c.accepted[:, None]
    life = prompt + tpot * (load.osl - 1)[:, None]
    return np.stack([tpot, life * np.maximum(load.users / served, 1)[:, None]], axis=1)


def _step(c: Columns, load: LoadColumns, served: np.ndarray) -> np.ndarray:
    """Terms of a decode step, shape (n, 8)."""
    positions = served * c.drafted
    active = c.experts * (1 - (1 - c.active_experts / c.experts) ** positions)
    weights = c.dense_weight_bytes + c.expert_weight_bytes * active
    dense_flops = c.attention_flops / c.attention_groups + c.dense_flops
    return np.stack(
        [
            c.layers,
            weights / c.bandwidth,
            served / c.attention_groups * kv_bytes(c, load.isl + load.osl / 2) / c.bandwidth,
            positions * (dense_flops / c.dense_peak + c.expert_flops / c.expert_peak),
            c.reductions * np.log2(c.gpus),
            positions * c.reductions * c.reduced_bytes / c.link,
            served,
            np.zeros(len(served)),
        ],
        axis=1,
    )


def _prompt(c: Columns, load: LoadColumns) -> np.ndarray:
    """Terms of a whole prompt, shape (n, 8)."""
    out = np.zeros((len(load.isl), PARAMETERS))
    out[:, 5] = load.isl * c.reductions * c.reduced_bytes / c.link
    out[:, 7] = load.isl * (c.prompt_dense_flops / c.dense_peak + c.expert_flops / c.expert_peak)
    return out


def fitted(rows: np.ndarray, seconds: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """θ ≥ 0, shape (8,), of the least weighted Σ (terms @ θ / seconds − 1)² over what was observed.

    Shapes: rows (n, 2, 8), seconds (n, 2) with NaN where nothing was, weight (n,).
    """
    seen = np.isfinite(seconds)
    root = np.broadcast_to(np.sqrt(weight)[:, None], seconds.shape)[seen]
    relative = rows[seen] * (root / seconds[seen])[:, None]
    size = relative.max(axis=0)
    size[size == 0] = 1
    q, r = np.linalg.qr(relative / size)
    return nnls(r, q.T @ root, maxiter=MOST_STEPS)[0] / size


def _predict(rows: np.ndarray, sample: CalibrationSample, groups: Sequence[np.ndarray], held: np.ndarray) -> np.ndarray:
    """Seconds of TPOT and E2E of the cases held back, shape (held, 2)."""
    observed = np.exp(sample.observed[:, :2])
    out, missing = np.full(observed.shape, np.nan), held.copy()
    everything = np.zeros(len(sample), dtype=int)
    for group, fewest in (*((g, PARAMETERS) for g in groups), (everything, 1)):
        for one in np.unique(group[missing]):
            here = group == one
            learned, asked = here & ~held, here & missing
            if learned.sum() >= fewest:
                out[asked] = rows[asked] @ fitted(rows[learned], observed[learned], sample.weight[learned])
                missing &= ~here
    return out[held]
