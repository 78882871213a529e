"""A server as Kubernetes manifests: a Deployment, its Service, and what they need of the cluster."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import TypeAlias

import yaml

from paretoken.catalog.engine_files import engine_files
from paretoken.engines.command import Command
from paretoken.engines.recipes import CPU
from paretoken.errors import BadConfig
from paretoken.foreign_text import visible

Manifest: TypeAlias = "dict[str, Manifest] | list[Manifest] | str | int | bool"

GPU_RESOURCES = {"NVIDIA": "nvidia.com/gpu", "AMD": "amd.com/gpu"}
"""Resources that the device plugins of the makers offer."""
FILES_AT, CACHE_AT, SHARED_AT = "/paretoken", "/model-cache", "/dev/shm"  # noqa: S108, the mount point of the pod
CACHE_CLAIM, TOKEN_SECRET, TOKEN = "model-cache", "hf-token", "HF_TOKEN"
SHARED_LIMIT = "16Gi"
"""Most shared memory, which tensor parallelism exchanges data through; none is reserved."""
PULL_S = 600
"""Time to pull an image, beyond that of loading weights."""
BUSY = 0.8
"""Share of the concurrent requests of a replica from which on the autoscaler adds one."""
QUIET_S = 600
"""How long the load must be low before the autoscaler removes a replica."""
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_FILE = re.compile(r"[-._a-zA-Z0-9]+")
_LONGEST_NAME = 50
"""Characters, which leaves room for what is added within the 63 of RFC 1123."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Replicas of a server. With `max_replicas` an autoscaler keeps their number between `replicas` and that.

    `users` are the concurrent requests of a replica, `node_gpus` the GPUs of a node.
    """

    replicas: int = 1
    max_replicas: int | None = None
    users: int = 32
    node_gpus: int = 8


class _Quoted(str):
    """A text that YAML writes in quotes, so that no reader takes `1e3` or `on` for something else."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(_Quoted, lambda d, text: d.represent_scalar("tag:yaml.org,2002:str", str(text), style='"'))


def kubernetes(command: Command, scale: Scale | None = None) -> str:
    """The manifests as YAML for `kubectl apply -f -`. BadConfig for what a Deployment cannot run."""
    scale = scale or Scale()
    _check(command, scale)
    name = _name(command)
    manifests = [_deployment(command, scale, name), _service(command, name)]
    if command.files:
        manifests.insert(0, _config_map(command, name))
    if scale.max_replicas:
        manifests.append(_autoscaler(command, scale, name))
    head = "".join(f"# {visible(line)}\n" for line in _needs(command, scale, name))
    return head + yaml.dump_all(manifests, Dumper=_Dumper, sort_keys=False, allow_unicode=False, width=10_000)


def _check(command: Command, scale: Scale) -> None:
    if not command.image:
        raise BadConfig(f"{command.name} has no image for {command.vendor}; set image = … or --image")
    if command.arguments[0] == sys.executable:
        raise BadConfig(f"{command.name} runs with the Python of this machine, which no image has; print shell instead")
    if command.vendor not in (CPU, *GPU_RESOURCES):
        raise BadConfig(
            f"the Kubernetes resource of {command.vendor} accelerators is not known; print docker and write it by hand"
        )
    if (gpus := gpus_of(command)) > scale.node_gpus:
        raise BadConfig(
            f"a replica of {gpus} GPUs spans {ceil(gpus / scale.node_gpus)} nodes of {scale.node_gpus}, which a "
            f"Deployment cannot hold; use at most {scale.node_gpus} GPUs, or write a LeaderWorkerSet "
            "(https://lws.sigs.k8s.io) with one pod per node and the engine's multi-node options"
        )
    if scale.max_replicas is not None and scale.max_replicas < scale.replicas:
        raise BadConfig(f"--max-replicas {scale.max_replicas} is below --replicas {scale.replicas}; raise it")
    if wrong := next((v for v in command.env if not _VARIABLE.fullmatch(v)), None):
        raise BadConfig(f"Kubernetes takes no environment variable {wrong!r}; use letters, digits, '_', '.' and '-'")
    if wrong := next((f for f in command.files if not _FILE.fullmatch(f)), None):
        raise BadConfig(f"Kubernetes takes no file {wrong!r} in a ConfigMap; use letters, digits, '_', '.' and '-'")


def gpus_of(command: Command) -> int:
    """GPUs of a replica: those of a stage, times pipeline stages and data-parallel replicas."""
    stages, copies = (command.parameters.get(name) for name in ("pp", "dp"))
    return command.gpus * (stages if isinstance(stages, int) else 1) * (copies if isinstance(copies, int) else 1)


def _name(command: Command) -> str:
    """The served name and the engine as a label of RFC 1035, which begins with a letter."""
    words = re.sub(r"[^a-z0-9]+", "-", command.served_name.rsplit("/", 1)[-1].lower()).strip("-")
    engine = re.sub(r"[^a-z0-9]+", "-", command.engine.lower()).strip("-") or "engine"
    name = f"{words or 'model'}-{engine}"
    return (name if name[0].isalpha() else f"m-{name}")[:_LONGEST_NAME].rstrip("-")


