"""The router before the replicas of a fleet that come and go."""

from __future__ import annotations

from paretoken.errors import BadConfig
from paretoken.predict.simulation.router import LEAST, POLICIES, Router
from paretoken.traffic.traffic import NO_SESSION

SESSION = "session"
FLEET_POLICIES = (*POLICIES, SESSION)
"""Those of `simulation.router`, by requests without a whole answer; `session` keeps a session at its replica as long as
that serves, and treats other requests as `least` does."""


class FleetRouter:
    """Chooses one of the replicas that are `serving`, which are counted in the order in which they were added."""

    def __init__(self, policy: str = LEAST) -> None:
        if policy not in FLEET_POLICIES:
            raise BadConfig(f"router policy is {policy!r}; it must be one of {', '.join(FLEET_POLICIES)}")
        self.by_session = policy == SESSION
        self.router = Router(0, LEAST if self.by_session else policy)
        self.serving: list[int] = []
        self.home: dict[int, int] = {}  # the replica of each session

    def add(self) -> None:
        """One more replica serves."""
        self.serving.append(self.router.add())

    def close_latest(self) -> int:
        """Send nothing more to the replica that was added last; its index."""
        index = self.serving.pop()
        self.router.close(index)
        return index

    def choose(self, session: int) -> int:
        """The replica of the next request."""
        if not self.by_session or session == NO_SESSION:
            return self.router.choose(1)
        home = self.home.get(session)
        if home is None or not self.router.is_open(home):
            self.home[session] = home = self.router.choose(1)
        else:
            self.router.loads[home] += 1
        return home

    def remove(self, replica: int) -> None:
        """One request of a replica has its whole answer."""
        self.router.remove(replica, 1)
