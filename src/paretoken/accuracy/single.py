"""Tiers of one server alone: what it can do (T0), whether it repeats (T1), whether it agrees with itself (T2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.accuracy.asking import OnProgress, ask_all
from paretoken.accuracy.limits import DEFAULT, DriftLimits
from paretoken.accuracy.servers import ScoringServer
from paretoken.accuracy.statistics import MeanInterval, k3, mean_over_prompts, visible_mean
from paretoken.accuracy.tokens import Generated, NoAbility, margin
from paretoken.accuracy.verdicts import NA, PASS, TierVerdict, judged
from paretoken.errors import EndpointFailed

CONCURRENT = 8


def capability(server: ScoringServer, prompt: str) -> TierVerdict:
    """T0: does the server return token ids, and a finite log-probability for every token sent to it?"""
    made = server.generate(prompt, 8)
    if isinstance(made, NoAbility):
        return TierVerdict("T0", NA, f"{made.why}; T1 to T3 do not apply", {"logprobs_generated": False})
    can = {
        "logprobs_generated": bool(made.logprobs),
        "ids_generated": bool(made.ids),
        "ids_prompt": bool(made.prompt),
        "top_k": max(map(len, made.tops), default=0),
        "logprobs_given": False,
    }
    if not made.ids or not made.prompt:
        return TierVerdict("T0", NA, "the server does not return token ids, which T2 and T3 need", can)
    scored = server.score((*made.prompt, *made.ids))
    if isinstance(scored, NoAbility):
        return TierVerdict("T0", NA, f"{scored.why}; T2 and T3 do not apply", can)
    can |= {"logprobs_given": True, "top_k": max(map(len, scored.tops), default=0)}
    return TierVerdict("T0", PASS, f"log-probabilities of every token sent, top {can['top_k']}", can)


@dataclass(frozen=True, slots=True)
class Repeat:
    """Two runs of one prompt: how many tokens agree from the first on, and where they part, why."""

    equal: bool
    agreed: int
    noise_nats: float
    margin_nats: float | None
    not_likeliest: bool


def repeat(a: Generated, b: Generated) -> Repeat:
    """Compare two greedy continuations. `margin_nats` is the lead of a's token where b took another."""
    n = min(len(a.logprobs), len(b.logprobs))
    agreed = next((i for i in range(n) if a.ids[i : i + 1] != b.ids[i : i + 1]), n)
    noise = max((abs(x - y) for x, y in zip(a.logprobs[:agreed], b.logprobs[:agreed], strict=True)), default=0.0)
    if a.tops and b.tops:  # where they part, the same tokens are still compared
        for i in range(min(agreed + 1, n)):
            shared = a.tops[i].keys() & b.tops[i].keys()
            noise = max([noise, *(abs(a.tops[i][t] - b.tops[i][t]) for t in shared)])
    parted = agreed < n
    lead = margin(a.tops[agreed]) if parted and len(a.tops) > agreed else None
    return Repeat(not parted and a.text == b.text, agreed, noise, lead, _not_likeliest(a) or _not_likeliest(b))


def _not_likeliest(made: Generated) -> bool:
    """Whether a token was taken that another one led by more than rounding."""
    return any(
        tops and i in tops and max(tops.values()) - tops[i] > 0.01 for i, tops in zip(made.ids, made.tops, strict=False)
    )


def repeatability(
    server: ScoringServer,
    prompts: Sequence[str],
    *,
    tokens: int = 32,
    limits: DriftLimits = DEFAULT,
    on_progress: OnProgress | None = None,
) -> TierVerdict:
    """T1: the same prompts once cold, once warm, once all together. Its noise is the floor of the other tiers."""
    runs: list[Sequence[Generated | NoAbility | None]] = []
    stopped: str | None = None
    for at_once in (1, 1, CONCURRENT):
        answers = ask_all(lambda p: server.generate(p, tokens), prompts, at_once=at_once, on_progress=on_progress)
        runs.append(answers.values)
        stopped = answers.stopped
        if stopped:
            break
    lacking = next((a for run in runs for a in run if isinstance(a, NoAbility)), None)
    if lacking:
        return TierVerdict("T1", NA, lacking.why, {}, stopped)
    cold = runs[0]
    names = ("cold against warm", "alone against together")
    pairs = {
        name: [
            repeat(a, b)
            for a, b in zip(cold, other, strict=True)
            if isinstance(a, Generated) and isinstance(b, Generated)
        ]
        for name, other in zip(names, runs[1:], strict=False)
    }
    figures: dict[str, object] = {name: _repeat_figures(repeats) for name, repeats in pairs.items() if repeats}
    everything = [r for repeats in pairs.values() for r in repeats]
    noise = max((r.noise_nats for r in everything), default=0.0)
    figures["noise_nats"] = noise
    faults = [f for name, repeats in pairs.items() for f in _repeat_faults(name, repeats, limits)]
    good = f"largest difference of a log-probability {noise:.3g} nats (limit {limits.noise_nats:.3g})"
    return judged("T1", faults, good, figures, stopped)


