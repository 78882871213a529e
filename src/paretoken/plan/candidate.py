"""A deployment that a plan may choose, plain or disaggregated."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.predict.deployment import Deployment
from paretoken.predict.pools.layout import Pools


@dataclass(frozen=True, slots=True)
class FleetCandidate:
    """One replica: a deployment of one pool, or of a prefill and a decode pool."""

    deployment: Deployment | Pools

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.deployment.gpus

    @property
    def accelerator(self) -> str:
        """Accelerator of the replica, of its decode pool where they differ."""
        d = self.deployment
        return d.accelerator if isinstance(d, Deployment) else d.decode.accelerator
