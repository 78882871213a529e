"""Manifests of a campaign: valid for Kubernetes' own schemas, with names of their own, and without a secret."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from paretoken.campaign.cluster_settings import KubernetesSettings
from paretoken.campaign.config import Campaign, CampaignMatrix, ModelWeights
from paretoken.campaign.kubernetes.manifests import name_of
from paretoken.campaign.kubernetes.run import manifests
from paretoken.campaign.matrix import ServingConfig
from paretoken.campaign.plan import CampaignJob
from paretoken.errors import BadConfig
from tests.support.campaign_files import BASE, campaign, plan
from tests.support.manifests import check_manifest

LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
ON_CLUSTER = BASE + '[kubernetes]\nimage = "registry/paretoken:0.2"\n'


def made(tmp_path: Path, text: str = ON_CLUSTER) -> list[dict]:
    return read(manifests(campaign(tmp_path, text), plan(tmp_path, text).jobs))


def read(text: str) -> list[dict]:
    return list(yaml.safe_load_all(text))


def check(documents: list[dict]) -> None:
    for document in documents:
        check_manifest(document)


def jobs_of(documents: list[dict], component: str) -> list[dict]:
    return [d for d in documents if d["kind"] == "Job" and d["metadata"]["name"].endswith(f"-{component}")]


def pod_of(document: dict) -> dict:
    return document["spec"]["template"]["spec"]


def test_every_object_is_valid_and_each_job_has_its_own(tmp_path):
    documents = made(tmp_path)
    check(documents)
    assert len(jobs_of(documents, "engine")) == len(jobs_of(documents, "load")) == len(plan(tmp_path, ON_CLUSTER).jobs)
    names = [(d["kind"], d["metadata"]["name"]) for d in documents]
    assert len(set(names)) == len(names)
    engine, service = jobs_of(documents, "engine")[0], next(d for d in documents if d["kind"] == "Service")
    assert engine["spec"]["template"]["metadata"]["labels"] == service["spec"]["selector"]
    assert "&" not in manifests(campaign(tmp_path, ON_CLUSTER), plan(tmp_path, ON_CLUSTER).jobs)


def test_all_objects_of_a_job_are_deleted_by_its_label(tmp_path):
    """A ConfigMap that stays would stop the next attempt, which creates it again."""
    documents = made(tmp_path, ON_CLUSTER.replace('["vllm", "sglang"]', '["trtllm"]').replace(', "MI300X"', ""))
    check(documents)
    assert {d["kind"] for d in documents} == {"Job", "Service", "ConfigMap"}
    for document in documents:
        labels = document["metadata"]["labels"]
        assert document["metadata"]["name"].startswith(labels["app.kubernetes.io/instance"])
        assert labels["app.kubernetes.io/name"] == "paretoken-campaign"


def test_no_probe_disturbs_the_engine(tmp_path):
    """Under load a probe may fail: its Service would then refuse requests that are measured."""
    for job in jobs_of(made(tmp_path), "engine"):
        assert not [key for key in pod_of(job)["containers"][0] if key.endswith("Probe")]


def test_gpus_image_and_weights_follow_the_recipe(tmp_path):
    engines = [pod_of(job)["containers"][0] for job in jobs_of(made(tmp_path), "engine")]
    limits = {tuple(c["resources"]["limits"].items()) for c in engines}
    assert limits == {(("nvidia.com/gpu", "2"),), (("nvidia.com/gpu", "4"),), (("amd.com/gpu", "2"),)} | {
        (("amd.com/gpu", "4"),)
    }
    assert len({c["image"] for c in engines}) == 4  # two engines, each for CUDA and ROCm
    assert all(a in c["args"] for c in engines for a in ("--host", "0.0.0.0"))


def test_where_the_engines_run(tmp_path):
    documents = made(
        tmp_path,
        ON_CLUSTER
        + 'namespace = "bench"\ncache_claim = "weights"\npull_secrets = ["login"]\n'
        + 'node_selector = { pool = "gpu", H200 = { "nvidia.com/gpu.product" = "NVIDIA-H200" } }\n'
        + 'tolerations = [{ key = "nvidia.com/gpu", operator = "Exists" }]\n',
    )
    check(documents)
    assert {d["metadata"]["namespace"] for d in documents} == {"bench"}
    pods = [pod_of(job) for job in jobs_of(documents, "engine")]
    selectors = [p["nodeSelector"] for p in pods]
    assert {"pool": "gpu"} in selectors and {"pool": "gpu", "nvidia.com/gpu.product": "NVIDIA-H200"} in selectors
    assert all(p["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}] for p in pods)
    assert all(p["imagePullSecrets"] == [{"name": "login"}] for p in pods)
    claims = [v["persistentVolumeClaim"]["claimName"] for p in pods for v in p["volumes"] if v["name"] == "cache"]
    assert claims == ["weights"] * len(pods)
    assert all("nodeSelector" not in pod_of(job) for job in jobs_of(documents, "load"))


def test_keys_come_from_secrets_alone(tmp_path):
    text = ON_CLUSTER + 'env_secret = "ours"\n[engines.vllm]\nenv = { MY_API_KEY = "" }\n'
    for job in jobs_of(made(tmp_path, text), "engine"):
        for variable in pod_of(job)["containers"][0]["env"]:
            if variable["name"] == "MY_API_KEY":
                assert variable["valueFrom"]["secretKeyRef"] == {"name": "ours", "key": "MY_API_KEY"}
            if variable["name"] == "HF_TOKEN":
                assert variable["valueFrom"]["secretKeyRef"]["name"] == "hf-token"


def test_the_load_is_restricted_and_its_job_ends_without_a_driver(tmp_path):
    for job in jobs_of(made(tmp_path), "load"):
        pod = pod_of(job)
        assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert "-mmin -15" in container["livenessProbe"]["exec"]["command"][-1]
        assert (job["spec"]["backoffLimit"], job["spec"]["ttlSecondsAfterFinished"]) == (0, 300)
        assert job["spec"]["activeDeadlineSeconds"] == 86_400


ANY = st.text(st.characters(codec="utf-8"), min_size=1, max_size=80)
SERVING = ServingConfig(accelerator="CPU", engine="vllm", model="m", precision="", tp=1, ep=1, dp_attention=False)


@given(ANY, st.integers(1, 5_000), st.text(string.printable, max_size=40))
@example("日本", 5_000, "a")
@example("-" * 80, 1, "/")
@example("9" * 80, 5_000, "x")
def test_names_are_labels_whatever_the_campaign_is_called(name, number, identity):
    of = Campaign(name=name, matrix=CampaignMatrix(), models={"m": ModelWeights(path="a/b")})
    made_name = name_of(of, CampaignJob(number, SERVING, ("chat",), 1), identity)
    for whole in (made_name, f"{made_name}-engine", f"{made_name}-load", f"{made_name}-files"):
        assert LABEL.fullmatch(whole), whole


@given(st.lists(st.tuples(st.integers(1, 9_999), st.sampled_from(["a", "b"])), min_size=2, unique=True))
def test_names_of_different_jobs_and_campaigns_differ(jobs):
    of = Campaign(name="x" * 60, matrix=CampaignMatrix())
    names = {name_of(of, CampaignJob(n, SERVING, ("chat",), 1), identity) for n, identity in jobs}
    assert len(names) == len(jobs)


@given(st.dictionaries(ANY, ANY, max_size=3), ANY, ANY)
def test_hostile_settings_stay_texts(nodes, namespace, image):
    settings = KubernetesSettings(image=image, namespace=namespace, node_selector=nodes)
    of = Campaign(
        name="a\nkind: Secret",
        matrix=CampaignMatrix(workload=["chat"], concurrency="1"),
        models={"m": ModelWeights(path="org/m")},
        kubernetes=settings,
        engines={"vllm": {"image": "registry/vllm:1"}},
    )
    job = CampaignJob(1, ServingConfig(**{**SERVING_FIELDS, "accelerator": "H200"}), ("chat",), 1)
    documents = read(manifests(of, [job]))
    assert [d["kind"] for d in documents] == ["Job", "Service", "Job"]
    assert {d["metadata"]["namespace"] for d in documents} == {namespace}
    assert pod_of(documents[2]).get("nodeSelector", {}) == nodes
    assert pod_of(documents[0])["containers"][0]["image"] == image


SERVING_FIELDS = {
    "accelerator": "CPU",
    "engine": "vllm",
    "model": "m",
    "precision": "",
    "tp": 1,
    "ep": 1,
    "dp_attention": False,
}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (BASE, "names no image of paretoken; build deploy/Dockerfile"),
        (ON_CLUSTER + '[engines.vllm]\nenv = { "a b" = "c" }\n', "no environment variable 'a b'"),
        (ON_CLUSTER + "[engines.vllm]\nset = { pp = 4 }\n", "takes 16 GPUs, and a node of H200 has 8"),
        (ON_CLUSTER.replace('path = "meta/llama-fp8"', 'random = "tiny"'), "a pod does not see"),
    ],
)
def test_what_no_pod_can_run(tmp_path, text, match):
    with pytest.raises(BadConfig, match=match):
        manifests(campaign(tmp_path, text), plan(tmp_path, text).jobs)