def _repeat_figures(repeats: list[Repeat]) -> dict[str, object]:
    return {
        "prompts": len(repeats),
        "equal": sum(r.equal for r in repeats) / len(repeats),
        "first_divergence": min((r.agreed for r in repeats if not r.equal), default=None),
        "noise_nats": max(r.noise_nats for r in repeats),
    }


def _repeat_faults(name: str, repeats: list[Repeat], limits: DriftLimits) -> list[str]:
    faults = []
    noise = max((r.noise_nats for r in repeats), default=0.0)
    if noise > limits.noise_nats:
        faults.append(f"{name}: log-probabilities differ by up to {noise:.3g} nats (limit {limits.noise_nats:.3g})")
    if wrong := sum(r.not_likeliest for r in repeats):
        faults.append(f"{name}: in {wrong} of {len(repeats)} prompts the server did not pick the most likely token")
    # Two runs may part where two tokens are as good as equal, and nowhere else.
    if wild := sum(r.margin_nats is not None and r.margin_nats > 2 * limits.noise_nats for r in repeats):
        faults.append(f"{name}: {wild} of {len(repeats)} prompts diverge where one token is clearly more likely")
    return faults


@dataclass(frozen=True, slots=True)
class SelfDistance:
    """One prompt decoded, and the same tokens given to the same server again."""

    k3_sum: float
    tokens: int
    worst_nats: float


def consistency(
    server: ScoringServer,
    prompts: Sequence[str],
    *,
    tokens: int = 32,
    limits: DriftLimits = DEFAULT,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> TierVerdict:
    """T2: log-probabilities while decoding against those of the same tokens prefilled; finds faults of the cache."""
    answers = ask_all(lambda p: _own(server, p, tokens), prompts, on_progress=on_progress)
    lacking = next((a for a in answers.done if isinstance(a, NoAbility)), None)
    if lacking:
        return TierVerdict("T2", NA, lacking.why, {}, answers.stopped)
    distances = [a for a in answers.done if isinstance(a, SelfDistance) and a.tokens]
    if not distances:
        return TierVerdict("T2", NA, "no prompt was answered with log-probabilities", {}, answers.stopped)
    sums, counts = [d.k3_sum for d in distances], [d.tokens for d in distances]
    mean = mean_over_prompts(sums, counts, np.random.default_rng(seed), 0.98)
    visible_k3 = visible_mean(mean, limits.k3_decode)
    figures: dict[str, object] = {
        "k3": figure(mean),
        "worst_nats": max(d.worst_nats for d in distances),
        "limit": limits.k3_decode,
        "visible_k3": visible_k3,
        "basis": limits.basis,
    }
    fault = above("k3 of decoding against re-prefill", mean, limits.k3_decode)
    good = f"k3 {mean.value:.2g} (limit {limits.k3_decode:.2g}; {visible_k3:.2g} would have been seen)"
    return judged("T2", [fault], good, figures, answers.stopped)


def _own(server: ScoringServer, prompt: str, tokens: int) -> SelfDistance | NoAbility:
    made = server.generate(prompt, tokens)
    if isinstance(made, NoAbility):
        return made
    if not made.prompt or not made.ids:
        return NoAbility("the server does not return token ids")
    scored = server.score((*made.prompt, *made.ids))
    if isinstance(scored, NoAbility):
        return scored
    if scored.ids != (*made.prompt, *made.ids):
        return NoAbility("the answer scores other tokens than those sent (see T3)")
    again = [x for x in scored.logprobs[len(made.prompt) :] if x is not None]
    if len(again) != len(made.logprobs):
        raise EndpointFailed(f"{server.model}: {len(again)} log-probabilities for {len(made.logprobs)} tokens")
    off = [abs(x - y) for x, y in zip(made.logprobs, again, strict=True)]
    return SelfDistance(float(k3(made.logprobs, again).sum()), len(off), max(off))


def above(what: str, mean: MeanInterval, limit: float) -> str:
    """A fault, as a sentence, where the whole interval is above the limit; empty otherwise."""
    if mean.low <= limit:
        return ""
    return f"{what} is {mean.value:.3g} ({mean.low:.3g} to {mean.high:.3g}), above the limit of {limit:.3g}"


def figure(mean: MeanInterval) -> dict[str, object]:
    """An interval as plain values; open ends are None."""
    ends = {k: v if np.isfinite(v) else None for k, v in (("low", mean.low), ("high", mean.high))}
    return {"value": mean.value, **ends, "level": mean.level, "prompts": mean.n}
