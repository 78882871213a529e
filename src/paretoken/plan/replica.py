"""One replica of a fleet, ready to be simulated under requests of any length."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

import numpy as np
import numpy.typing as npt

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import BadConfig
from paretoken.plan.candidate import FleetCandidate
from paretoken.plural import counted
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.configure import checked
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.longest import attention_ranks, context_limit, kv_room
from paretoken.predict.pools.simulated import served_pools
from paretoken.predict.serving import served
from paretoken.predict.simulation.pools import Worker, WorkerPools, simulate_pools
from paretoken.predict.simulation.result import SimulationResult
from paretoken.predict.simulation.run import PLAIN, ServingOptions, simulate
from paretoken.predict.simulation.sources import OpenLoop
from paretoken.traffic.traffic import Floats, Ints, Traffic

POOL_USERS = 64
"""Concurrent requests for which the pace of pools is taken; their step times depend on the batch besides."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Replica:
    """One engine, or the workers of two pools. `context_tokens` is the most that a request may have, input and output;
    None where only the KV cache limits it. `ranks` share the KV cache evenly, each request lies on one of them."""

    server: Worker | WorkerPools
    serving: ServingOptions = PLAIN
    gpus: int = 1
    context_tokens: int | None = None
    ranks: int = 1

    @property
    def decode_workers(self) -> tuple[Worker, ...]:
        """The engines that decode."""
        return (self.server,) if isinstance(self.server, Worker) else tuple(self.server.decode)

    @property
    def slots(self) -> int:
        """Requests that may decode at once."""
        accepted = ceil(self.serving.acceptance)
        return sum(w.limits.sequences(accepted) for w in self.decode_workers)

    @property
    def kv_tokens(self) -> int:
        """Tokens that the KV caches of the engines that decode hold."""
        return sum(w.limits.kv_tokens for w in self.decode_workers)

    @property
    def first(self) -> Worker:
        """An engine that prefills."""
        return self.server if isinstance(self.server, Worker) else self.server.prefill[0]

    @property
    def most_tokens(self) -> int:
        """Input and output tokens of the longest request that it serves, by context and KV cache."""
        room = min(kv_room(w.limits, self.serving) for w in self.decode_workers) // self.ranks
        return room if self.context_tokens is None else min(room, self.context_tokens)

    def fits(self, inputs: Ints, outputs: Ints) -> npt.NDArray[np.bool_]:
        """Whether it serves each request, shape (n,)."""
        fitting: npt.NDArray[np.bool_] = inputs + outputs <= self.most_tokens
        if isinstance(self.server, WorkerPools):
            fitting &= inputs <= min(w.limits.most_prompt for w in self.server.prefill)
        return fitting

    def simulate(self, source: OpenLoop) -> SimulationResult:
        """Serve every request of the source to its end."""
        if isinstance(self.server, Worker):
            return simulate(self.server.step_time, self.server.limits, source, self.serving)
        return simulate_pools(self.server, source, self.serving)


def replica_of(
    candidate: FleetCandidate,
    traffic: Traffic,
    *,
    calibration: Calibration | None = None,
    catalog: Catalog | None = None,
) -> Replica:
    """The replica of a candidate, with the pace and the KV cache of the traffic's mean lengths.

    Raises UnknownName or BadConfig where the deployment cannot exist or its model does not fit.
    """
    catalog = catalog or load_catalog()
    lengths, d = mean_lengths(traffic), candidate.deployment
    if isinstance(d, Deployment):
        d = checked(d, catalog)
        s = served(d, lengths, calibration=calibration, catalog=catalog)
        return Replica(
            server=Worker(s.step_time, s.limits),
            serving=s.serving,
            gpus=d.gpus,
            context_tokens=context_limit(d, catalog),
            ranks=attention_ranks(d),
        )
    pooled = served_pools(
        d, replace(lengths, osl=max(lengths.osl, 2)), POOL_USERS, calibration=calibration, catalog=catalog
    )
    return Replica(
        server=pooled.workers,
        serving=pooled.serving,
        gpus=d.gpus,
        context_tokens=context_limit(d.decode, catalog),
        ranks=attention_ranks(d.decode),
    )


def mean_lengths(traffic: Traffic) -> Lengths:
    """The mean lengths of the traffic, as those of each request."""
    isl, osl = traffic.input_tokens.mean(), traffic.output_tokens.mean()
    return Lengths(max(round(float(isl)), 1), max(round(float(osl)), 1))


def servable(replica: Replica, traffic: Traffic, most_refused: float = 0.0) -> Traffic:
    """The traffic that a replica can serve; BadConfig where more than a share `most_refused` of it does not fit.

    Requests that do not fit are left out, and a note counts them.
    """
    fitting = replica.fits(traffic.input_tokens, traffic.output_tokens)
    refused = int((~fitting).sum())
    if not refused:
        return traffic
    longest = int((traffic.input_tokens + traffic.output_tokens).max())
    reason = (
        f"longer than the {replica.most_tokens:,} tokens that its context and KV cache serve: "
        f"{counted(refused, 'request')} of {len(traffic):,}, up to {longest:,} tokens"
    )
    if refused > most_refused * len(traffic) or refused == len(traffic):
        raise BadConfig(f"{reason}; use more GPUs in a replica, or drop the longest requests")
    return traffic.take(fitting, f"not served, as they are {reason}")


def work_s(replica: Replica, inputs: Ints, outputs: Ints, batch: float) -> Floats:
    """Seconds of engine steps that each request adds in a batch of `batch`, shape (n,), for comparing loads.

    Prompts count what more tokens of them add, decode steps are shared by the batch.
    """
    decode = replica.decode_workers
    sequences = min(max(round(batch / len(decode)), 1), decode[0].limits.sequences())
    fixed_s, context_s = decode[0].step_time.decode(sequences)
    steps = outputs / replica.serving.acceptance_length
    decode_s = steps * (fixed_s / sequences + context_s * (inputs + outputs / 2)) / len(decode)
    prefills = len(replica.server.prefill) if isinstance(replica.server, WorkerPools) else 1
    step = replica.first.step_time
    token_s = (step.prefill(2000, 0.0) - step.prefill(1000, 0.0)) / 1000
    seconds: Floats = decode_s + token_s * inputs / prefills
    return seconds
