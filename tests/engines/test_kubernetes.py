"""Kubernetes manifests: what a cluster reads is the command, whatever its words are; nothing secret is in them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import yaml

from paretoken.engines.command import Command, ServerSpec, command
from paretoken.engines.kubernetes.manifests import Scale, kubernetes_yaml
from paretoken.engines.recipes import Override, recipe
from paretoken.errors import BadConfig

H200 = ServerSpec(
    model="Llama-3.3_70B", model_path="meta/llama", accelerator="H200", vendor="NVIDIA", gpus=4, host="0.0.0.0"
)
MI355X = replace(H200, accelerator="MI355X", vendor="AMD")
LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


def made(engine: str = "vllm", spec: ServerSpec = H200, **override) -> Command:
    return command(recipe(engine), spec, Override(**override))


def manifests(of: Command, **scale) -> dict[str, dict]:
    """The manifests by kind, as a reader of YAML 1.1 reads them."""
    documents = list(yaml.safe_load_all(kubernetes_yaml(of, Scale(**scale))))
    return {d["kind"]: d for d in documents}


def pod_of(of: Command, **scale) -> dict:
    return manifests(of, **scale)["Deployment"]["spec"]["template"]["spec"]


def container_of(of: Command) -> dict:
    (container,) = pod_of(of)["containers"]
    return container


def expanded(text: str, env: dict[str, str]) -> str:
    """What a container gets of a word: $$ is $, $(NAME) is the variable's value."""
    return re.sub(r"\$\$|\$\((\w+)\)", lambda m: "$" if m[0] == "$$" else env.get(m[1], m[0]), text)


