"""The pod of a server: its container, volumes, secrets and probes."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from paretoken.engines.command import Command
from paretoken.engines.container import CACHE_AT, FILES_AT, TOKEN
from paretoken.engines.kubernetes.text import Manifest, Quoted, literal
from paretoken.errors import BadConfig

GPU_RESOURCES = {"NVIDIA": "nvidia.com/gpu", "AMD": "amd.com/gpu"}
"""Resources that the device plugins of the makers offer."""
SHARED_AT = "/dev/shm"  # noqa: S108, the mount point of the pod
CACHE_CLAIM, TOKEN_SECRET = "model-cache", "hf-token"
SHARED_LIMIT = "16Gi"
"""Upper bound of the shared memory through which tensor parallelism exchanges data; none is reserved."""


def pod(command: Command, name: str) -> Manifest:
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
    gpus = command.all_gpus
    made: dict[str, Manifest] = {
        "name": "server",
        "image": Quoted(command.image),
        "command": [literal(command.arguments[0])],
        "args": [literal(word) for word in command.arguments[1:]],
        "env": list(_environment(command, name)),
        "ports": [{"name": "http", "containerPort": command.port}],
        **({"workingDir": FILES_AT} if command.files else {}),
        **_probes(command),
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


def _environment(command: Command, name: str) -> Iterator[Manifest]:
    """Variables with a value as they are, others from a Secret; the hub's token if the model comes from the hub."""
    env = {"HF_HOME": CACHE_AT, TOKEN: ""} if not weights_on_nodes(command) else {}
    for variable, value in {**env, **command.env}.items():
        if value:
            yield {"name": variable, "value": literal(value)}
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
    if not weights_on_nodes(command):
        claim: Manifest = {"claimName": CACHE_CLAIM}
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
