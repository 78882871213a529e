"""A server that a cluster has started, as the pod of the load sees it: by its answers alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Self

from paretoken.engines.command import Command
from paretoken.engines.launch import ANSWER_S, LOOK_S, Launched
from paretoken.engines.probe import completes
from paretoken.errors import EngineFailed

PORT = 8000
"""Of the engine in its pod and of its Service."""


class EngineAway(EngineFailed):
    """The engine of another pod does not answer; the driver of the campaign sees that pod, and knows why."""


class Attached(Launched):
    """A server on another host, a context manager that waits for its first answer and stops nothing."""

    def __init__(
        self,
        command: Command,
        folder: Path,
        *,
        host: str,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(replace(command, host=host, container=True), folder, clock=clock, sleep=sleep)

    def __enter__(self) -> Self:
        began_s, within_s = self._clock(), self.command.ready_within_s
        while not completes(self.base_url, self.command.served_name, min(ANSWER_S, within_s)):
            if self._clock() - began_s > within_s:
                raise EngineAway(f"{self.command.name} was not ready after {within_s:g} s", "slow start")
            self._sleep(LOOK_S)
        self.ready_s = self._clock() - began_s
        return self

    def stop(self) -> None:
        """Nothing: the cluster stops it."""

    def check(self, *, answers: bool = False, timeout_s: float = ANSWER_S) -> None:
        """EngineAway if no token comes back in time."""
        if not completes(self.base_url, self.command.served_name, timeout_s):
            raise EngineAway(f"{self.command.name} answers no token within {timeout_s:g} s", "hang")
