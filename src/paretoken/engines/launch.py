"""A serving engine started from its recipe: as a process or a container, watched, and always stopped."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from string import Template
from typing import Self

from paretoken.engines.command import Command
from paretoken.engines.container import docker
from paretoken.engines.diagnose import KINDS, kind_of, oom_kills
from paretoken.engines.ports import port_taken
from paretoken.engines.probe import completes
from paretoken.engines.process import ServerProcess
from paretoken.errors import BadConfig, CannotWrite, EngineFailed

ANSWER_S = 30.0
"""How long one token may take before a server that runs counts as hanging."""
QUIET_S = 120.0
ASK_EVERY_S = 60.0
LOOK_S = 0.5
TAIL_CHARACTERS = 20_000


class Launched:
    """A running engine, a context manager. Log and files are in `folder`; `ready_s` is the time to the first answer.

    BadConfig if it is not installed or its port is taken. EngineFailed if it is not ready in time, ends or hangs; its
    `kind` says which, and its message ends with the last lines of the log.
    """

    def __init__(
        self,
        command: Command,
        folder: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.command, self.folder = command, folder
        self.log = folder / "server.log"
        self.ready_s = 0.0
        self._oom_before = 0
        self._process: ServerProcess | None = None
        self._clock, self._sleep = clock, sleep

    def __enter__(self) -> Self:
        check_installed(self.command)
        check_port(self.command)
        self._write_files()
        self._oom_before = oom_kills()
        self._process = self._prepare()
        try:
            self._process.start()
            self.ready_s = self._wait()
        except BaseException:
            self._process.stop(self.command.grace_s)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        return self.command.base_url

    @property
    def pid(self) -> int:
        """Process id of the server, or of the container's client."""
        return self._running().pid

    def stop(self) -> None:
        """Stop the server and all it started; harmless when it has ended."""
        if self._process is not None:
            self._process.stop(self.command.grace_s)

    def check(self, *, answers: bool = False, timeout_s: float = ANSWER_S) -> None:
        """EngineFailed if the server has ended; with `answers` also if it does not answer a token in time."""
        process = self._running()
        if process.ended is not None:
            raise self._failure(process.ended)
        if answers and not completes(self.base_url, self.command.served_name, timeout_s):
            raise self._failure(process.ended)

    def watch(self, say: Callable[[str], None], every_s: float = ASK_EVERY_S) -> None:
        """Wait until the server ends, which raises EngineFailed.

        A server that runs but answers no token is reported with `say` and keeps running: it may hang or have a long
        queue, and only the sender of the load can tell.
        """
        checked_at = self._clock()
        while True:
            self.check()
            self._sleep(LOOK_S)
            if self._clock() - checked_at >= every_s:
                checked_at = self._clock()
                if not completes(self.base_url, self.command.served_name, ANSWER_S):
                    self.check()
                    say(f"{self.command.name} is running but has not answered one token within {ANSWER_S:g} s")

    def _prepare(self) -> ServerProcess:
        command, arguments = self.command, list(self.command.arguments)
        cleanup: list[str] = []
        env = {k: v for k, v in command.env.items() if v}
        if command.container:
            name = f"paretoken-{os.getpid()}-{command.port}"
            arguments, env = docker(command, folder=self.folder, name=name), {}
            cleanup = ["docker", "rm", "--force", name]
        return ServerProcess(
            command.name,
            arguments,
            self.log,
            env=env,
            folder=self.folder,
            cleanup=cleanup,
            clock=self._clock,
            sleep=self._sleep,
        )

    def _wait(self) -> float:
        """Wait until one token comes back; some engines report healthy before they can answer."""
        process, within_s = self._running(), self.command.ready_within_s
        one_s = min(ANSWER_S, within_s)
        try:
            return process.wait_ready(lambda: completes(self.base_url, self.command.served_name, one_s), within_s)
        except EngineFailed as e:
            if process.ended is not None:
                raise self._failure(process.ended) from e
            quiet_s = time.time() - self.log.stat().st_mtime
            kind = "hang" if quiet_s > min(QUIET_S, within_s / 2) else "slow start"
            raise EngineFailed(
                f"{self.command.name} was not ready after {within_s:g} s and "
                + (f"has logged nothing for {quiet_s:.0f} s" if kind == "hang" else "is still working")
                + f"; {process.tail()}",
                kind,
            ) from e

    def _failure(self, status: int | None) -> EngineFailed:
        process = self._running()
        kind = kind_of(self._last(), status, oom_kills() - self._oom_before)
        how = "" if status is None else f" ({_ending(status)})"
        return EngineFailed(f"{self.command.name} {KINDS[kind]}{how}; {process.tail()}", kind)

    def _last(self) -> str:
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_CHARACTERS))
            return log.read().decode("utf-8", "replace")

    def _write_files(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self.log.exists():  # of an earlier start, which may show why there was another
                self.log.rename(
                    next(p for n in range(1, 10_000) if not (p := self.folder / f"server.{n}.log").exists())
                )
            for folder in self.command.folders:
                place = Template(folder).safe_substitute(os.environ | self.command.env)
                if "$" not in place:
                    Path(place).expanduser().mkdir(parents=True, exist_ok=True)
            for name, text in self.command.files.items():
                (self.folder / name).write_text(text, encoding="utf-8")
        except OSError as e:
            raise CannotWrite(f"{self.folder} cannot be written to ({e.strerror}); choose another folder") from e

    def _running(self) -> ServerProcess:
        if self._process is None:
            raise BadConfig(f"{self.command.name} is not running; use it as a context manager")
        return self._process


def check_installed(command: Command) -> None:
    """BadConfig, with how to install it, where the engine's program or module is not there."""
    program = "docker" if command.container else command.arguments[0]
    if shutil.which(program) is None:
        how = "install docker or podman-docker" if command.container else command.install
        raise BadConfig(f"{command.name} is not installed ({program} is not on the PATH); {how}")
    if not command.container and command.needs_module and importlib.util.find_spec(command.needs_module) is None:
        raise BadConfig(f"{command.name} is not installed (no module {command.needs_module}); {command.install}")


def check_port(command: Command) -> None:
    """BadConfig where something listens on the command's port already, or it may not be used."""
    if port_taken(command.port, command.host):
        raise BadConfig(
            f"port {command.port} for {command.name} is in use or not allowed; stop what uses it, or give another port"
        )


def installed_version(command: Command, timeout_s: float = 60.0) -> str | None:
    """The version that the engine on this machine reports; None if it reports none."""
    if command.needs_module and not command.container:
        return _module_version(command.needs_module)
    if command.container or not command.version_of or shutil.which(command.version_of[0]) is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603, the command comes from a recipe
            list(command.version_of), capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"\d+\.\d+[\w.+]*", done.stdout or done.stderr)
    return version[0] if version else None


def _module_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _ending(status: int) -> str:
    return f"exit status {status}" if status >= 0 else f"signal {-status}"
