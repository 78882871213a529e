"""kubectl as a process: objects are created and deleted, pods are listed, folders go in and out as tar streams."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import SEEK_END
from math import ceil
from pathlib import Path
from threading import Event, Thread
from typing import IO

from paretoken.campaign.cluster_settings import KubernetesSettings
from paretoken.campaign.commands import output_of
from paretoken.campaign.kubernetes.manifests import ALONE_MINUTES, FOLDER_AT, HEARTBEAT, PUSHED, selector
from paretoken.campaign.kubernetes.pods import KEEPER, Pod, PodList
from paretoken.engines.kubernetes.text import Manifest
from paretoken.errors import BadConfig, BadFile, CannotWrite, ParetokenError
from paretoken.foreign_text import one_line
from paretoken.plain_files import as_type

STREAM_S = 1800.0
"""Longest time of a transfer."""
HEARTBEAT_S = ALONE_MINUTES * 60 / 3
"""Time between heartbeats of the driver, also during a transfer: two of them may fail."""
STOP_S = 0.5
"""How soon a transfer ends after an interruption."""
LOG_LINES = 5_000
TAIL_BYTES = 4_096
"""As much of the end of what kubectl prints as an error can need."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """The commands for one cluster and namespace. ParetokenError with kubectl's own message where one fails."""

    settings: KubernetesSettings

    def check(self) -> None:
        """BadConfig without kubectl, ParetokenError where it reaches no cluster or may not list Jobs in it."""
        if shutil.which("kubectl") is None:
            raise BadConfig("kubectl is not on the PATH; install it, or run the campaign here without --kubernetes")
        self._run("get", "jobs", "--output=name", "--selector=app.kubernetes.io/name=paretoken-campaign")

    def create(self, manifest: Manifest) -> str:
        """Create an object; its uid."""
        words = ("create", "--filename=-", "--output=jsonpath={.metadata.uid}")
        return self._run(*words, text=json.dumps(manifest)).strip()

    def pods(self, name: str) -> list[Pod]:
        """The pods of a job."""
        listed = self._run("get", "pods", f"--selector={_label(name)}", "--output=json")
        try:
            return as_type(PodList, json.loads(listed), "kubectl get pods", "is it another program?")["items"]
        except ValueError as e:
            raise BadFile(f"kubectl get pods printed no JSON: {one_line(listed)!r}; is it another program?") from e

    def delete(self, name: str) -> None:
        """Delete all objects of a job. Its pods may take longer to end; the cluster creates no more of them."""
        label = f"--selector={_label(name)}"
        self._run("delete", "job,service,configmap", label)
        self._run("delete", "pod", label, "--wait=false")

    def log(self, pod: str, container: str) -> str:
        """The end of a container's log."""
        return self._run("logs", pod, f"--container={container}", f"--tail={LOG_LINES}")

    def heartbeat(self, pod: str) -> None:
        """Show the load's pod that its driver is there, as every transfer does."""
        self._run("exec", pod, f"--container={KEEPER}", "--", "touch", HEARTBEAT)

    def push(self, pod: str, write: Callable[[tarfile.TarFile], None], stop: Event) -> None:
        """Put files into the campaign's folder of a pod, until `stop` is set; the load starts once all have arrived."""
        script = f"touch {HEARTBEAT} && tar xmf - -C {FOLDER_AT} && touch {PUSHED}"
        with (
            self._beating(pod),
            self._streaming(("exec", "--stdin", *_shell(pod, script)), stop) as process,
            tarfile.open(fileobj=process.stdin, mode="w|") as tar,
        ):
            write(tar)

    def pull(self, pod: str, inside: str, into: Path, *, newest_s: float | None = None) -> None:
        """Fetch what the load wrote into the folder `inside` of its campaign; each file arrives whole in `into`.

        With `newest_s`, only files written in the last `newest_s` seconds by the pod's own clock, without journals.
        """
        new = PUSHED if newest_s is None else f"'{ceil(newest_s)} seconds ago' --exclude='*.journal'"
        script = (
            f"cd {FOLDER_AT} && touch {HEARTBEAT} && mkdir -p {inside} && "
            f"tar cf - --sort=name --exclude='.*' --exclude=warm-up --newer-mtime={new} {inside}; "
            "[ $? -lt 2 ]"  # 1 is a file that grew while it was read
        )
        with (
            self._beating(pod),
            self._streaming(("exec", *_shell(pod, script)), Event()) as process,
            tarfile.open(fileobj=process.stdout, mode="r|") as tar,
        ):
            unpack(tar, inside, into)

    @contextmanager
    def _beating(self, pod: str) -> Iterator[None]:
        """Heartbeats during a transfer, which may take longer than the load goes on without them."""
        over = Event()
        Thread(target=self._beat, args=(pod, over), daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def _beat(self, pod: str, over: Event) -> None:
        while not over.wait(HEARTBEAT_S):
            with suppress(ParetokenError):
                self.heartbeat(pod)

    @contextmanager
    def _streaming(self, words: Sequence[str], stop: Event) -> Iterator[subprocess.Popen[bytes]]:
        """kubectl with pipes, killed after STREAM_S or once `stop` is set.

        What it prints goes into a file: however much it is, no pipe fills up.
        """
        with tempfile.TemporaryFile() as printed, self._begun(words, printed) as process:
            over, killed = Event(), Event()
            Thread(target=_kill_late, args=(process, over, stop, killed), daemon=True).start()
            try:
                yield process
                _finish(process)
            except BaseException as e:
                process.kill()  # first: the end of the block waits for it
                process.wait()
                with suppress(OSError):
                    _close(process.stdin)
                if not isinstance(e, (tarfile.TarError, OSError)):
                    raise
                raise ParetokenError(f"kubectl {words[0]} failed: {_why(killed, printed, one_line(str(e)))}") from e
            finally:
                over.set()
            if code := process.returncode:
                raise ParetokenError(f"kubectl {words[0]} failed: {_why(killed, printed, f'exit status {code}')}")

    def _begun(self, words: Sequence[str], printed: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603, kubectl with words of ours
            self._command(*words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=printed,
            start_new_session=True,
        )

    def _run(self, *words: str, text: str | None = None) -> str:
        return output_of(self._command(*words), f"kubectl {words[0]}", text)

    def _command(self, *words: str) -> list[str]:
        context = [f"--context={self.settings.context}"] if self.settings.context else []
        namespace = [f"--namespace={self.settings.namespace}"] if self.settings.namespace else []
        return ["kubectl", *context, *namespace, *words]


def unpack(tar: tarfile.TarFile, inside: str, into: Path) -> None:
    """Put the files of a stream that lie in the folder `inside` into `into`, each moved in when it is whole.

    BadFile for a member outside that folder, CannotWrite where `into` takes no more. Links and devices are left out.
    """
    arriving = into / inside / ".arriving"
    for member in tar:
        parts = Path(member.name).parts
        if ".." in parts or not Path(member.name).is_relative_to(inside):
            raise BadFile(f"the pod sent {member.name!r}, which is outside {inside}; is its image paretoken's?")
        source = tar.extractfile(member) if member.isfile() else None
        if source is None:
            continue
        target = into / member.name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with arriving.open("wb") as file:
                shutil.copyfileobj(source, file)
            arriving.replace(target)
        except OSError as e:
            raise CannotWrite(f"{target} is not writable: {e.strerror}; free some space, or check its folder") from e
    arriving.unlink(missing_ok=True)


def _kill_late(process: subprocess.Popen[bytes], over: Event, stop: Event, killed: Event) -> None:
    """Kill the process of a transfer that is not over in time, or is interrupted."""
    until_s = time.monotonic() + STREAM_S
    while not over.wait(STOP_S):
        if stop.is_set() or time.monotonic() > until_s:
            killed.set()
            process.kill()
            return


def _shell(pod: str, script: str) -> tuple[str, ...]:
    """The words after `kubectl exec` for a script in the keeper of the load's pod."""
    return (pod, f"--container={KEEPER}", "--", "sh", "-c", script)


def _label(name: str) -> str:
    return ",".join(f"{key}={value}" for key, value in selector(name).items())


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        stream.close()


def _finish(process: subprocess.Popen[bytes]) -> None:
    """Wait until the process has ended, which it does once its input is over and its output is read."""
    _close(process.stdin)
    while process.stdout is not None and process.stdout.read(TAIL_BYTES):
        pass
    process.wait()


def _why(killed: Event, printed: IO[bytes], otherwise: str) -> str:
    """Why a transfer failed: it was killed, what kubectl printed last, or `otherwise`."""
    if killed.is_set():
        return f"the transfer was interrupted, or took longer than {STREAM_S:g} s"
    printed.seek(max(0, printed.seek(0, SEEK_END) - TAIL_BYTES))
    return one_line(printed.read().decode("utf-8", "replace").strip()) or otherwise
