"""A server as a child process: started in a group of its own, watched, made ready, and always stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from paretoken.engines import guard
from paretoken.errors import BadConfig, EngineFailed
from paretoken.foreign_text import MOST_READ, PART_OF_SECRET, visible, without_secret
from paretoken.secret_names import is_secret, without_secrets

GRACE_S = 5.0
"""How long a server may take to stop on its own."""
ORPHAN_GRACE_S = 0.3
LOOK_S = 0.02
TAIL_LINES = 12
TAIL_BYTES = 16_384


class ServerProcess:
    """One server, a context manager. Everything it and its children print goes to one log file.

    It runs in its own session: Ctrl-C reaches us and not it, and stopping reaches whatever it started. Should we be
    killed without a chance to stop it, a guard process does. A forked copy of this object stops nothing.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        cleanup: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`env` is added to our own environment, `folder` is where it runs. Nothing is started yet.

        `cleanup` is a command that runs after the group has ended, for what is not of it (a container).
        """
        self.name, self.log = name, log
        self._command = [str(part) for part in command]
        self._env = dict(env or {})
        self._folder, self._cleanup = folder, list(cleanup)
        self._clock, self._sleep = clock, sleep
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of the server, which is its group's too."""
        return self._started().pid

    @property
    def running(self) -> bool:
        """Whether the server was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def ended(self) -> int | None:
        """The exit status if the server was started and has ended, negative for a signal; else None."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the server; BadConfig if the program does not exist."""
        self._owner = os.getpid()
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("wb") as out:
                self._process = subprocess.Popen(  # noqa: S603, the command comes from a recipe
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    env=os.environ | self._env,
                    cwd=self._folder,
                    start_new_session=True,
                )
        except OSError as e:
            raise BadConfig(f"cannot start {self.name} ({e}); check that {self._command[0]} is installed") from e
        self._guard = _start_guard(self._process.pid, self._cleanup)

    def wait_ready(self, ready: Callable[[], bool], timeout_s: float) -> float:
        """Wait until `ready` is true, and return the seconds it took; EngineFailed if it ends first or takes longer.

        `ready` is asked 50 times a second and has to come back soon.
        """
        began = self._clock()
        while not ready():
            self.check()
            if self._clock() - began >= timeout_s:
                raise EngineFailed(f"{self.name} was not ready after {timeout_s:g} s; {self.tail()}", "slow start")
            self._sleep(LOOK_S)
        return self._clock() - began

    def check(self) -> None:
        """EngineFailed, with the last lines of the log, if the server has ended."""
        code = self._started().poll()
        if code is not None:
            raise EngineFailed(f"{self.name} {_ending(code)}; {self.tail()}")

    def tail(self, lines: int = TAIL_LINES) -> str:
        """Where the log is and its last lines, for an error message."""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
            last = log.read().decode("utf-8", "replace").rstrip().splitlines()[-lines:]
        last = [visible(without_secrets(self._without_own(line))) for line in last]
        return f"its log {self.log} ends with:\n  " + "\n  ".join(last) if last else f"its log {self.log} is empty"

    def _without_own(self, line: str) -> str:
        """The line with the secrets of the server's environment masked."""
        for name, value in (os.environ | self._env).items():
            if is_secret(name) and len(value) >= PART_OF_SECRET:
                line = without_secret(line[:MOST_READ], value)
        return line

    def stop(self, grace_s: float = GRACE_S) -> None:
        """End the server and all it started: asked first, killed after `grace_s`. Stopping twice is harmless."""
        if self._process is None or os.getpid() != self._owner:
            return
        process, self._process = self._process, None
        try:
            if _signal(process.pid, signal.SIGTERM):
                self._wait_for_group(process, grace_s)
        finally:  # a second Ctrl-C in the wait above comes here too
            _signal(process.pid, signal.SIGKILL)
            process.wait()
            self._clean_up()
            if self._guard is not None:
                self._guard.kill()
                self._guard.wait()

    def _clean_up(self) -> None:
        if self._cleanup:
            with suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(self._cleanup, capture_output=True, timeout=60, check=False)  # noqa: S603

    def _wait_for_group(self, process: subprocess.Popen[bytes], grace_s: float) -> None:
        """Until the server has ended, and a moment longer for others of its group, which it should have ended itself.

        Only a moment: those that are dead count as members until init collects them, which takes seconds in places.
        """
        until = self._clock() + grace_s
        while process.poll() is None and self._clock() < until:
            self._sleep(LOOK_S)
        until = self._clock() + ORPHAN_GRACE_S
        while _signal(process.pid, 0) and self._clock() < until:
            self._sleep(LOOK_S)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise EngineFailed(f"{self.name} is not running: it was not started, or it was stopped")
        return self._process


def _start_guard(group: int, cleanup: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603, our own program
        [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), str(group), *cleanup],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _signal(group: int, number: int) -> bool:
    """Send a signal to a group; False if nobody is left in it."""
    with suppress(ProcessLookupError, PermissionError):  # macOS refuses when only dead members are left
        os.killpg(group, number)
        return True
    return False


def _ending(code: int) -> str:
    if code >= 0:
        return f"exited with status {code}"
    killed = f"was killed by {signal.Signals(-code).name}"
    return killed + (" (was the memory full?)" if -code == signal.SIGKILL else "")
