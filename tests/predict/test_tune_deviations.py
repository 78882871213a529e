"""The tool that chooses prior deviations: its closed forms against refits and differences, on a model of a few rows."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

PATH = Path(__file__).parent.parent.parent / "tools" / "tune_deviations.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("tune_deviations", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def linear(tool):
    """30 rows, 12 effects of 3 names; two splits of two groups each, half of the rows counting."""
    rng = np.random.default_rng(5)
    found = object.__new__(tool.Linear)
    found.J = sp.csc_matrix(rng.standard_normal((30, 12)) * (rng.random((30, 12)) < 0.6))
    found.place = np.repeat([0, 1, 2], 4)
    found.names = [("layer", "one"), ("kv", "one"), ("pace", "cell")]
    found.noise = rng.uniform(0.5, 1.5, 30)
    found.y = found.J @ rng.standard_normal(12) + rng.standard_normal(30)
    found.start = np.log([0.8, 0.5, 1.2])
    return found


@pytest.fixture
def held(tool, linear):
    found = object.__new__(tool.HeldOut)
    found.linear = linear
    counted = np.arange(15) % 2 == 0
    halves, stripes = np.arange(30) // 15, np.arange(30) % 2
    found.splits = [
        (name, weight, [(np.flatnonzero(part == k), counted) for k in (0, 1)])
        for name, weight, part in (("halves", 1.0, halves), ("stripes", 0.5, stripes))
    ]
    return found


def test_what_is_left_of_a_group_is_what_a_fit_without_it_leaves(tool, linear):
    inverse, alpha, _ = linear.inverse(linear.start)
    rows, others = np.arange(10), np.arange(10, 30)
    prior = np.diag(np.exp(-2 * linear.start)[linear.place])
    learned = linear.J[others].toarray()
    weigh = learned.T / linear.noise[others]
    effects = np.linalg.solve(weigh @ learned + prior, weigh @ linear.y[others])
    error = tool.HeldOut._fold(inverse, alpha, rows, np.ones(10, dtype=bool))[1]
    assert error == pytest.approx(linear.y[rows] - linear.J[rows] @ effects, rel=1e-4, abs=1e-4)


def test_the_slopes_are_those_of_differences(linear, held):
    def score(log_sigma):
        inverse, alpha, evidence = linear.inverse(log_sigma)
        means, _ = held.score(inverse, alpha)
        return np.log(means["halves"]) + 0.5 * np.log(means["stripes"]), evidence

    inverse, alpha, _ = linear.inverse(linear.start)
    slope = 2 * linear.per_name(held.score(inverse, alpha)[1], linear.start)
    evidence = linear.evidence_slope(inverse, alpha, linear.start)
    for k in range(3):
        step = 1e-4 * np.eye(3)[k]
        above, below = score(linear.start + step), score(linear.start - step)
        assert slope[k] == pytest.approx((above[0] - below[0]) / 2e-4, rel=1e-3, abs=1e-6)
        assert evidence[k] == pytest.approx((above[1] - below[1]) / 2e-4, rel=1e-3, abs=1e-6)
