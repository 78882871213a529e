"""The pods of a job as kubectl lists them: whether they run, and in one sentence why they cannot go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from typing_extensions import TypedDict

from paretoken.engines.diagnose import KINDS, kind_of
from paretoken.foreign_text import one_line

COMPONENT = "app.kubernetes.io/component"
LOAD, ENGINE, KEEPER = "load", "engine", "keeper"
SERVER = "server"
"""The container of the engine; those of the load are LOAD and KEEPER."""
COMPONENTS = {ENGINE: "the engine", LOAD: "the load"}
"""The pods of a job, and how messages call them."""
TAIL_LINES = 6
_HOPELESS = {
    "ImagePullBackOff": "cannot pull the image",
    "ErrImageNeverPull": "does not have the image on its node",
    "InvalidImageName": "names an image that cannot be",
    "CreateContainerConfigError": "lacks a Secret or a ConfigMap",
    "CreateContainerError": "cannot create its container",
    "RunContainerError": "cannot run its container",
}
"""Reasons for which a container waits that no further attempt mends."""


class Cause(TypedDict, total=False):
    """Why a container waits or has ended, or a pod is in its phase: a word and a sentence."""

    reason: str
    message: str


class Terminated(Cause, total=False):
    """How a container ended."""

    exitCode: int


class ContainerState(TypedDict, total=False):
    """The state of a container: one of three keys."""

    waiting: Cause
    running: dict[str, object]
    terminated: Terminated


class ContainerStatus(TypedDict, total=False):
    """A container of a pod."""

    name: str
    state: ContainerState


class PodCondition(Cause, total=False):
    """A condition of a pod."""

    type: str
    status: str


class PodStatus(Cause, total=False):
    """The status of a pod."""

    phase: str
    conditions: list[PodCondition]
    containerStatuses: list[ContainerStatus]


class PodMetadata(TypedDict, total=False):
    """The metadata of a pod; only one that is being deleted has a `deletionTimestamp`."""

    name: str
    labels: dict[str, str]
    deletionTimestamp: str


class Pod(TypedDict):
    """A pod, as far as it is read here."""

    metadata: PodMetadata
    status: PodStatus


class PodList(TypedDict):
    """The answer of `kubectl get pods`."""

    items: list[Pod]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod cannot go on: a sentence, its kind, and whether a further attempt may help."""

    reason: str
    kind: str
    may_help: bool = False


def of_component(pods: Sequence[Pod], component: str) -> Pod | None:
    """The pod of a component; None before the cluster has created it, and while it is being deleted."""
    labelled = (pod for pod in pods if pod["metadata"].get("labels", {}).get(COMPONENT) == component)
    return next((pod for pod in labelled if "deletionTimestamp" not in pod["metadata"]), None)


def pod_name(pod: Pod) -> str:
    return pod["metadata"].get("name", "")


def runs(pod: Pod | None) -> bool:
    """Whether every container of the pod runs or has run."""
    states = [state for _, state in _states(pod)] if pod else []
    return bool(states) and all("running" in state or "terminated" in state for state in states)


def ended(pod: Pod | None, container: str) -> Terminated | None:
    """How a container of the pod ended; None while it has not."""
    states = dict(_states(pod)) if pod else {}
    return states.get(container, ContainerState()).get("terminated")


def trouble(pod: Pod, component: str, log: Callable[[str], str]) -> Trouble | None:
    """Why the pod of a component cannot go on; None while it can. `log` reads the end of a container's log."""
    what, status = COMPONENTS[component], pod["status"]
    if status.get("phase") == "Failed" and (status.get("reason") or not status.get("containerStatuses")):
        return Trouble(f"the cluster ended the pod of {what}: {_words(status, 'no reason given')}", "evicted", True)
    for name, state in _states(pod):
        waiting = state.get("waiting", Cause())
        if why := _HOPELESS.get(waiting.get("reason", "")):
            return Trouble(f"the pod of {what} {why}: {_words(waiting, name)}", "setup")
        if (over := state.get("terminated")) is not None:
            return _over(what, name, over, log(name))
    return None


def gone(component: str) -> Trouble:
    """That the pod of a component, which was there, is gone."""
    return Trouble(f"the pod of {COMPONENTS[component]} is gone; its node may have failed", "evicted", True)


def late(pod: Pod | None, component: str, within_s: float) -> Trouble | None:
    """Why the pod of a component does not run, which it should after `within_s`; None where it does."""
    what = COMPONENTS[component]
    if pod is None:
        return Trouble(f"the cluster created no pod of {what} within {within_s:g} s", "pending")
    if runs(pod):
        return None
    return Trouble(f"the pod of {what} does not run after {within_s:g} s: {_why_pending(pod)}", "pending")


def tail_of(log: str) -> str:
    """The last lines of a log, to follow a sentence."""
    lines = one_line(" | ".join(log.strip().splitlines()[-TAIL_LINES:]))
    return lines and f"; {lines}"


def _over(what: str, container: str, over: Terminated, log: str) -> Trouble:
    """Why a container ended. Only the log of the engine is searched for the signs of its failures."""
    code = over.get("exitCode", 0)
    if over.get("reason") == "OOMKilled":
        kind = "out of memory"
    elif container == LOAD:
        return Trouble(f"{what} exited with status {code}{tail_of(log)}", "worker", True)
    else:
        kind = kind_of(log if container == SERVER else "", code)
    part = what if container in (SERVER, LOAD) else f"the {container} container of {what}"
    return Trouble(f"{part} {KINDS[kind]} (exit status {code}){tail_of(log)}", kind, True)


def _states(pod: Pod) -> Iterator[tuple[str, ContainerState]]:
    for status in pod["status"].get("containerStatuses", []):
        yield status.get("name", ""), status.get("state", ContainerState())


def _why_pending(pod: Pod) -> str:
    """The scheduler's words for a pod without a node, else those of the container that waits."""
    for condition in pod["status"].get("conditions", []):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return _words(condition, "no node takes it")
    waiting = (state["waiting"] for _, state in _states(pod) if "waiting" in state)
    return _words(next(waiting, Cause()), "no reason given")


def _words(cause: Cause, otherwise: str) -> str:
    return one_line(cause.get("message") or cause.get("reason") or otherwise)