def test_a_deployment_and_its_service():
    of = made()
    read = manifests(of, replicas=3)
    assert list(read) == ["Deployment", "Service"]
    deployment, service = read.values()
    assert (deployment["apiVersion"], service["apiVersion"]) == ("apps/v1", "v1")
    spec = deployment["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["replicas"] == 3
    assert spec["selector"]["matchLabels"] == labels == service["spec"]["selector"]
    assert service["spec"]["ports"] == [{"name": "http", "port": 8000, "targetPort": "http"}]
    container = container_of(of)
    assert container["ports"] == [{"name": "http", "containerPort": 8000}]
    assert [*container["command"], *container["args"]] == list(of.arguments)
    assert container["image"] == of.image
    assert container["resources"] == {"limits": {"nvidia.com/gpu": "4"}}
    assert spec["template"]["metadata"]["annotations"]["prometheus.io/port"] == "8000"


def test_probes_wait_for_the_weights():
    of = made(ready_within_s=1234)
    container = container_of(of)
    probes = [container[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")]
    assert {p["httpGet"]["path"] for p in probes} == {"/health"}
    startup = probes[0]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 1234
    assert manifests(of)["Deployment"]["spec"]["progressDeadlineSeconds"] > 1234


def test_amd_has_its_own_resource_and_rights():
    container = container_of(made(spec=MI355X))
    assert container["resources"] == {"limits": {"amd.com/gpu": "4"}}
    assert container["securityContext"]["seccompProfile"] == {"type": "Unconfined"}
    assert "securityContext" not in container_of(made())


def test_stages_and_copies_count():
    limits = container_of(made(set={"pp": 2}))["resources"]["limits"]
    assert limits == {"nvidia.com/gpu": "8"}
    limits = container_of(made(spec=replace(H200, gpus=2), set={"dp": 4}))["resources"]["limits"]
    assert limits == {"nvidia.com/gpu": "8"}


@pytest.mark.parametrize(
    "word",
    ["on", "1e3", "0x1F", "null", "~", "- a", "a: b # c", 'it\'s "so"', "$(HOME)", "$$(X) $", "€\u202e", "a\nb"],
)
def test_words_reach_the_engine_as_they_are(word):
    of = made(env={"SPACED": word}, extra=["--x", word])
    container = container_of(of)
    env = {e["name"]: e.get("value", "") for e in container["env"]}
    assert all(isinstance(w, str) for w in (*container["args"], *env.values()))
    assert [expanded(w, {"HOME": "wrong", "X": "wrong"}) for w in container["args"]] == list(of.arguments[1:])
    assert expanded(env["SPACED"], {"HOME": "wrong", "X": "wrong"}) == word


def test_texts_are_quoted_for_readers_of_other_rules():
    """Go takes 1e3 for a number where Python's reader of YAML does not."""
    text = kubernetes_yaml(made(env={"A": "1e3"}, extra=["--x", "1e3"]))
    assert re.findall(r".*1e3.*", text) == ['        - "1e3"', '          value: "1e3"']


@pytest.mark.parametrize(
    "model",
    ["Llama-3.3_70B", "ORG/a.b", "7b", "日本", "x" * 90, "_", "a\nkind: Secret", "UPPER--"],
)
def test_names_are_labels(model):
    read = manifests(made("trtllm", spec=replace(H200, model=model, model_path="m/" + model)), max_replicas=2)
    names = [d["metadata"]["name"] for d in read.values()]
    assert all(LABEL.fullmatch(n) for n in names), names
    assert set(read) == {"ConfigMap", "Deployment", "Service", "HorizontalPodAutoscaler"}


def test_the_token_comes_from_a_secret():
    of = made(env={"HF_TOKEN": "", "MY_KEY": ""})
    env = {e["name"]: e for e in container_of(of)["env"]}
    assert env["HF_TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": "hf-token", "key": "HF_TOKEN"}
    assert env["MY_KEY"]["valueFrom"]["secretKeyRef"] == {"name": "llama-3-3-70b-vllm-env", "key": "MY_KEY"}
    optional = {e["name"]: e for e in container_of(made())["env"]}["HF_TOKEN"]["valueFrom"]["secretKeyRef"]
    assert optional["optional"] is True


def test_weights_of_the_hub_are_kept_in_a_claim():
    pod = pod_of(made())
    volumes = {v["name"]: v for v in pod["volumes"]}
    assert volumes["cache"]["persistentVolumeClaim"] == {"claimName": "model-cache"}
    assert volumes["shm"]["emptyDir"]["medium"] == "Memory"
    mounts = {m["name"]: m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}
    assert mounts == {"shm": "/dev/shm", "cache": "/model-cache"}
    assert {"name": "HF_HOME", "value": "/model-cache"} in pod["containers"][0]["env"]
    assert "model-cache, ReadWriteMany" in kubernetes_yaml(made(), Scale(replicas=2))
    own = pod_of(made(env={"HF_HOME": "/own"}))["containers"][0]
    assert {m["mountPath"] for m in own["volumeMounts"]} == {"/dev/shm", "/own"}


def test_weights_on_the_nodes_are_mounted():
    of = made(spec=replace(H200, model_path="/models/a"), volumes=["/data:/data:ro"])
    pod = pod_of(of)
    assert [v["hostPath"]["path"] for v in pod["volumes"] if "hostPath" in v] == ["/data", "/models/a"]
    assert all(m.get("readOnly") for m in pod["containers"][0]["volumeMounts"] if m["name"].startswith("node-"))
    assert not {"HF_TOKEN", "HF_HOME"} & {e["name"] for e in pod["containers"][0]["env"]}
    within = pod_of(made(spec=replace(H200, model_path="/models/a"), volumes=["/disk:/models"]))
    assert [v["hostPath"]["path"] for v in within["volumes"] if "hostPath" in v] == ["/disk"]


def test_files_are_a_config_map():
    of = made("trtllm")
    read = manifests(of)
    assert read["ConfigMap"]["data"] == dict(of.files)
    container = container_of(of)
    (mount,) = [m for m in container["volumeMounts"] if m["name"] == "files"]
    assert container["workingDir"] == mount["mountPath"]


def test_the_autoscaler_counts_requests():
    text = kubernetes_yaml(made(), Scale(replicas=2, max_replicas=6, users=100))
    read = {d["kind"]: d for d in yaml.safe_load_all(text)}
    assert "replicas" not in read["Deployment"]["spec"]
    spec = read["HorizontalPodAutoscaler"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
    assert spec["scaleTargetRef"]["name"] == read["Deployment"]["metadata"]["name"]
    targets = {m["pods"]["metric"]["name"]: m["pods"]["target"]["averageValue"] for m in spec["metrics"]}
    assert targets == {"vllm_requests_in_flight": "80"}
    comment = [line[2:] for line in text.splitlines() if line.startswith("# ")]
    first = next(i for i, line in enumerate(comment) if "prometheus-adapter" in line) + 1
    rules = yaml.safe_load("\n".join(line for line in comment[first:] if line.startswith("  ")))
    (rule,) = rules
    assert rule["name"]["as"] == "vllm_requests_in_flight"
    assert rule["seriesQuery"] == 'vllm:num_requests_running{namespace!="",pod!=""}'
    assert rule["metricsQuery"] == (
        "sum(vllm:num_requests_running{<<.LabelMatchers>>}) by (<<.GroupBy>>) + "
        "sum(vllm:num_requests_waiting{<<.LabelMatchers>>}) by (<<.GroupBy>>)"
    )


@pytest.mark.parametrize(("fields", "target"), [({}, 80), ({"target_requests": 57}, 57), ({"users": 1}, 1)])
def test_the_requests_that_the_autoscaler_holds(fields, target):
    text = kubernetes_yaml(made(), Scale(**{"max_replicas": 6, "users": 100, **fields}))
    (autoscaler,) = [d for d in yaml.safe_load_all(text) if d["kind"] == "HorizontalPodAutoscaler"]
    (metric,) = autoscaler["spec"]["metrics"]
    assert metric["pods"]["target"]["averageValue"] == str(target)
    assert f"above {target} running or waiting request" in text


@pytest.mark.parametrize(
    ("of", "scale", "match"),
    [
        (made("llamacpp", ServerSpec(model="m", model_path="m.gguf")), {}, "has no image for CPU"),
        (made("llamacpp", ServerSpec(model="m", model_path="m.gguf"), image="i"), {}, "Python of this machine"),
        (made(spec=replace(H200, gpus=16)), {}, "16 GPUs spans 2 nodes of 8.*LeaderWorkerSet"),
        (made(), {"node_gpus": 2}, "4 GPUs spans 2 nodes of 2"),
        (made(), {"replicas": 4, "max_replicas": 2}, "--max-replicas 2 is below --replicas 4"),
        (made(), {"target_requests": 9}, "add --max-replicas"),
        (made(), {"max_replicas": 2, "users": 8, "target_requests": 9}, "--target-requests 9 is above --concurrency 8"),
        (made(env={"a b": "c"}), {}, "no environment variable 'a b'"),
        (made(volumes=["named:/data"]), {}, "cannot mount the volume 'named:/data'"),
        (made(volumes=["/a:/b:zz"]), {}, "cannot mount the volume"),
        (replace(made(), vendor="Google"), {}, "resource of Google accelerators is not known"),
        (replace(made(), files={"a/b": ""}), {}, "no file 'a/b'"),
        (made("transformers", image="i"), {"max_replicas": 2}, "states no metric"),
    ],
)
def test_what_a_deployment_cannot_run(of, scale, match):
    with pytest.raises(BadConfig, match=match):
        kubernetes_yaml(of, Scale(**scale))


def test_a_hostile_recipe_cannot_leave_the_comment():
    of = replace(made(), name="x\nkind: Secret", version="1\r\n---\n")
    assert [d["kind"] for d in yaml.safe_load_all(kubernetes_yaml(of))] == ["Deployment", "Service"]


class TestCommandLine:
    def test_it_listens_beyond_the_pod(self, call):
        code, out, _ = call("launch vllm llama-3-70b --accelerator H200 --tp 4 --print kubernetes --replicas 2")
        assert code == 0
        deployment, service = yaml.safe_load_all(out)
        args = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
        assert args[args.index("--host") + 1] == "0.0.0.0"
        assert deployment["spec"]["replicas"] == 2
        assert service["metadata"]["name"] == "llama-3-70b-vllm"

    @pytest.mark.parametrize(
        ("line", "match"),
        [
            ("launch vllm m --accelerator H100 --replicas 2", "are for --print kubernetes"),
            ("launch vllm m --accelerator H100 --print docker --max-replicas 2", "are for --print kubernetes"),
            (
                "launch vllm m --path org/m --accelerator GB200 --tp 8 --print kubernetes",
                "8 GPUs, which span 2 nodes of 4",
            ),
            (
                "launch sglang deepseek-r1 --accelerator H200 --disaggregated 1xTP8+1xTP8 --print kubernetes",
                "llm-d and NVIDIA Dynamo bring their own charts",
            ),
        ],
    )
    def test_mistakes_are_one_sentence(self, call, line, match):
        code, _, err = call(line)
        assert code == 2 and match in err and err.count("\n") == 1
