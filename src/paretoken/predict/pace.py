"""The calibrated pace of a deployment's steps at any batch, from that at a few."""

from __future__ import annotations

import numpy as np

from paretoken.predict.arrays import Floats

ANCHORS = (2.0, 16.0, 128.0)
"""Batches at which ln of the pace is known, evenly apart in their logarithm."""


def pace_at(batch: Floats, pace: Floats) -> Floats:
    """ln of the pace at batches of shape (…, n), from that at ANCHORS, shape (n, anchors) or (anchors,).

    The parabola through the anchors, constant beyond one more anchor's distance on either side.
    """
    x, at = np.log2(ANCHORS), np.log2(np.maximum(batch, 1e-9))
    step = x[1] - x[0]
    within = np.clip(at, x[0] - step, x[-1] + step)
    return np.asarray(np.polyval(np.polyfit(x, np.moveaxis(pace, -1, 0), 2), within), dtype=float)
