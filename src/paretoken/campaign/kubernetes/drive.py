"""Drive one job of a campaign on a cluster: its Jobs are created, watched and deleted from this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import cast

from paretoken.campaign.kubernetes.kubectl import HEARTBEAT_S, Kubectl
from paretoken.campaign.kubernetes.manifests import JobObjects
from paretoken.campaign.kubernetes.parcel import pack
from paretoken.campaign.kubernetes.pods import (
    COMPONENTS,
    ENGINE,
    KEEPER,
    LOAD,
    SERVER,
    Pod,
    Trouble,
    ended,
    gone,
    late,
    of_component,
    pod_name,
    runs,
    tail_of,
    trouble,
)
from paretoken.campaign.state import FAILED, JOBS, LOCK, CampaignFolder, JobFolder, locked, now
from paretoken.campaign.supervise import PointTimer
from paretoken.engines.kubernetes.text import Manifest
from paretoken.errors import BadConfig, BadFile, CannotWrite, ParetokenError
from paretoken.foreign_text import visible_lines

LOOK_S = 2.0
PULL_S = 15.0
SETTLE_S = 20.0
"""How long the cluster may take to show that an engine has ended."""
LOST_S = 300.0
"""How long the cluster may not answer before the campaign ends, and may not send the results before they are lost."""
SLACK_S = 60.0
"""Files get their names once they are whole; one that was begun this long before a transfer counts as new."""


class Stopped(Exception):
    """The campaign is interrupted."""


class AttemptFailed(Exception):
    """The engine or the load ended too early."""

    def __init__(self, why: Trouble) -> None:
        super().__init__(why.reason)
        self.why = why


@dataclass(slots=True)
class JobDriver:
    """One job on the cluster: attempt after attempt, until none of its cells is open."""

    folder: CampaignFolder
    job: JobFolder
    objects: JobObjects
    kubectl: Kubectl
    stop: Event
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    pulled: tuple[float, float] | None = field(default=None, init=False)
    """When the last transfer of this attempt began after which everything was here, by both clocks."""

    def drive(self) -> None:
        """Run the job to its end, or until `stop` is set. Its objects are deleted however it ends."""
        with locked(self.job.folder / LOCK, 0.0) as acquired:
            if not acquired:
                raise BadConfig(f"another process is working on {self.job.folder}; wait for it, or stop it")
            with suppress(Stopped):
                self._clear()
                while self.job.open_cells():
                    try:
                        self._attempt()
                    except AttemptFailed as e:
                        retries = self.folder.campaign().run.retries if e.why.may_help else 0
                        self.job.count_failure(e.why.reason, e.why.kind, retries)
                if self.job.failed_cells():
                    self.job.note(status=FAILED, ended=now())

    def _clear(self) -> None:
        """Delete what a killed driver left on the cluster, and fetch first what its load has measured meanwhile."""
        with suppress(ParetokenError):
            if load := of_component(self.kubectl.pods(self.objects.name), LOAD):
                self._pull(load)
        self.kubectl.delete(self.objects.name)

    def _attempt(self) -> None:
        """One life of the engine. AttemptFailed where it ends too early."""
        self.pulled = None
        self.job.begin_attempt()
        starts = len(self.job.status()["starts"])
        with self._on_cluster():
            self._push(self._until_both_run())
            self._until_load_ends()
            if self.job.open_cells():
                self._raise_why(starts)

    @contextmanager
    def _on_cluster(self) -> Iterator[None]:
        """The objects of the job: created, at the end looked at once more, and deleted."""
        if self.stop.is_set():
            raise Stopped
        try:
            self._create()
            yield
        finally:
            try:
                with suppress(ParetokenError):
                    self._fetch_last()
            finally:  # a full disk here keeps no GPU there
                self._delete()

    def _create(self) -> None:
        """The load first: it owns the rest, which the cluster deletes with it should this machine be gone."""
        uid = self.kubectl.create(self.objects.load)
        owner: Manifest = {"apiVersion": "batch/v1", "kind": "Job", "name": f"{self.objects.name}-{LOAD}", "uid": uid}
        for manifest in self.objects.engine:
            metadata = cast("dict[str, Manifest]", manifest["metadata"])
            self.kubectl.create({**manifest, "metadata": {**metadata, "ownerReferences": [owner]}})

    def _delete(self) -> None:
        """Delete the objects of the job: again and again while the cluster is away, once after an interruption."""
        until_s = self.clock() + LOST_S
        while True:
            try:
                self.kubectl.delete(self.objects.name)
            except ParetokenError:
                if self.clock() > until_s or self.stop.wait(LOOK_S):
                    raise
            else:
                return

    def _until_both_run(self) -> Pod:
        """The pod of the load, once it and that of the engine run."""
        began_s = beat_s = self.clock()
        within_s = self.kubectl.settings.pending_within_s
        created: set[str] = set()
        while True:
            pods = self._pods()
            load = of_component(pods, LOAD)
            if load and runs(load) and self.clock() - beat_s > HEARTBEAT_S:
                with suppress(ParetokenError):
                    self.kubectl.heartbeat(pod_name(load))
                beat_s = self.clock()
            for component in COMPONENTS:
                pod = of_component(pods, component)
                created |= {component} if pod else set()
                if component in created:
                    self._check_running(pods, component)
                if self.clock() - began_s > within_s and (why := late(pod, component, within_s)):
                    raise AttemptFailed(why)
            if load and runs(load) and runs(of_component(pods, ENGINE)):
                return load

    def _until_load_ends(self) -> None:
        """Fetch what is new from time to time, and everything once the load has ended, well or not."""
        timer = PointTimer(self.folder.campaign().run.point_timeout_s, self.clock)
        next_s = self.clock() + PULL_S
        while True:
            pods = self._pods()
            load = of_component(pods, LOAD)
            if load and ended(load, LOAD) and not ended(load, KEEPER):
                self._pull_all(load)
                return
            for component in COMPONENTS:
                self._check_running(pods, component)
            if load and self.clock() > next_s:
                with suppress(ParetokenError):  # the next one fetches what this one did not
                    self._pull(load)
                next_s = self.clock() + PULL_S
            if overdue := timer.overdue(self.job):
                raise AttemptFailed(Trouble(overdue, "timeout", True))

    def _raise_why(self, starts: int) -> None:
        """AttemptFailed: the engine ended, which the cluster may show later; or it did not answer; or the load failed.

        `starts` is the number of starts that the job had before this attempt.
        """
        until_s = self.clock() + SETTLE_S
        while self.clock() < until_s:
            self._check_running(self._pods(), ENGINE)
        pods = self._pods()
        for start in self.job.status()["starts"][starts:]:
            if "failed" in start:
                reason = f"{start['failed']}{tail_of(self._log(of_component(pods, ENGINE), SERVER))}"
                raise AttemptFailed(Trouble(reason, str(start["kind"]), True))
        self._check_running(pods, LOAD)

    def _check_running(self, pods: list[Pod], component: str) -> None:
        """AttemptFailed if the pod of a component, which was there, is gone or cannot go on."""
        pod = of_component(pods, component)
        if why := trouble(pod, component, partial(self._log, pod)) if pod else gone(component):
            raise AttemptFailed(why)

    def _pods(self) -> list[Pod]:
        """The pods of the job, after a pause. Stopped when the campaign is interrupted."""
        until_s = self.clock() + LOST_S
        while True:
            if self.stop.wait(LOOK_S):
                raise Stopped
            try:
                return self.kubectl.pods(self.objects.name)
            except ParetokenError:
                if self.clock() > until_s:
                    raise

    def _push(self, load: Pod) -> None:
        """Send the job, which the load waits for."""
        try:
            self.kubectl.push(pod_name(load), partial(pack, folder=self.folder, job=self.job), self.stop)
        except ParetokenError as e:
            if self.stop.is_set():
                raise Stopped from e
            reason = f"the campaign did not reach the pod of the load: {e}"
            raise AttemptFailed(Trouble(reason, "transfer", True)) from e

    def _pull(self, load: Pod, *, everything: bool = False) -> None:
        """Fetch what is new in the load's pod, or everything that it wrote."""
        began, newest_s = (self.clock(), self.wall_clock()), None
        if self.pulled and not everything:  # the first clock stops while this machine sleeps, the second may be set
            newest_s = SLACK_S + max(now_s - then_s for now_s, then_s in zip(began, self.pulled, strict=True))
        self.kubectl.pull(pod_name(load), f"{JOBS}/{self.job.job.slug}", self.folder.folder, newest_s=newest_s)
        self.pulled = began
        self.job.forget_lost_levels()

    def _pull_all(self, load: Pod) -> None:
        """Fetch everything, again and again while the cluster does not send it. AttemptFailed where it is lost."""
        until_s = self.clock() + LOST_S
        while True:
            try:
                self._pull(load, everything=True)
            except BadFile:
                raise  # what it sends does not get better
            except ParetokenError as e:
                if self.clock() > until_s:
                    if isinstance(e, CannotWrite):  # another attempt would end here, too
                        raise
                    reason = f"the results could not be fetched within {LOST_S:g} s: {e}"
                    raise AttemptFailed(Trouble(reason, "transfer", True)) from e
            else:
                return
            pods = self._pods()
            if ended(of_component(pods, LOAD), KEEPER) or of_component(pods, LOAD) is None:
                self._check_running(pods, LOAD)

    def _fetch_last(self) -> None:
        """The logs, and what is new since the last transfer."""
        pods = self.kubectl.pods(self.objects.name)
        for component, container, name in ((ENGINE, SERVER, "server"), (LOAD, LOAD, "worker")):
            if log := self._log(of_component(pods, component), container):
                self.job.next_log(name).write_text(visible_lines(log), encoding="utf-8")
        if load := of_component(pods, LOAD):
            self._pull(load)

    def _log(self, pod: Pod | None, container: str) -> str:
        """The end of the log of a container; empty where the cluster has none."""
        with suppress(ParetokenError):
            return self.kubectl.log(pod_name(pod), container) if pod else ""
        return ""
