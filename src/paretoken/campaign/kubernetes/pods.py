"""What the pods of a job say of themselves: whether they run, and in one sentence why they cannot go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from typing_extensions import TypedDict

from paretoken.engines.diagnose import KINDS, kind_of
from paretoken.foreign_text import one_line

COMPONENT = "app.kubernetes.io/component"
LOAD, ENGINE, KEEPER = "load", "engine", "keeper"
SERVER = "server"
"""The container of the engine; those of the load are called LOAD and KEEPER."""
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
    """A word and a sentence of the cluster: why a container waits or ended, or a pod is as it is."""

    reason: str
    message: str


class Terminated(Cause, total=False):
    """How a container ended."""

    exitCode: int


class ContainerState(TypedDict, total=False):
    """One of three states of a container."""

    waiting: Cause
    running: dict[str, object]
    terminated: Terminated


class ContainerStatus(TypedDict, total=False):
    """A container of a pod."""

    name: str
    image: str
    state: ContainerState


class PodCondition(Cause, total=False):
    """A condition of a pod."""

    type: str
    status: str


class PodStatus(Cause, total=False):
    """What the cluster says of a pod."""

    phase: str
    conditions: list[PodCondition]
    containerStatuses: list[ContainerStatus]


class PodMetadata(TypedDict, total=False):
    """The name and the labels of a pod; one that is being deleted has the time of it."""

    name: str
    labels: dict[str, str]
    deletionTimestamp: str


class Pod(TypedDict):
    """A pod as kubectl prints it, as far as it is read here."""

    metadata: PodMetadata
    status: PodStatus


class PodList(TypedDict):
    """The pods of a job."""

    items: list[Pod]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod cannot go on: a sentence, its kind, and whether a further attempt may help."""

    reason: str
    kind: str
    may_help: bool = False


def of_component(pods: Sequence[Pod], component: str) -> Pod | None:
    """The pod of a component; None before the cluster has made it, and after it is gone."""
    labelled = (pod for pod in pods if pod["metadata"].get("labels", {}).get(COMPONENT) == component)
    return next((pod for pod in labelled if "deletionTimestamp" not in pod["metadata"]), None)


def runs(pod: Pod | None) -> bool:
    """Whether every container of the pod runs or has run."""
    states = [state for _, state in _states(pod)] if pod else []
    return bool(states) and all("running" in state or "terminated" in state for state in states)


def ended(pod: Pod | None, container: str) -> Terminated | None:
    """How a container of the pod ended; None while it has not."""
    states = dict(_states(pod)) if pod else {}
    return states.get(container, ContainerState()).get("terminated")


def trouble(
    pod: Pod | None, what: str, waited_s: float, within_s: float, log: Callable[[str], str] = lambda _: ""
) -> Trouble | None:
    """Why the pod of `what` cannot go on; None while it may. `log` reads the end of a container's log."""
    late = waited_s > within_s
    if pod is None:
        return Trouble(f"the cluster made no pod of {what} within {within_s:g} s", "pending") if late else None
    status = pod["status"]
    for name, state in _states(pod):
        waiting, over = state.get("waiting", Cause()), state.get("terminated")
        if why := _HOPELESS.get(waiting.get("reason", "")):
            return Trouble(f"the pod of {what} {why}: {_words(waiting, name)}", "setup")
        if over is not None:
            return _over(what, name, over, log(name))
    if status.get("phase") == "Failed":
        return Trouble(f"the cluster ended the pod of {what}: {_words(status, 'no reason given')}", "evicted", True)
    if late and not runs(pod):
        return Trouble(f"the pod of {what} does not run after {within_s:g} s: {_why_pending(pod)}", "pending")
    return None


def _over(what: str, container: str, over: Terminated, log: str) -> Trouble:
    """Why a container ended. Only the engine's log has signs of what an engine can fail of."""
    code = over.get("exitCode", 0)
    kind = "out of memory" if over.get("reason") == "OOMKilled" else kind_of(log if container == SERVER else "", code)
    tail = one_line(" | ".join(log.strip().splitlines()[-6:]))
    part = what if container in (SERVER, LOAD) else f"the {container} container of {what}"
    return Trouble(f"{part} {KINDS[kind]} (exit status {code})" + (f"; {tail}" if tail else ""), kind, True)


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
