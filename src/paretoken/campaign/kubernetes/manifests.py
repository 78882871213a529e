"""The objects of one job of a campaign: a Job that sends the load, and the engine's Job, Service and files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from paretoken.campaign.cluster_settings import KubernetesSettings
from paretoken.campaign.config import Campaign
from paretoken.campaign.feasible import most_users
from paretoken.campaign.kubernetes.attached import PORT
from paretoken.campaign.kubernetes.pods import COMPONENT, ENGINE, KEEPER, LOAD
from paretoken.campaign.plan import CampaignJob
from paretoken.campaign.serve import has_random_weights, served
from paretoken.catalog.loader import Catalog
from paretoken.engines.command import Command
from paretoken.engines.kubernetes.pod import PodSources, check_pod, config_map, pod
from paretoken.engines.kubernetes.text import Manifest, Quoted
from paretoken.errors import BadConfig

FOLDER_AT = "/campaign"
PUSHED, HEARTBEAT = f"{FOLDER_AT}/.pushed", f"{FOLDER_AT}/.heartbeat"
"""Files in the load's pod: whether the campaign has arrived, and when its driver was last there."""
ALONE_MINUTES = 15
"""How long the load goes on without its driver; then its Job fails, and the engine's goes with it."""
KEPT_S = 300
"""How long the cluster keeps a Job that has ended."""
_LONGEST_START = 30
_Object = dict[str, Manifest]


@dataclass(frozen=True, slots=True)
class JobObjects:
    """The objects of a job. `load` is created first and owns the `engine` objects, which go with it."""

    name: str
    load: _Object
    engine: tuple[_Object, ...]


def job_objects(campaign: Campaign, catalog: Catalog, job: CampaignJob, identity: str) -> JobObjects:
    """The objects of a job of the campaign of that identity; BadConfig for an engine that no pod can run."""
    if not campaign.kubernetes.image:
        raise BadConfig(
            f"campaign {campaign.name!r} names no image of paretoken; build deploy/Dockerfile, push it to where the "
            "cluster pulls from, and give image = … in [kubernetes]"
        )
    name, command = name_of(campaign, job, identity), engine_command(campaign, catalog, job)
    check_pod(command)
    _check_node(campaign, catalog, job, command)
    files = (config_map(command, f"{name}-files"),) if command.files else ()
    settings = campaign.kubernetes
    objects = (_load(settings, job, name), *files, _service(name), _engine(settings, command, name))
    load, *engine = (_placed(settings, name, manifest) for manifest in objects)
    return JobObjects(name, load, tuple(engine))


def engine_command(campaign: Campaign, catalog: Catalog, job: CampaignJob) -> Command:
    """The command of a job's engine in its pod, open to the cluster."""
    if has_random_weights(campaign, job.serving.model):
        raise BadConfig(
            f"the random weights of {job.serving.model} are on this machine, which a pod does not see; "
            f"give path = … in [models.{job.serving.model!r}]"
        )
    return served(campaign, catalog, job.cells, most_users(campaign), PORT, host="0.0.0.0")  # noqa: S104, a pod's own


def name_of(campaign: Campaign, job: CampaignJob, identity: str) -> str:
    """A label of RFC 1123, at most 50 characters, of its own for every job of every identity."""
    start = re.sub(r"[^a-z0-9]+", "-", campaign.name.lower())[:_LONGEST_START].strip("-")
    key = f"{identity}\n{job.slug}"
    return "-".join(filter(None, ("pt", start, str(job.number), hashlib.sha256(key.encode()).hexdigest()[:10])))


def selector(name: str, component: str = "") -> dict[str, str]:
    """The labels of a job's objects, or of one component."""
    own = {"app.kubernetes.io/name": "paretoken-campaign", "app.kubernetes.io/instance": name}
    return own | ({COMPONENT: component} if component else {})


def _check_node(campaign: Campaign, catalog: Catalog, job: CampaignJob, command: Command) -> None:
    if not command.gpus:
        return
    most = catalog.accelerators[job.serving.accelerator].gpus_per_node
    if command.all_gpus > most:
        raise BadConfig(
            f"{job.serving.slug} of campaign {campaign.name!r} takes {command.all_gpus} GPUs, and a node of "
            f"{job.serving.accelerator} has {most}; a pod cannot span nodes, so lower tp"
        )