def _labels(name: str) -> Manifest:
    return {"app.kubernetes.io/name": name}


def _deployment(command: Command, scale: Scale, name: str) -> Manifest:
    # With an autoscaler the number is its own: a stated one would be restored whenever the manifest is applied.
    number: dict[str, Manifest] = {} if scale.max_replicas else {"replicas": scale.replicas}
    annotations: dict[str, Manifest] = {
        "prometheus.io/scrape": _Quoted("true"),
        "prometheus.io/port": _Quoted(command.port),
        "prometheus.io/path": _Quoted(command.metrics),
    }
    described: dict[str, Manifest] = {"labels": _labels(name)}
    if command.metrics:
        described["annotations"] = annotations
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": _labels(name)},
        "spec": {
            **number,
            "progressDeadlineSeconds": ceil(command.ready_within_s) + PULL_S,
            # A further pod beside the old ones would wait for GPUs that a full cluster does not have.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "selector": {"matchLabels": _labels(name)},
            "template": {"metadata": described, "spec": _pod(command, name)},
        },
    }


def _pod(command: Command, name: str) -> Manifest:
    mounts = list(_mounts(command, name))
    return {
        # Links of a Service named vllm would set VLLM_PORT, which vLLM reads.
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": ceil(command.grace_s),
        "containers": [_container(command, name, [mount for mount, _ in mounts])],
        "volumes": [volume for _, volume in mounts],
    }


def _container(command: Command, name: str, mounts: list[Manifest]) -> Manifest:
    gpus = gpus_of(command)
    made: dict[str, Manifest] = {
        "name": "server",
        "image": _Quoted(command.image),
        "command": [_word(command.arguments[0])],
        "args": [_word(word) for word in command.arguments[1:]],
        "env": list(_environment(command, name)),
        "ports": [{"name": "http", "containerPort": command.port}],
        **({"workingDir": FILES_AT} if command.files else {}),
        **_probes(command),
        "volumeMounts": mounts,
    }
    if gpus:
        made["resources"] = {"limits": {GPU_RESOURCES[command.vendor]: _Quoted(gpus)}}
    if command.vendor == "AMD":
        made["securityContext"] = {
            "capabilities": {"add": ["SYS_PTRACE"]},
            "seccompProfile": {"type": "Unconfined"},
        }
    return made


def _word(text: str) -> _Quoted:
    """The text as it is: Kubernetes replaces $(NAME) in words, and $$ by $."""
    return _Quoted(text.replace("$", "$$"))


def _probes(command: Command) -> dict[str, Manifest]:
    """Weights may load for `ready_within_s`; a busy server is restarted only after a minute without an answer."""

    def probe(every_s: int, failures: int) -> Manifest:
        get: Manifest = {"path": "/health", "port": "http"}
        return {"httpGet": get, "periodSeconds": every_s, "timeoutSeconds": 5, "failureThreshold": failures}

    return {
        "startupProbe": probe(10, ceil(command.ready_within_s / 10)),
        "readinessProbe": probe(5, 3),
        "livenessProbe": probe(10, 6),
    }


def _environment(command: Command, name: str) -> Iterator[Manifest]:
    """Variables with a value as they are, those that are passed on from a Secret; the hub's token where it is read."""
    env = {"HF_HOME": CACHE_AT, TOKEN: ""} if not _weights(command) else {}
    for variable, value in {**env, **command.env}.items():
        if value:
            yield {"name": variable, "value": _word(value)}
        elif variable == TOKEN:
            yield _from_secret(variable, TOKEN_SECRET, optional=TOKEN not in command.env)
        else:
            yield _from_secret(variable, f"{name}-env")


def _from_secret(variable: str, secret: str, *, optional: bool = False) -> Manifest:
    key: dict[str, Manifest] = {"name": secret, "key": variable}
    return {"name": variable, "valueFrom": {"secretKeyRef": key | ({"optional": True} if optional else {})}}


def _mounts(command: Command, name: str) -> Iterator[tuple[Manifest, Manifest]]:
    """Where each volume is in the container, and what it is."""
    shared: Manifest = {"medium": "Memory", "sizeLimit": SHARED_LIMIT}
    yield {"name": "shm", "mountPath": SHARED_AT}, {"name": "shm", "emptyDir": shared}
    if command.files:
        files: Manifest = {"name": f"{name}-files"}
        yield {"name": "files", "mountPath": FILES_AT, "readOnly": True}, {"name": "files", "configMap": files}
    if not _weights(command):
        claim: Manifest = {"claimName": CACHE_CLAIM}
        cache_at = _Quoted(command.env.get("HF_HOME") or CACHE_AT)
        yield {"name": "cache", "mountPath": cache_at}, {"name": "cache", "persistentVolumeClaim": claim}
    for i, (folder, at, read_only) in enumerate(_node_folders(command)):
        mount: dict[str, Manifest] = {"name": f"node-{i}", "mountPath": _Quoted(at)}
        path: Manifest = {"path": _Quoted(folder)}
        yield mount | ({"readOnly": True} if read_only else {}), {"name": f"node-{i}", "hostPath": path}


