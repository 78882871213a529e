"""Drive one job of a campaign on a cluster: its Jobs are created, watched and deleted from this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import cast

from paretoken.campaign.kubernetes.kubectl import Kubectl
from paretoken.campaign.kubernetes.manifests import ALONE_MINUTES, JobObjects
from paretoken.campaign.kubernetes.parcel import pack
from paretoken.campaign.kubernetes.pods import ENGINE, LOAD, SERVER, Pod, Trouble, ended, of_component, runs, trouble
from paretoken.campaign.state import FAILED, JOBS, LOCK, RUNNING, CampaignFolder, JobFolder, locked, now
from paretoken.campaign.supervise import overdue
from paretoken.engines.kubernetes.text import Manifest
from paretoken.errors import BadConfig, BadFile, ParetokenError
from paretoken.foreign_text import visible_lines

LOOK_S = 2.0
PULL_S = 15.0
SETTLE_S = 20.0
"""How long the cluster may take to say of an engine that it has ended."""
LOST_S = 300.0
"""How long the cluster may not answer before the campaign ends, and may not send the results before they are lost."""
LOOK_ALONE_S = ALONE_MINUTES * 60 / 3
"""How often the load hears of its driver while nothing is fetched: two of these may fail."""
PARTS = ((ENGINE, "the engine"), (LOAD, "the load"))


class Stopped(Exception):
    """The campaign is interrupted."""


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
    answered_s: float = field(default=0.0, init=False)

    def drive(self) -> None:
        """Run the job to its end, or until `stop` is set. Its objects are deleted however it ends."""
        with locked(self.job.folder / LOCK, 0.0) as acquired:
            if not acquired:
                raise BadConfig(f"another process is working on {self.job.folder}; wait for it, or stop it")
            with suppress(Stopped):
                while self.job.open_cells():
                    if failure := self._attempt():
                        self._count(failure)
                failed = any(self.job.cell(cell)["status"] == FAILED for cell in self.job.job.cells)
                self.job.note(**({"status": FAILED, "ended": now()} if failed else {}))

    def _attempt(self) -> Trouble | None:
        """One life of the engine; why it ended too early."""
        self.answered_s = self.clock()
        for cell in self.job.open_cells():  # left by a driver that was killed, perhaps days ago
            self.job.note_cell(cell, point=None)
        with self._on_cluster():
            if failure := self._until_both_run():
                return failure
            load = self._pod(LOAD)
            try:
                self.kubectl.push(load, lambda tar: pack(tar, self.folder, self.job))
            except ParetokenError as e:
                return Trouble(f"the campaign did not reach the pod of the load: {e}", "transfer", True)
            return self._until_load_ends(load)

    @contextmanager
    def _on_cluster(self) -> Iterator[None]:
        """The objects of the job: created, at the end looked at once more, and deleted."""
        if self.stop.is_set():
            raise Stopped
        self.kubectl.delete(self.objects.name)  # what a driver left that was killed
        try:
            self._create()
            yield
        finally:
            try:
                with suppress(ParetokenError):
                    self._keep_logs()
                    self._pull(self._pod(LOAD), everything=False)
            finally:  # a full disk here keeps no GPU there
                self.kubectl.delete(self.objects.name)

    def _create(self) -> None:
        """The load first: it owns the rest, which the cluster deletes with it should this machine be gone."""
        uid = self.kubectl.create(self.objects.load)
        owner: Manifest = {"apiVersion": "batch/v1", "kind": "Job", "name": f"{self.objects.name}-{LOAD}", "uid": uid}
        for made in self.objects.engine:
            metadata = cast("dict[str, Manifest]", made["metadata"])
            self.kubectl.create({**made, "metadata": {**metadata, "ownerReferences": [owner]}})

    def _until_both_run(self) -> Trouble | None:
        began_s, within_s = self.clock(), self.kubectl.settings.pending_within_s
        looked_s = began_s
        while True:
            pods = self._pods()
            if runs(of_component(pods, LOAD)) and self.clock() - looked_s > LOOK_ALONE_S:
                with suppress(ParetokenError):
                    self.kubectl.look(self._pod(LOAD))
                looked_s = self.clock()
            for component, what in PARTS:
                pod = of_component(pods, component)
                if why := trouble(pod, what, self.clock() - began_s, within_s, partial(self._log, component)):
                    return why
            if all(runs(of_component(pods, component)) for component, _ in PARTS):
                return None

    def _until_load_ends(self, load: str) -> Trouble | None:
        """Fetch what is new from time to time; why the load, or the engine under it, ended too early."""
        timeout_s, pulled_s = self.folder.campaign().run.point_timeout_s, self.clock()
        while True:
            pods = self._pods()
            if over := ended(of_component(pods, LOAD), LOAD):
                if lost := self._pull_all(load):
                    return lost
                code = over.get("exitCode", 0)
                return self._why_ended(code) if code or self.job.open_cells() else None
            for component, what in PARTS:
                if why := self._lost(pods, component, what):
                    return why
            if self.clock() - pulled_s > PULL_S:
                with suppress(ParetokenError):  # the next one fetches what this one did not
                    self._pull(load, everything=False)
                pulled_s = self.clock()
            if overdue(self.job, timeout_s, self.wall_clock()):
                return Trouble(f"a point took longer than point_timeout_s = {timeout_s:g} s", "timeout", True)

    def _lost(self, pods: list[Pod], component: str, what: str) -> Trouble | None:
        pod = of_component(pods, component)
        if pod is None:
            return Trouble(f"the pod of {what} is gone; its node may have failed", "evicted", True)
        return trouble(pod, what, 0.0, LOST_S, partial(self._log, component))

    def _why_ended(self, code: int) -> Trouble:
        """Why the load ended early: its engine did, of which the cluster may say so a little later, or itself."""
        until_s = self.clock() + SETTLE_S
        while self.clock() < until_s:
            if why := self._lost(self._pods(), ENGINE, "the engine"):
                return why
        tail = " | ".join(self._log(LOAD, LOAD).strip().splitlines()[-2:])
        return Trouble(f"the load exited with status {code}; {tail}", "worker", True)

    def _count(self, failure: Trouble) -> None:
        """Count an attempt of the cell that was measured, or of every open cell."""
        open_cells = self.job.open_cells()
        measured = [cell for cell in open_cells if failure.may_help and self.job.cell(cell)["status"] == RUNNING]
        retries = self.folder.campaign().run.retries if failure.may_help else 0
        for cell in measured or open_cells:
            self.job.failed(cell, failure.reason, failure.kind, retries)
            self.job.note_cell(cell, point=None)

    def _pods(self) -> list[Pod]:
        """The pods of the job, after a pause. Stopped when the campaign is interrupted."""
        while True:
            if self.stop.wait(LOOK_S):
                raise Stopped
            try:
                pods = self.kubectl.pods(self.objects.name)
            except ParetokenError:
                if self.clock() - self.answered_s > LOST_S:
                    raise
                continue
            self.answered_s = self.clock()
            return pods

    def _pod(self, component: str) -> str:
        pod = of_component(self.kubectl.pods(self.objects.name), component)
        if pod is None:
            raise ParetokenError(f"the cluster has no pod of {self.objects.name}-{component} any more; resume later")
        return pod["metadata"].get("name", "")

    def _pull(self, load: str, *, everything: bool) -> None:
        self.kubectl.pull(load, f"{JOBS}/{self.job.job.slug}", self.folder.folder, everything=everything)

    def _pull_all(self, load: str) -> Trouble | None:
        """Fetch all results, again and again while the cluster does not send them; why they are lost."""
        until_s = self.clock() + LOST_S
        while True:
            try:
                self._pull(load, everything=True)
                return None
            except BadFile:
                raise  # what it sends does not get better
            except ParetokenError as e:
                if self.clock() > until_s:
                    return Trouble(f"the results could not be fetched within {LOST_S:g} s: {e}", "transfer", True)
            if of_component(self._pods(), LOAD) is None:
                return Trouble("the pod of the load is gone, and its last results with it", "evicted", True)

    def _log(self, component: str, container: str) -> str:
        """The end of the log of a container; empty where the cluster has none."""
        try:
            return self.kubectl.log(self._pod(component), container)
        except ParetokenError:
            return ""

    def _keep_logs(self) -> None:
        for component, container, name in ((ENGINE, SERVER, "server"), (LOAD, LOAD, "worker")):
            if log := self._log(component, container):
                number = len(list(self.job.folder.glob(f"{name}.*.log"))) + 1
                (self.job.folder / f"{name}.{number}.log").write_text(visible_lines(log), encoding="utf-8")
