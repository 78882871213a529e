"""How a campaign is put on a cluster: the tables [slurm] and [kubernetes] of its file."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt


class CampaignTable(BaseModel):
    """A table of the campaign file."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)


class SlurmSettings(CampaignTable):
    """How jobs are submitted to Slurm: `lines` are further sbatch options, `setup` shell lines before each job."""

    partition: str | dict[str, str] = Field(
        "", description="partition, or a table of them by accelerator", examples=[{"H200": "hopper"}]
    )
    account: str = Field("", description="account that is charged", examples=["research"])
    time: str = Field("", description="time limit of a job, HH:MM:SS", examples=["08:00:00"])
    gres: str = Field("gpu:{gpus}", description="generic resources of jobs that need GPUs")
    most_at_once: PositiveInt | None = Field(None, description="most jobs at a time", examples=[4])
    requeue: bool = Field(True, description="put a job back into the queue when its node fails")
    lines: list[str] = Field(default_factory=list, description="further options of sbatch", examples=[["--exclusive"]])
    setup: list[str] = Field(
        default_factory=list, description="shell lines before each job", examples=[["module load cuda"]]
    )


class Toleration(CampaignTable):
    """A taint of nodes that pods accept, under the keys of Kubernetes."""

    key: str = Field(
        "", description="key of the taint; empty is any, with operator Exists", examples=["nvidia.com/gpu"]
    )
    operator: Literal["Equal", "Exists"] = Field("Equal", description="whether the value must be equal")
    value: str = Field("", description="value of the taint", examples=["present"])
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = Field(
        "", description="effect of the taint; empty is any", examples=["NoSchedule"]
    )


class KubernetesSettings(CampaignTable):
    """Where the Jobs of a campaign run on Kubernetes, and what they may take. Secrets are named, never written."""

    context: str = Field("", description="context of kubectl; its current one by default", examples=["gpu-cluster"])
    namespace: str = Field("", description="namespace; that of the context by default", examples=["benchmarks"])
    image: str = Field(
        "",
        description="image of paretoken that the cluster can pull; it sends the load",
        examples=["ORG/paretoken:0.2"],
    )
    cache_claim: str = Field("model-cache", description="volume claim with the weights of the hub")
    env_secret: str = Field("paretoken-env", description="Secret with the variables that are empty in env")
    pull_secrets: list[str] = Field(
        default_factory=list, description="Secrets with which images are pulled", examples=[["registry-login"]]
    )
    node_selector: dict[str, str | dict[str, str]] = Field(
        default_factory=dict,
        description="labels of the engine's nodes, for every cell or, in a table, for an accelerator",
        examples=[{"pool": "gpu", "H200": {"nvidia.com/gpu.product": "NVIDIA-H200"}}],
    )
    tolerations: list[Toleration] = Field(
        default_factory=list,
        max_length=100,
        description="taints that the engine's pods accept",
        examples=[[{"key": "nvidia.com/gpu", "operator": "Exists"}]],
    )
    load_cpus: PositiveInt = Field(4, description="CPU cores of the pod that sends the load")
    most_at_once: PositiveInt = Field(1, description="most engines at a time")
    pending_within_s: PositiveFloat = Field(
        3600.0, description="longest time until a pod runs, with its image pulled, seconds"
    )
    deadline_s: PositiveInt = Field(86_400, description="longest time of a Job, seconds; the cluster ends it after")
