"""After each start of a server: a warm-up, and whether its answers are right."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paretoken.load.client.run import run_level
from paretoken.load.plan import Closed, Stop
from paretoken.load.setup import Setup
from paretoken.load.workload.prompts import Correction

WARM_UP_LEVEL = 9_999
"""Counts as a level of its own, so that its prompts come again in no measured one."""
USERS = 4


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a server's answers pass, in words, and what was counted."""

    passed: bool
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)


AccuracyProbe = Callable[[str, str], Verdict]
"""From a base URL (…/v1) and a served model to a verdict. It may take minutes and raises ParetokenError only."""


def accuracy_probe() -> AccuracyProbe | None:
    """The probe that workers use; None where there is none."""
    return None


def warm_up(setup: Setup, requests: int, folder: Path) -> None:
    """A few requests of the workload's own shape, whose records are thrown away: kernels compile, pools fill."""
    if not requests:
        return
    source = setup.source_of(WARM_UP_LEVEL, Correction())
    try:
        run_level(
            setup.endpoints, setup.config.api, source, Closed(min(USERS, requests)),
            Stop(requests=requests, drain_s=setup.config.timeout_s), folder=folder, api_key=setup.api_key,
            timeout_s=setup.config.timeout_s,
        )  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)
