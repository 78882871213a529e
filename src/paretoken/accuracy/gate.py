"""The accuracy gate: all tiers in one run, and a reference to compare with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import numpy as np

from paretoken.accuracy.asking import OnProgress, ask_all
from paretoken.accuracy.gate_file import Gate
from paretoken.accuracy.limits import DEFAULT, calibrated
from paretoken.accuracy.pair import compare, distance, means
from paretoken.accuracy.prompts import prompts
from paretoken.accuracy.reference import Reference, ReferenceKey, ScoredSample, cut, samples
from paretoken.accuracy.servers import ScoringServer
from paretoken.accuracy.single import capability, consistency, figure, repeatability
from paretoken.accuracy.solving import against, solve
from paretoken.accuracy.tasks import TASKS
from paretoken.accuracy.tokens import NoAbility, Scored
from paretoken.accuracy.verdicts import FAIL, NA, TierVerdict
from paretoken.errors import BadConfig, EndpointFailed

ProgressOf = Callable[[str], OnProgress | None]
"""The progress callback of a tier, by its name."""


def gate_of(server: ScoringServer, url: str, tiers: Iterable[TierVerdict], reference: Reference | None = None) -> Gate:
    """A gate of these verdicts, dated today. Of the URL, host and path are kept, and nothing that could hold a key."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    made = datetime.now(UTC).date().isoformat()
    return Gate(
        model=server.model,
        engine=server.engine,
        endpoint=place,
        made=made,
        tiers=tuple(tiers),
        reference=str(reference.key) if reference else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePlan:
    """How much is asked: `n` prompts and `tokens` after each, `items` of each task; `at_once` requests in T3."""

    seed: int
    n: int = 32
    tokens: int = 32
    items: int = 100
    tasks: tuple[str, ...] = tuple(TASKS)
    at_once: int = 1


def run_gate(
    server: ScoringServer, reference: Reference | None, plan: GatePlan, progress_of: ProgressOf = lambda _: None
) -> list[TierVerdict]:
    """Every tier in order, up to the first at which the endpoint breaks off."""
    rng = np.random.default_rng(plan.seed)
    n, tokens = plan.n, plan.tokens
    limits = reference.limits if reference else DEFAULT
    verdicts: list[TierVerdict] = []

    def stopped(verdict: TierVerdict) -> bool:
        verdicts.append(verdict)
        return verdict.stopped is not None

    if stopped(guarded("T0", lambda: capability(server, prompts(1, rng)[0]))):
        return verdicts
    if stopped(repeatability(server, prompts(n, rng), tokens=tokens, limits=limits, on_progress=progress_of("T1"))):
        return verdicts
    if stopped(consistency(server, prompts(n, rng), tokens=tokens, limits=limits, on_progress=progress_of("T2"))):
        return verdicts
    if reference is None:
        verdicts.append(TierVerdict("T3", NA, "no reference to compare with"))
    elif stopped(compare(server, reference, at_once=plan.at_once, on_progress=progress_of("T3"))):
        return verdicts
    task_seed = reference.task_seed if reference else plan.seed
    answers, broke = solve(server, plan.tasks, n=plan.items, seed=task_seed, on_progress=progress_of("T4"))
    verdicts.append(against(answers, reference.tasks if reference else None, broke))
    return verdicts


def guarded(tier: str, ask: Callable[[], TierVerdict]) -> TierVerdict:
    """The verdict, or that the endpoint broke off."""
    try:
        return ask()
    except EndpointFailed as e:
        return TierVerdict(tier, NA, "not finished", {}, str(e))


def calibrate(
    server: ScoringServer,
    other: ScoringServer | None,
    key: ReferenceKey,
    plan: GatePlan,
    progress_of: ProgressOf = lambda _: None,
) -> Reference:
    """A reference with limits from an A/A run: against itself under other load, or against another correct server.

    BadConfig where the server fails T1 or T2: what fails never becomes a baseline.
    """
    rng = np.random.default_rng(plan.seed)
    n, tokens = plan.n, plan.tokens
    first, second = prompts(n, rng), prompts(n, rng)
    steady = repeatability(server, first, tokens=tokens, on_progress=progress_of("T1"))
    own = consistency(server, second, tokens=tokens, on_progress=progress_of("T2"))
    for verdict in (steady, own):
        if verdict.stopped:
            raise EndpointFailed(verdict.stopped)
        if verdict.verdict == FAIL:
            raise BadConfig(f"{server.model} cannot be a reference: {verdict.title} fails: {verdict.why}")
    mine = samples(server, second, tokens=tokens, on_progress=progress_of("reference"))
    again = _score_all(other or server, mine, at_once=1 if other else 8)
    noise, own_k3 = steady.number("noise_nats"), own.number("k3", "high")
    apart = means([distance(a, b, noise) for a, b in zip(mine, again, strict=True)])
    answers, broke = solve(server, plan.tasks, n=plan.items, seed=plan.seed, on_progress=progress_of("T4"))
    if broke:
        raise EndpointFailed(broke)
    limits = calibrated(
        noise_nats=max(noise, apart.worst_nats if other else 0.0),
        k3_decode=max(own_k3, apart.k3.high),
        k3=apart.k3.high,
        kl=apart.kl.high,
        flips=apart.flips.high,
        tokens=apart.tokens,
    )
    # The gate's prompts are not those that its limits come from.
    gate_samples = samples(server, prompts(n, rng), tokens=tokens, on_progress=progress_of("reference"))
    made = datetime.now(UTC).date().isoformat()
    run: dict[str, object] = {
        "against": other.model if other else "itself, eight prompts at a time",
        "noise_nats": noise,
        "k3_decode": own.figures["k3"],
        "tokens": apart.tokens,
        **{name: figure(getattr(apart, name)) for name in ("k3", "kl", "flips", "top1")},
    }
    return Reference(
        key=key,
        engine=server.engine,
        made=made,
        samples=tuple(gate_samples),
        limits=limits,
        tasks=answers,
        task_seed=plan.seed,
        aa=run,
    )


def _score_all(server: ScoringServer, mine: Sequence[ScoredSample], at_once: int) -> list[ScoredSample]:
    answers = ask_all(lambda s: server.score(s.ids), mine, at_once=at_once)
    if answers.stopped:
        raise EndpointFailed(answers.stopped)
    lacking = next((a for a in answers.done if isinstance(a, NoAbility)), None)
    if lacking:
        raise BadConfig(f"{server.model} cannot be compared with the reference: {lacking.why}")
    scored = [a for a in answers.done if isinstance(a, Scored)]
    return [cut(a, len(s.prompt)) for s, a in zip(mine, scored, strict=True)]
