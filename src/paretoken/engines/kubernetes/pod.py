"""The pod of a server: its container, volumes, secrets and probes."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from paretoken.engines.command import Command
from paretoken.engines.container import CACHE_AT, FILES_AT, TOKEN
from paretoken.engines.kubernetes.text import Manifest, Quoted, literal
from paretoken.engines.recipes import CPU
from paretoken.errors import BadConfig

GPU_RESOURCES = {"NVIDIA": "nvidia.com/gpu", "AMD": "amd.com/gpu"}
"""Resources that the device plugins of the makers offer."""
SHARED_AT = "/dev/shm"  # noqa: S108, the mount point of the pod
CACHE_CLAIM, TOKEN_SECRET = "model-cache", "hf-token"
SHARED_LIMIT = "16Gi"
"""Upper bound of the shared memory through which tensor parallelism exchanges data; none is reserved."""
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_FILE = re.compile(r"[-._a-zA-Z0-9]+")


@dataclass(frozen=True, slots=True)
class PodSources:
    """Names of what a pod reads: the ConfigMap of its files, the Secret of its variables, the claim of the weights."""

    files: str
    env_secret: str
    cache_claim: str = CACHE_CLAIM


def check_pod(command: Command) -> None:
    """BadConfig for a command that no pod can run."""
    if not command.image:
        raise BadConfig(f"{command.name} has no image for {command.vendor}; set image = … or --image")
    if command.arguments[0] == sys.executable:
        raise BadConfig(f"{command.name} runs with the Python of this machine, which no image has; print shell instead")
    if command.vendor not in (CPU, *GPU_RESOURCES):
        raise BadConfig(
            f"the Kubernetes resource of {command.vendor} accelerators is not known; print docker and write it by hand"
        )
    if wrong := next((v for v in command.env if not _VARIABLE.fullmatch(v)), None):
        raise BadConfig(f"Kubernetes takes no environment variable {wrong!r}; use letters, digits, '_', '.' and '-'")
    if wrong := next((f for f in command.files if not _FILE.fullmatch(f)), None):
        raise BadConfig(f"Kubernetes takes no file {wrong!r} in a ConfigMap; use letters, digits, '_', '.' and '-'")


def pod(command: Command, sources: PodSources, *, probes: bool = True) -> dict[str, Manifest]:
    mounts = list(_mounts(command, sources))
    return {
        # Links of a Service named vllm would set VLLM_PORT, which vLLM reads.
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": ceil(command.grace_s),
        "containers": [_container(command, sources, [mount for mount, _ in mounts], probes=probes)],
        "volumes": [volume for _, volume in mounts],
    }


def config_map(command: Command, name: str) -> dict[str, Manifest]:
    """The files of the command, which the pod mounts."""
    data: Manifest = {file: Quoted(text) for file, text in command.files.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def _container(command: Command, sources: PodSources, mounts: list[Manifest], *, probes: bool) -> Manifest:
    gpus = command.all_gpus
    made: dict[str, Manifest] = {
        "name": "server",
        "image": Quoted(command.image),
        "command": [literal(command.arguments[0])],
        "args": [literal(word) for word in command.arguments[1:]],
        "env": list(_environment(command, sources)),
        "ports": [{"name": "http", "containerPort": command.port}],
        **({"workingDir": FILES_AT} if command.files else {}),
        **(_probes(command) if probes else {}),
        "volumeMounts": mounts,
    }
    if gpus:
        made["resources"] = {"limits": {GPU_RESOURCES[command.vendor]: Quoted(gpus)}}
    if command.vendor == "AMD":
        made["securityContext"] = {
            "capabilities": {"add": ["SYS_PTRACE"]},
            "seccompProfile": {"type": "Unconfined"},
        }
    return made


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


def _environment(command: Command, sources: PodSources) -> Iterator[Manifest]:
    """Variables with a value as they are, others from a Secret; the hub's token if the model comes from the hub."""
    env = {"HF_HOME": CACHE_AT, TOKEN: ""} if not weights_on_nodes(command) else {}
    for variable, value in {**env, **command.env}.items():
        if value:
            yield {"name": variable, "value": literal(value)}
        elif variable == TOKEN:
            yield _from_secret(variable, TOKEN_SECRET, optional=TOKEN not in command.env)
        else:
            yield _from_secret(variable, sources.env_secret)


def _from_secret(variable: str, secret: str, *, optional: bool = False) -> Manifest:
    key: dict[str, Manifest] = {"name": secret, "key": variable}
    return {"name": variable, "valueFrom": {"secretKeyRef": key | ({"optional": True} if optional else {})}}


def _mounts(command: Command, sources: PodSources) -> Iterator[tuple[Manifest, Manifest]]:
    """Where each volume is in the container, and what it is."""
    shared: Manifest = {"medium": "Memory", "sizeLimit": SHARED_LIMIT}
    yield {"name": "shm", "mountPath": SHARED_AT}, {"name": "shm", "emptyDir": shared}
    if command.files:
        files: Manifest = {"name": sources.files}
        yield {"name": "files", "mountPath": FILES_AT, "readOnly": True}, {"name": "files", "configMap": files}
    if not weights_on_nodes(command):
        claim: Manifest = {"claimName": sources.cache_claim}
        cache_at = Quoted(command.env.get("HF_HOME") or CACHE_AT)
        yield {"name": "cache", "mountPath": cache_at}, {"name": "cache", "persistentVolumeClaim": claim}
    for i, (folder, at, read_only) in enumerate(_node_folders(command)):
        mount: dict[str, Manifest] = {"name": f"node-{i}", "mountPath": Quoted(at)}
        path: Manifest = {"path": Quoted(folder)}
        yield mount | ({"readOnly": True} if read_only else {}), {"name": f"node-{i}", "hostPath": path}


def _node_folders(command: Command) -> list[tuple[str, str, bool]]:
    """(folder of the node, place in the container, read only) of the user's volumes, then of weights beyond them."""
    folders = [_volume(text) for text in command.volumes]
    places = [at.rstrip("/") for _, at, _ in folders]
    weights = [w for w in weights_on_nodes(command) if not any(w == p or w.startswith(f"{p}/") for p in places)]
    return [*folders, *((w, w, True) for w in weights)]


def _volume(text: str) -> tuple[str, str, bool]:
    folder, _, rest = text.partition(":")
    at, _, mode = rest.partition(":")
    if not (folder.startswith("/") and at.startswith("/") and mode in ("", "ro", "rw")):
        raise BadConfig(f"Kubernetes cannot mount the volume {text!r}; write /FOLDER_OF_THE_NODE:/FOLDER or …:ro")
    return folder, at, mode == "ro"


def weights_on_nodes(command: Command) -> list[str]:
    """Paths among the arguments: weights on the disk of a node. Without any the model comes from the hub."""
    return list(dict.fromkeys(word for word in command.arguments[1:] if word.startswith("/")))
