"""The Dockerfile and the manifests of `serve`: pinned, without root, and of the app's own words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.support.manifests import check_manifest

DEPLOY = Path(__file__).parents[2] / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
SERVE = list(yaml.safe_load_all((DEPLOY / "kubernetes/serve.yaml").read_text()))


def of_kind(kind: str) -> dict:
    (document,) = [d for d in SERVE if d["kind"] == kind]
    return document


@pytest.mark.parametrize("document", SERVE, ids=lambda d: d["kind"])
def test_manifests_of_serve_are_valid(document):
    check_manifest(document)


def test_serve_meets_the_restricted_pod_security_standard():
    pod = of_kind("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not pod["automountServiceAccountToken"]
    assert {p for p in container if p.endswith("Probe")} == {"startupProbe", "readinessProbe", "livenessProbe"}


def test_the_token_is_a_secret_that_nobody_wrote_down():
    assert "Secret" not in {d["kind"] for d in SERVE}
    pod = of_kind("Deployment")["spec"]["template"]["spec"]
    args = pod["containers"][0]["args"]
    assert args[args.index("--token-file") + 1] == "/token/token"
    assert {"name": "token", "secret": {"secretName": "paretoken-serve-token", "defaultMode": 0o440}} in pod["volumes"]


def test_the_network_is_closed_but_for_clients():
    spec = of_kind("NetworkPolicy")["spec"]
    assert spec["egress"] == [] and spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["podSelector"] == of_kind("Deployment")["spec"]["selector"]


def test_the_image_is_pinned_and_runs_without_root():
    final = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^ARG BASE=\S+@sha256:[0-9a-f]{64}$", DOCKERFILE, re.MULTILINE)
    assert re.findall(r"^USER (.*)", final, re.MULTILINE) == ["10001:10001"]
    assert DOCKERFILE.count("--require-hashes") == DOCKERFILE.count(" -r ") == 2
    assert "/healthz" in final and "apt-get" not in DOCKERFILE and "pip" not in final


def test_what_is_copied_is_let_through():
    allowed = [line[1:] for line in (DEPLOY.parent / ".dockerignore").read_text().splitlines() if line[:1] == "!"]
    copied = {
        word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
    }
    assert copied == set(allowed)


def test_the_locked_requirements_are_those_of_the_whole_project():
    def versions(file: Path) -> set[str]:
        return set(re.findall(r"^([\w.-]+==\S+)", file.read_text(), re.MULTILINE))

    assert versions(DEPLOY / "requirements.lock") <= versions(DEPLOY.parent / "requirements-dev.lock")
