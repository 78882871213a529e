"""The loads of a run's levels, and when each of them ends."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from paretoken.bench.config import BenchConfig
from paretoken.bench.plan import Closed, Load, Stop
from paretoken.bench.stats.quantiles import QUANTILES, needed
from paretoken.bench.stats.steady import MIN_REQUESTS, SESSIONS_EACH
from paretoken.bench.workload.arrivals import Ramp, Replay, parse_arrivals, schedule
from paretoken.bench.workload.ladder import Until, UserRamp, parse_rates, parse_users
from paretoken.bench.workload.traces.request import Trace
from paretoken.errors import BadConfig
from paretoken.plural import counted
from paretoken.sessions.graph import SessionTrace
from paretoken.slo import Slo

DEFAULT_LADDER = "1:32:x2"
REQUESTS_PER_USER = 10
OPEN_SECONDS = AFTER_RAMP_S = 60.0
LONGEST_S = 600.0
"""The limit of a level that ends by precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelLoads:
    """What the settings of a run say of its loads. `trace` or `sessions` are the recorded workload behind them."""

    config: BenchConfig
    seed: int
    until: Until
    slos: tuple[Slo, ...]
    trace: Trace | None = None
    sessions: SessionTrace | None = None

    def loads(self) -> list[Load]:
        """The levels of a ladder or of a list of rates, `repeat` times."""
        if self.config.trace and self.config.arrivals == "trace" and self.config.rate is None:
            once = [self.open_load(0.0, 0)]
        elif self.config.rate is not None:
            once = [self.open_load(rate, n) for n, rate in enumerate(parse_rates(self.config.rate))]
        else:
            users = parse_users(self.config.concurrency or DEFAULT_LADDER)
            once = [self.closed_load(n) for n in users]
        return once * self.config.repeat

    def closed_load(self, users: int | UserRamp) -> Closed:
        """Users who all start at once, or join one by one."""
        most, sessions = users.end if isinstance(users, UserRamp) else users, self.until.sessions
        if sessions is not None and not self._in_sessions:
            raise BadConfig("--until with sessions needs a load of sessions; add --trace with sessions, or --turns")
        if sessions is not None and sessions < most:
            raise BadConfig(f"{counted(sessions, 'session')} for {most} users; give each user one session or more")
        if isinstance(users, UserRamp):
            return Closed(users.end, self.config.think_s, from_users=users.start, ramp_s=users.seconds)
        return Closed(users, self.config.think_s)

    def open_load(self, rate: float | Ramp, level: int) -> Load:
        """Arrivals at a rate, drawn for this level; a trace with times is replayed at that rate."""
        rng = np.random.default_rng((self.seed, 0xA1, level))
        seconds = self.until.seconds
        count = self.until.sessions if self._in_sessions else self.until.requests
        if isinstance(rate, Ramp):
            seconds, count = rate.seconds, None
        elif seconds is None and count is None:
            seconds = OPEN_SECONDS
        if self.config.arrivals == "trace" and (replay := self._recorded()):
            if isinstance(rate, Ramp):
                raise BadConfig("--arrivals trace takes no ramp; use rates such as --rate 0.5:8:x2")
            load = schedule(replay if not rate else replay.at_rate(rate), rng, seconds=seconds, count=count)
        else:
            load = schedule(parse_arrivals(self.config.arrivals, rate), rng, seconds=seconds, count=count)
        return replace(load, sessions=True) if self._in_sessions else load

    @property
    def _in_sessions(self) -> bool:
        """Whether the load is one of sessions: of a trace, or of conversations."""
        return self.sessions is not None or self.config.turns is not None

    def _recorded(self) -> Replay | None:
        """The recorded times: of requests, or of the begins of sessions."""
        speed = self.config.trace_speed
        if self.sessions is None:
            return self.trace.replay(speed) if self.trace else None
        begins = [session.begin_s for session in self.sessions.sessions]
        if None in begins:
            raise BadConfig(f"{self.sessions.file} contains no times; use --arrivals poisson or constant with --rate")
        return Replay(np.array(begins, float), speed)

    def stop(self, load: Load) -> Stop:
        """When a level ends: a closed loop without a limit ends after some requests of each user, and after those that
        the quantiles of the SLOs need.

        A ramp of users is warm-up; after it the full load stays, by default for a minute.
        """
        until, drain_s = self.until, self.config.timeout_s
        if not isinstance(load, Closed):
            # Arrivals are bounded by the schedule; the calls of sessions are not.
            return Stop(drain_s=drain_s, requests=until.requests if self._in_sessions else None)
        seconds, requests, sessions = until.seconds, until.requests, until.sessions
        if not (seconds or requests or until.tokens or sessions):
            if until.precision:
                seconds = LONGEST_S
            elif load.ramp_s:
                seconds = AFTER_RAMP_S
            elif self.sessions is not None:
                sessions = self._enough_sessions(load.users, self.sessions)
            else:
                requests = self._enough_requests(load.users)
        warm = self.config.warmup_per_user * load.users
        return Stop(
            seconds=seconds,
            requests=requests,
            tokens=until.tokens,
            sessions=sessions,
            warmup_s=load.ramp_s,
            warmup_requests=warm,
            drain_s=drain_s,
        )

    def _enough_requests(self, users: int) -> int:
        """Some requests of each user, and as many as the quantiles of the SLOs need."""
        # One of each user is before the window whatever the warm-up, and one ends after it.
        least = max(MIN_REQUESTS, *(needed(QUANTILES.get(slo.statistic, 0.0)) for slo in self.slos), 0)
        return max(REQUESTS_PER_USER * users, least + 2 * users)

    def _enough_sessions(self, users: int, trace: SessionTrace) -> int:
        """Whole sessions of about enough requests, and enough of each user for a steady window."""
        calls = max(1, sum(len(session.calls) for session in trace.sessions) // len(trace.sessions))
        return max(SESSIONS_EACH * users, -(-self._enough_requests(users) // calls))
