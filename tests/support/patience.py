"""Settings for property tests: few examples by default, many in the nightly profile."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
PATIENT = settings(suppress_health_check=[HealthCheck.too_slow])


def examples(n: int) -> settings:
    """n examples, and twenty times as many in the nightly profile."""
    return settings(max_examples=n * 20 if NIGHTLY else n)