def _node_folders(command: Command) -> list[tuple[str, str, bool]]:
    """(folder of the node, place in the container, read only) of the user's volumes, then of weights beyond them."""
    folders = [_volume(text) for text in command.volumes]
    places = [at.rstrip("/") for _, at, _ in folders]
    weights = [w for w in _weights(command) if not any(w == p or w.startswith(f"{p}/") for p in places)]
    return [*folders, *((w, w, True) for w in weights)]


def _volume(text: str) -> tuple[str, str, bool]:
    folder, _, rest = text.partition(":")
    at, _, mode = rest.partition(":")
    if not (folder.startswith("/") and at.startswith("/") and mode in ("", "ro", "rw")):
        raise BadConfig(f"Kubernetes cannot mount the volume {text!r}; write /FOLDER_OF_THE_NODE:/FOLDER or …:ro")
    return folder, at, mode == "ro"


def _weights(command: Command) -> list[str]:
    """Paths among the arguments: weights on the disk of a node. Without any the model comes from the hub."""
    return list(dict.fromkeys(word for word in command.arguments[1:] if word.startswith("/")))


def _service(command: Command, name: str) -> Manifest:
    ports: Manifest = [{"name": "http", "port": command.port, "targetPort": "http"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": _labels(name)},
        "spec": {"selector": _labels(name), "ports": ports},
    }


def _config_map(command: Command, name: str) -> Manifest:
    data: Manifest = {file: _Quoted(text) for file, text in command.files.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-files"}, "data": data}


def _autoscaler(command: Command, scale: Scale, name: str) -> Manifest:
    running, waiting = _metrics(command)
    busy = max(int(scale.users * BUSY), 1)
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "labels": _labels(name)},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": scale.replicas,
            "maxReplicas": scale.max_replicas or scale.replicas,
            "metrics": [_per_pod(running, busy), _per_pod(waiting, 1)],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": QUIET_S}},
        },
    }


def _per_pod(series: str, average: int) -> Manifest:
    target: Manifest = {"type": "AverageValue", "averageValue": _Quoted(average)}
    return {"type": "Pods", "pods": {"metric": {"name": _metric(series)}, "target": target}}


def _metric(series: str) -> str:
    """The name of a series in the custom metrics API, which takes no colon in a path."""
    return series.replace(":", "_")


def _metrics(command: Command) -> tuple[str, str]:
    """The series of running and of waiting requests; BadConfig for an engine that states none."""
    engine = engine_files().get(command.engine)
    names = engine.metrics.names if engine and engine.metrics else {}
    series = [names[figure][0].split("{")[0] for figure in ("running", "waiting") if names.get(figure)]
    if len(series) < 2:
        raise BadConfig(
            f"{command.name} states no metric of running and waiting requests to scale by; leave out --max-replicas"
        )
    return series[0], series[1]


def _needs(command: Command, scale: Scale, name: str) -> Iterator[str]:
    """What the cluster must have, as lines of a comment."""
    yield f"{command.name} {command.version} on Kubernetes. Apply with kubectl apply -f FILE. The cluster must have:"
    if resource := GPU_RESOURCES.get(command.vendor):
        yield f"- the device plugin that offers {resource}; with several kinds of GPUs, add a nodeSelector for yours"
    if weights := _weights(command):
        yield from (f"- the weights at {path!r} on every node that may run a replica" for path in weights)
    else:
        mode = "ReadWriteMany" if scale.replicas > 1 or scale.max_replicas else "ReadWriteOnce"
        yield f"- a PersistentVolumeClaim {CACHE_CLAIM}, {mode}, with room for the weights"
        yield f"- for weights that need a licence, a Secret {TOKEN_SECRET} with the key {TOKEN}:"
        yield f"  kubectl create secret generic {TOKEN_SECRET} --from-file={TOKEN}=FILE_WITH_THE_TOKEN"
    if passed := [v for v, value in command.env.items() if not value and v != TOKEN]:
        yield f"- a Secret {name}-env with the keys {', '.join(passed)}"
    if scale.max_replicas:
        yield from _adapter(command, scale)


def _adapter(command: Command, scale: Scale) -> Iterator[str]:
    yield "- Prometheus that scrapes the pods, and prometheus-adapter with these rules of its custom metrics:"
    for series in _metrics(command):
        yield f'  - seriesQuery: \'{series}{{namespace!="",pod!=""}}\''
        yield "    resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}"
        yield f"    name: {{as: {_metric(series)}}}"
        yield "    metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'"
    yield f"The autoscaler adds a replica above {BUSY:.0%} of {scale.users} requests in a replica, or 1 that waits."
    yield "State --users as the requests at which a replica meets your SLO. A new replica serves once its weights load."
