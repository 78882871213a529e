"""How much two correct servers may differ: measured by a run of one against itself or another correct one."""

from __future__ import annotations

from dataclasses import dataclass

# An A/A run shows a difference of n prompts; the next one may well be larger.
SAFETY = 3.0
# What the rounding of log-probabilities in an answer alone can give.
LEAST_NATS, LEAST_KL = 1e-4, 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftLimits:
    """Limits of means per token. `noise_nats` is the largest difference of one log-probability between equal runs.

    `k3_decode` is that of decoding against re-prefill on one server, `k3`, `kl` and `flips` (a share of the tokens)
    those between two servers. `basis` says where they come from.
    """

    noise_nats: float
    k3_decode: float
    k3: float
    kl: float
    flips: float
    basis: str


# 0.25 nats are two steps of bfloat16 for a logit between 16 and 32; an error of 0.045 nats in each log-probability
# is a k3 or KL of about 0.001.
DEFAULT = DriftLimits(
    noise_nats=0.25,
    k3_decode=1e-3,
    k3=1e-3,
    kl=1e-3,
    flips=2e-3,
    basis="defaults, because there is no A/A run; calibrate for better limits",
)


def calibrated(*, noise_nats: float, k3_decode: float, k3: float, kl: float, flips: float, tokens: int) -> DriftLimits:
    """Limits from the upper ends of an A/A run over `tokens` tokens. No flip seen allows three (rule of three)."""
    return DriftLimits(
        noise_nats=max(SAFETY * noise_nats, LEAST_NATS),
        k3_decode=max(SAFETY * k3_decode, LEAST_KL),
        k3=max(SAFETY * k3, LEAST_KL),
        kl=max(SAFETY * kl, LEAST_KL),
        flips=max(SAFETY * flips, 3 / tokens),
        basis=f"{SAFETY:g} times the upper end of an A/A run over {tokens} tokens",
    )