def _placed(settings: KubernetesSettings, name: str, manifest: _Object) -> _Object:
    """The object in the namespace of the settings, with the labels by which all of a job are deleted."""
    metadata = cast("_Object", manifest["metadata"])
    space: _Object = {"namespace": Quoted(settings.namespace)} if settings.namespace else {}
    return {**manifest, "metadata": {"labels": {**selector(name)}, **metadata, **space}}


def _job(name: str, component: str, settings: KubernetesSettings, spec: _Object) -> _Object:
    secrets: list[Manifest] = [{"name": Quoted(secret)} for secret in settings.pull_secrets]
    spec = {"restartPolicy": "Never", **spec, **({"imagePullSecrets": secrets} if secrets else {})}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{name}-{component}", "labels": {**selector(name, component)}},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": settings.deadline_s,
            "ttlSecondsAfterFinished": KEPT_S,
            "template": {"metadata": {"labels": {**selector(name, component)}}, "spec": spec},
        },
    }


def _engine(settings: KubernetesSettings, command: Command, name: str) -> _Object:
    """The engine without probes: its worker sees whether it answers, and a probe under load would disturb it."""
    spec = pod(command, PodSources(f"{name}-files", settings.env_secret, settings.cache_claim), probes=False)
    if nodes := _nodes(settings.node_selector, command.accelerator):
        spec["nodeSelector"] = {Quoted(key): Quoted(value) for key, value in nodes.items()}
    if settings.tolerations:
        spec["tolerations"] = [
            {key: Quoted(value) for key, value in toleration.model_dump(exclude_defaults=True).items()}
            for toleration in settings.tolerations
        ]
    return _job(name, ENGINE, settings, spec)


def _nodes(node_selector: Mapping[str, str | dict[str, str]], accelerator: str) -> dict[str, str]:
    """The labels of the nodes for every cell, and those for the accelerator."""
    own = node_selector.get(accelerator)
    shared = {label: value for label, value in node_selector.items() if isinstance(value, str)}
    return shared | (own if isinstance(own, dict) else {})


def _service(name: str) -> _Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {**selector(name, ENGINE)}},
        "spec": {
            "selector": {**selector(name, ENGINE)},
            "ports": [{"name": "http", "port": PORT, "targetPort": "http"}],
        },
    }


def _load(settings: KubernetesSettings, job: CampaignJob, name: str) -> _Object:
    """Two containers on one folder: the worker, and one that keeps the folder until its results are collected."""
    wait = f"until [ -e {PUSHED} ]; do sleep 0.2; done"
    work = f"exec paretoken campaign work {FOLDER_AT} {job.number} --engine {name}"
    keep = f"touch {HEARTBEAT}; exec sleep {settings.deadline_s}"
    cpus: _Object = {"requests": {"cpu": Quoted(settings.load_cpus)}}
    return _job(
        name,
        LOAD,
        settings,
        {
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 5,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "fsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                _container(settings, LOAD, f"{wait}; {work}") | {"resources": cpus},
                _container(settings, KEEPER, keep),
            ],
            "volumes": [{"name": "campaign", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
        },
    )


def _container(settings: KubernetesSettings, name: str, script: str) -> _Object:
    alone = f'[ -n "$(find {HEARTBEAT} -mmin -{ALONE_MINUTES})" ]'
    return {
        "name": name,
        "image": Quoted(settings.image),
        "command": ["/bin/sh", "-c", Quoted(script)],
        "env": [{"name": "HOME", "value": "/tmp"}],  # noqa: S108, a volume of the pod
        "livenessProbe": {
            "exec": {"command": ["/bin/sh", "-c", Quoted(alone)]},
            "initialDelaySeconds": 60,
            "periodSeconds": 60,
            "failureThreshold": 3,
            "timeoutSeconds": 10,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "campaign", "mountPath": FOLDER_AT},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108, a volume of the pod
        ],
    }
