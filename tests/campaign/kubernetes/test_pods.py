"""What pods say of themselves, as sentences: images, nodes, Secrets, memory, evictions."""

from __future__ import annotations

import pytest

from paretoken.campaign.kubernetes.pods import ended, late, of_component, runs, trouble
from tests.support.kubectl_here import RUNS, over, pod, waits

PENDING = {"phase": "Pending"}
UNSCHEDULABLE = {
    "metadata": {"name": "a"},
    "status": {
        "phase": "Pending",
        "conditions": [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": "0/4 nodes are available: 4 Insufficient nvidia.com/gpu.",
            }
        ],
    },
}

_LOW = {"phase": "Failed", "reason": "Evicted", "message": "low on ephemeral-storage"}
EVICTED = {"metadata": {}, "status": _LOW}
EVICTED_RUNNING = {"metadata": {}, "status": pod("engine", server=over(137))["status"] | _LOW}
"""Newer clusters list the containers, too, which they killed."""


@pytest.mark.parametrize(
    ("pod_json", "expected"),
    [
        (UNSCHEDULABLE, None),
        (pod("engine", server=waits("ContainerCreating"), **PENDING), None),
        (pod("engine", server=waits("ErrImagePull", "no such host"), **PENDING), None),
        (
            pod("engine", server=waits("ImagePullBackOff", 'Back-off pulling image "x:1"'), **PENDING),
            ('the pod of the engine cannot pull the image: Back-off pulling image "x:1"', "setup", False),
        ),
        (
            pod("engine", server=waits("CreateContainerConfigError", 'secret "a" not found'), **PENDING),
            ('lacks a Secret or a ConfigMap: secret "a" not found', "setup", False),
        ),
        (pod("engine", server=RUNS), None),
        (pod("engine", server=over(137, "OOMKilled"), phase="Failed"), ("host memory", "out of memory", True)),
        (pod("engine", server=over(1), phase="Failed"), ("ran out of GPU memory", "out of GPU memory", True)),
        (EVICTED, ("ended the pod of the engine: low on ephemeral-storage", "evicted", True)),
        (EVICTED_RUNNING, ("ended the pod of the engine: low on ephemeral-storage", "evicted", True)),
    ],
)
def test_why_a_pod_cannot_go_on(pod_json, expected):
    why = trouble(pod_json, "engine", lambda _: "x\nCUDA out of memory\n")
    if expected is None:
        assert why is None
    else:
        assert why and expected[0] in why.reason and (why.kind, why.may_help) == expected[1:]
        assert "\n" not in why.reason


@pytest.mark.parametrize(
    ("container", "words", "kind"),
    [
        (over(137, "OOMKilled"), "the load ran out of host memory (exit status 137); x | CUDA", "out of memory"),
        (over(2), "the load exited with status 2; x | CUDA", "worker"),
    ],
)
def test_why_the_load_ended(container, words, kind):
    why = trouble(pod("load", load=container, keeper=RUNS), "load", lambda _: "x\nCUDA out of memory\n")
    assert why and words in why.reason and why.kind == kind


@pytest.mark.parametrize(
    ("pod_json", "words"),
    [
        (None, "created no pod of the engine within 60 s"),
        (UNSCHEDULABLE, "does not run after 60 s: 0/4 nodes are available: 4 Insufficient"),
        (pod("engine", server=waits("ContainerCreating"), **PENDING), "ContainerCreating"),
        (pod("engine", server=RUNS), None),
    ],
)
def test_why_a_pod_is_late(pod_json, words):
    why = late(pod_json, "engine", 60)
    assert (why is None) == (words is None)
    assert why is None or (words in why.reason and (why.kind, why.may_help) == ("pending", False))


def test_the_words_of_a_cluster_are_inert():
    why = trouble(pod("engine", server=waits("InvalidImageName", "\x1b[31m" + "x" * 900)), "engine", lambda _: "")
    assert why and "\x1b" not in why.reason and len(why.reason) < 500


def test_pods_that_are_being_deleted_do_not_count():
    pods = [pod("engine", deleted=True, server=over(1)), pod("engine", server=RUNS), pod("load", load=RUNS)]
    assert of_component(pods, "engine") is pods[1]
    assert of_component(pods[:1], "engine") is None


def test_it_runs_once_every_container_does():
    assert not runs(None) and not runs(pod("load")) and not runs(pod("load", load=RUNS, keeper=waits("x")))
    assert runs(pod("load", load=over(0), keeper=RUNS))
    assert ended(pod("load", load=over(3), keeper=RUNS), "load")["exitCode"] == 3
    assert ended(pod("load", load=RUNS), "load") is None and ended(None, "load") is None
