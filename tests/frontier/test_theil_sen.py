"""The slope of a trend against scipy, bit for bit."""

from __future__ import annotations

import numpy as np
from scipy.stats import theilslopes

from paretoken.frontier.theil_sen import theil_sen


def test_theil_sen_is_that_of_scipy():
    rng = np.random.default_rng(3)
    for n in (*range(4, 14),) * 40:
        x = np.sort(rng.choice(400, n, replace=False)) / 91.3
        y = np.round(rng.normal(size=n), 1 + n % 8)
        slope, _, low, high = theilslopes(y, x, alpha=0.9)
        assert theil_sen(y, x) == (slope, low, high)
