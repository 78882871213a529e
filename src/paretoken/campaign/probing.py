"""After each start of a server: a warm-up, and whether its answers are right."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.run import run_level
from paretoken.bench.plan import Closed, Stop
from paretoken.bench.setup import Setup
from paretoken.bench.workload.prompts import Correction

WARM_UP_LEVEL = 9_999
"""Counts as a level of its own, so that its prompts come again in no measured one."""
USERS = 4


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a server's answers pass, in words, and what was counted."""

    passed: bool
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)


PROBE_PROMPTS, PROBE_TOKENS, PROBE_SEED = 8, 16, 0


def accuracy_probe(url: str, model: str) -> Verdict:
    """The tiers that need no reference (capability, repeatability, self-consistency); a tier that the server cannot
    take is no failure. See `ecosystem.accuracy`."""
    from paretoken.accuracy.prompts import prompts
    from paretoken.accuracy.servers import connect
    from paretoken.accuracy.single import capability, consistency, repeatability
    from paretoken.accuracy.verdicts import FAIL

    server, rng = connect(url, model=model), np.random.default_rng(PROBE_SEED)
    found = [capability(server, prompts(1, rng)[0])]
    found += [ask(server, prompts(PROBE_PROMPTS, rng), tokens=PROBE_TOKENS) for ask in (repeatability, consistency)]
    text = "; ".join(f"{v.title}: {v.verdict}, {v.why}" for v in found)
    return Verdict(all(v.verdict != FAIL for v in found), text, {v.tier: v.verdict for v in found})


def warm_up(setup: Setup, requests: int, folder: Path) -> None:
    """A few requests of the workload's own shape, whose records are thrown away: kernels compile, pools fill."""
    if not requests:
        return
    source = setup.source_of(WARM_UP_LEVEL, Correction())
    try:
        run_level(
            setup.endpoints,
            setup.config.api,
            source,
            Closed(min(USERS, requests)),
            Stop(requests=requests, drain_s=setup.config.timeout_s),
            folder=folder,
            client=ClientOptions(api_key=setup.api_key, timeout_s=setup.config.timeout_s),
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
