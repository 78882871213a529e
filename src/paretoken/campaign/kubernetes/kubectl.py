"""kubectl as a process: objects are created and deleted, pods are listed, folders go in and out as tar streams."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import SEEK_END
from pathlib import Path
from threading import Timer
from typing import IO

from paretoken.campaign.cluster_settings import KubernetesSettings
from paretoken.campaign.kubernetes.manifests import FOLDER_AT, PUSHED, SEEN, selector
from paretoken.campaign.kubernetes.pods import KEEPER, Pod, PodList
from paretoken.engines.kubernetes.text import Manifest
from paretoken.errors import BadConfig, BadFile, ParetokenError
from paretoken.foreign_text import one_line
from paretoken.plain_files import as_type

ANSWER_S = 120.0
STREAM_S = 1800.0
"""Longest time of a transfer."""
LOG_LINES = 5_000
TAIL_BYTES = 4_096
"""As much of the end of what kubectl prints as an error can need."""
SLACK_S = 60
"""Files are named only once they are whole; one that was begun this long before counts as new."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """The commands for one cluster and namespace. ParetokenError with kubectl's own message where one fails."""

    settings: KubernetesSettings

    def check(self) -> None:
        """BadConfig without kubectl, ParetokenError where it reaches no cluster or may not make Jobs in it."""
        if shutil.which("kubectl") is None:
            raise BadConfig("kubectl is not on the PATH; install it, or run the campaign here without --kubernetes")
        self._run("get", "jobs", "--output=name", "--selector=app.kubernetes.io/name=paretoken-campaign")

    def create(self, made: Manifest) -> str:
        """Create an object; its uid."""
        return self._run("create", "--filename=-", "--output=jsonpath={.metadata.uid}", text=json.dumps(made)).strip()

    def pods(self, name: str) -> list[Pod]:
        """The pods of a job."""
        listed = self._run("get", "pods", f"--selector={_label(name)}", "--output=json")
        try:
            return as_type(PodList, json.loads(listed), "kubectl get pods", "is it another program?")["items"]
        except ValueError as e:
            raise BadFile(f"kubectl get pods printed no JSON: {one_line(listed)!r}; is it another program?") from e

    def delete(self, name: str) -> None:
        """Delete all objects of a job; its pods, of which the cluster then makes no further one, may take longer."""
        label = f"--selector={_label(name)}"
        self._run("delete", "job,service,configmap", label)
        self._run("delete", "pod", label, "--wait=false")

    def log(self, pod: str, container: str) -> str:
        """The end of a container's log; empty where the cluster has none."""
        try:
            return self._run("logs", pod, f"--container={container}", f"--tail={LOG_LINES}")
        except ParetokenError:
            return ""

    def look(self, pod: str) -> None:
        """Say to the load's pod that its driver is there, as every `pull` does."""
        self._run("exec", pod, f"--container={KEEPER}", "--", "touch", SEEN)

    def push(self, pod: str, write: Callable[[tarfile.TarFile], None]) -> None:
        """Put files into the campaign's folder of a pod; the load starts once they are all there."""
        script = f"tar xf - -C {FOLDER_AT} && cd {FOLDER_AT} && touch .then {PUSHED}"
        with (
            self._streaming("exec", "--stdin", pod, f"--container={KEEPER}", "--", "sh", "-c", script) as process,
            tarfile.open(fileobj=process.stdin, mode="w|") as tar,
        ):
            write(tar)

    def pull(self, pod: str, inside: str, into: Path, *, everything: bool) -> None:
        """Fetch the folder `inside` of a pod's campaign into `into`, or what is new in it; each file arrives whole."""
        new = "" if everything else f"--newer-mtime={FOLDER_AT}/.then --exclude='*.journal'"
        script = (
            f"cd {FOLDER_AT} && touch {SEEN} && mkdir -p {inside} && touch -d '{SLACK_S} seconds ago' .next && "
            f"tar cf - --sort=name --exclude='.*' --exclude=warm-up {new} {inside}; "
            "code=$?; mv .next .then; [ $code -lt 2 ]"  # 1 is a file that grew while it was read
        )
        with (
            self._streaming("exec", pod, f"--container={KEEPER}", "--", "sh", "-c", script) as process,
            tarfile.open(fileobj=process.stdout, mode="r|") as tar,
        ):
            unpack(tar, inside, into)

    @contextmanager
    def _streaming(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """kubectl with pipes; what it prints goes into a file, so that however much it is, nothing waits for it."""
        with tempfile.TemporaryFile() as printed, self._begun(words, printed) as process:
            late = Timer(STREAM_S, process.kill)
            late.start()
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
                raise ParetokenError(f"kubectl {words[0]} failed: {_end_of(printed) or one_line(str(e))}") from e
            finally:
                late.cancel()
            if code := process.returncode:
                raise ParetokenError(f"kubectl {words[0]} failed: {_end_of(printed) or f'exit status {code}'}")

    def _begun(self, words: Sequence[str], printed: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603, kubectl with words of ours
            self._command(*words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=printed,
            start_new_session=True,
        )

    def _run(self, *words: str, text: str | None = None, within_s: float = ANSWER_S) -> str:
        try:
            done = subprocess.run(  # noqa: S603, kubectl with words of ours
                self._command(*words),
                input=text,
                capture_output=True,
                text=True,
                timeout=within_s,
                check=False,
                start_new_session=True,  # Ctrl-C is for us: the Jobs must still be deleted
            )
        except subprocess.TimeoutExpired as e:
            raise ParetokenError(f"kubectl {words[0]} did not answer within {within_s:g} s; check the cluster") from e
        if done.returncode:
            raise ParetokenError(f"kubectl {words[0]} failed: {one_line(done.stderr.strip() or done.stdout.strip())}")
        return done.stdout

    def _command(self, *words: str) -> list[str]:
        context = [f"--context={self.settings.context}"] if self.settings.context else []
        namespace = [f"--namespace={self.settings.namespace}"] if self.settings.namespace else []
        return ["kubectl", *context, *namespace, *words]


def unpack(tar: tarfile.TarFile, inside: str, into: Path) -> None:
    """Put the files of a stream that lie in the folder `inside` into `into`, each moved in when it is whole.

    BadFile for a member outside that folder. Links and devices are left out.
    """
    arriving = into / inside / ".arriving"
    for member in tar:
        parts = Path(member.name).parts
        if ".." in parts or not Path(member.name).is_relative_to(inside):
            raise BadFile(f"the pod sent {member.name!r}, which is outside {inside}; is its image paretoken's?")
        source = tar.extractfile(member) if member.isfile() else None
        if source is None:
            continue
        place = into / member.name
        place.parent.mkdir(parents=True, exist_ok=True)
        with arriving.open("wb") as file:
            shutil.copyfileobj(source, file)
        arriving.replace(place)
    arriving.unlink(missing_ok=True)


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


def _end_of(printed: IO[bytes]) -> str:
    printed.seek(max(0, printed.seek(0, SEEK_END) - TAIL_BYTES))
    return one_line(printed.read().decode("utf-8", "replace").strip())
