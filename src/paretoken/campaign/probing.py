"""After each server start: the accuracy probe and a warm-up."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.run import run_level
from paretoken.bench.plan import Closed, Stop
from paretoken.bench.setup import Setup
from paretoken.bench.workload.prompts import Correction

WARM_UP_LEVEL = 9_999
"""A level number of its own, so that no measured level repeats its prompts."""
USERS = 4


@dataclass(frozen=True, slots=True)
class ProbeVerdict:
    """Whether a server's answers pass, with a sentence on each check and its verdict by tier."""

    passed: bool
    text: str
    details: Mapping[str, str] = field(default_factory=dict)


PROBE_PROMPTS, PROBE_TOKENS, PROBE_SEED = 8, 16, 0


def accuracy_probe(url: str, model: str) -> ProbeVerdict:
    """The accuracy tiers that need no reference: capability, repeatability, self-consistency.

    A tier that the server does not support is not a failure. See `paretoken.accuracy`.
    """
    from paretoken.accuracy.prompts import prompts
    from paretoken.accuracy.servers import connect
    from paretoken.accuracy.single import capability, consistency, repeatability
    from paretoken.accuracy.verdicts import FAIL

    server, rng = connect(url, model=model), np.random.default_rng(PROBE_SEED)
    verdicts = [capability(server, prompts(1, rng)[0])]
    verdicts += [ask(server, prompts(PROBE_PROMPTS, rng), tokens=PROBE_TOKENS) for ask in (repeatability, consistency)]
    text = "; ".join(f"{v.title}: {v.verdict}, {v.why}" for v in verdicts)
    return ProbeVerdict(all(v.verdict != FAIL for v in verdicts), text, {v.tier: v.verdict for v in verdicts})


def warm_up(setup: Setup, requests: int, folder: Path) -> None:
    """Send a few requests of the workload's shape and discard their records: kernels compile, pools fill."""
    if not requests:
        return
    source = setup.source_of(WARM_UP_LEVEL, Correction())
    try:
        run_level(
            setup.endpoints,
            setup.api,
            source,
            Closed(min(USERS, requests)),
            Stop(requests=requests, drain_s=setup.config.timeout_s),
            folder=folder,
            client=ClientOptions(api_key=setup.api_key, headers=setup.headers, timeout_s=setup.config.timeout_s),
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
