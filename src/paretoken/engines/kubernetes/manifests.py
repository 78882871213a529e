"""A server as Kubernetes manifests: a Deployment, its Service, and what they need in the cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from paretoken.engines.command import Command
from paretoken.engines.container import TOKEN
from paretoken.engines.kubernetes.autoscaler import autoscaler, needs_of_autoscaler
from paretoken.engines.kubernetes.pod import (
    CACHE_CLAIM,
    GPU_RESOURCES,
    TOKEN_SECRET,
    PodSources,
    check_pod,
    config_map,
    pod,
    weights_on_nodes,
)
from paretoken.engines.kubernetes.text import Manifest, Quoted, labels, yaml_of
from paretoken.errors import BadConfig
from paretoken.foreign_text import visible

BUSY = 0.8
"""Default target of the autoscaler, as a share of the requests that a replica serves at once."""
PULL_S = 600
"""Time to pull an image, in addition to that of loading weights."""
_LONGEST_NAME = 50
"""Characters of a name, so that suffixes fit into the 63 of RFC 1123."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Replicas of a server. With `max_replicas`, an autoscaler keeps their number between `replicas` and that.

    `users` is the most requests that a replica serves at once. The autoscaler adds a replica above `target_requests`
    running and waiting requests per replica, by default BUSY of `users`. `node_gpus` are the GPUs of a node.
    """

    replicas: int = 1
    max_replicas: int | None = None
    users: int = 32
    target_requests: int | None = None
    node_gpus: int = 8

    @property
    def target(self) -> int:
        """The requests of a replica, running and waiting, above which the autoscaler adds one."""
        return self.target_requests or max(int(self.users * BUSY), 1)


def kubernetes_yaml(command: Command, scale: Scale | None = None) -> str:
    """The manifests as YAML for `kubectl apply -f -`. BadConfig for what a Deployment cannot run."""
    scale = scale or Scale()
    _check(command, scale)
    name = _name(command)
    manifests = [_deployment(command, scale, name), _service(command, name)]
    if command.files:
        manifests.insert(0, config_map(command, f"{name}-files"))
    if scale.max_replicas:
        manifests.append(autoscaler(command, scale.replicas, scale.max_replicas, scale.target, name))
    head = "".join(f"# {visible(line)}\n" for line in _needs(command, scale, name))
    return head + yaml_of(manifests)


def _check(command: Command, scale: Scale) -> None:
    check_pod(command)
    if (gpus := command.all_gpus) > scale.node_gpus:
        raise BadConfig(
            f"a replica of {gpus} GPUs spans {ceil(gpus / scale.node_gpus)} nodes of {scale.node_gpus}, which a "
            f"Deployment cannot hold; use at most {scale.node_gpus} GPUs, or write a LeaderWorkerSet "
            "(https://lws.sigs.k8s.io) with one pod per node and the engine's multi-node options"
        )
    if scale.max_replicas is not None and scale.max_replicas < scale.replicas:
        raise BadConfig(f"--max-replicas {scale.max_replicas} is below --replicas {scale.replicas}; raise it")
    if scale.target_requests is not None:
        if scale.max_replicas is None:
            raise BadConfig("--target-requests is for an autoscaler; add --max-replicas, or leave it out")
        if scale.target_requests > scale.users:
            raise BadConfig(
                f"--target-requests {scale.target_requests} is above --concurrency {scale.users}: requests would wait "
                "before a replica is added; lower it"
            )


def _name(command: Command) -> str:
    """The served name and the engine as a label of RFC 1035, which begins with a letter."""
    words = re.sub(r"[^a-z0-9]+", "-", command.served_name.rsplit("/", 1)[-1].lower()).strip("-")
    engine = re.sub(r"[^a-z0-9]+", "-", command.engine.lower()).strip("-") or "engine"
    name = f"{words or 'model'}-{engine}"
    return (name if name[0].isalpha() else f"m-{name}")[:_LONGEST_NAME].rstrip("-")


def _deployment(command: Command, scale: Scale, name: str) -> Manifest:
    # The autoscaler owns the number: a stated one would be restored whenever the manifest is applied.
    number: dict[str, Manifest] = {} if scale.max_replicas else {"replicas": scale.replicas}
    annotations: dict[str, Manifest] = {
        "prometheus.io/scrape": Quoted("true"),
        "prometheus.io/port": Quoted(command.port),
        "prometheus.io/path": Quoted(command.metrics),
    }
    described: dict[str, Manifest] = {"labels": labels(name)}
    if command.metrics:
        described["annotations"] = annotations
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels(name)},
        "spec": {
            **number,
            "progressDeadlineSeconds": ceil(command.ready_within_s) + PULL_S,
            # A further pod beside the old ones would wait for GPUs that a full cluster does not have.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "selector": {"matchLabels": labels(name)},
            "template": {"metadata": described, "spec": pod(command, PodSources(f"{name}-files", f"{name}-env"))},
        },
    }


def _service(command: Command, name: str) -> Manifest:
    ports: Manifest = [{"name": "http", "port": command.port, "targetPort": "http"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": labels(name)},
        "spec": {"selector": labels(name), "ports": ports},
    }


def _needs(command: Command, scale: Scale, name: str) -> Iterator[str]:
    """What the cluster must have, as lines of a comment."""
    yield f"{command.name} {command.version} on Kubernetes. Apply with kubectl apply -f FILE. The cluster must have:"
    if resource := GPU_RESOURCES.get(command.vendor):
        yield f"- the device plugin that offers {resource}; with several kinds of GPUs, add a nodeSelector for yours"
    if weights := weights_on_nodes(command):
        yield from (f"- the weights at {path!r} on every node that may run a replica" for path in weights)
    else:
        mode = "ReadWriteMany" if scale.replicas > 1 or scale.max_replicas else "ReadWriteOnce"
        yield f"- a PersistentVolumeClaim {CACHE_CLAIM}, {mode}, with room for the weights"
        yield f"- for weights that need a licence, a Secret {TOKEN_SECRET} with the key {TOKEN}:"
        yield f"  kubectl create secret generic {TOKEN_SECRET} --from-file={TOKEN}=FILE_WITH_THE_TOKEN"
    if passed := [v for v, value in command.env.items() if not value and v != TOKEN]:
        yield f"- a Secret {name}-env with the keys {', '.join(passed)}"
    if scale.max_replicas:
        yield from needs_of_autoscaler(command, scale.target)
    yield from command.notes
