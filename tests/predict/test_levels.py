"""Covariates of a calibration: what effects of size and load are weighted with."""

from __future__ import annotations

from dataclasses import replace
from math import log2

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.predict.calibration.levels import EXPERT, HIDDEN, covariates
from paretoken.predict.deployment import Case, Deployment, Lengths

CATALOG = load_catalog()
SIZES = ("gpus", "width", "expert_width")


def of(gpus, ep=1, users=64.0, pp=1) -> dict[str, float]:
    d = Deployment(
        accelerator="H200",
        model="deepseek-r1",
        precision="fp8",
        engine="sglang",
        gpus=gpus,
        tp=gpus // pp,
        ep=ep,
        pp=pp,
    )
    return covariates(Case(deployment=d, lengths=Lengths(1024, 1024), concurrency=users), CATALOG)


@pytest.mark.parametrize(("gpus", "ep"), [(1, 1), (2, 2), (4, 1), (8, 1), (8, 8)])
def test_one_node_has_its_own_sizes(gpus, ep):
    model, x = CATALOG.models["deepseek-r1"], of(gpus, ep)
    assert x["gpus"] == log2(gpus / 4) / 2
    assert x["width"] == log2(model.hidden_size**2 / gpus / (HIDDEN**2 / 4)) / 2
    expert = model.hidden_size * model.moe.expert_intermediate_size
    assert x["expert_width"] == log2(expert * ep / gpus / (HIDDEN * EXPERT / 4)) / 2
    assert x["users"] == (log2(64.0) - 4) / 3


@pytest.mark.parametrize("gpus", [16, 32, 72])
def test_more_gpus_than_any_learned_from_count_as_eight(gpus):
    eight = of(8, 1)
    assert {k: of(gpus, 1)[k] for k in SIZES} == pytest.approx({k: eight[k] for k in SIZES})
    assert of(gpus, gpus)["expert_width"] == of(8, 8)["expert_width"]


def test_the_load_of_many_gpus_is_that_of_eight_of_them():
    assert of(32, 32, users=1024.0)["users"] == of(8, 8, users=256.0)["users"]
    assert of(16, users=64.0, pp=2)["users"] == of(8, users=64.0)["users"], "a stage has eight"
    assert of(4, users=64.0)["users"] == of(8, users=64.0)["users"]


def test_sizes_of_a_case_do_not_depend_on_its_load():
    d = Deployment(accelerator="GB200", model="deepseek-r1", precision="fp8", engine="trtllm", gpus=72, tp=72, ep=72)
    case = Case(deployment=replace(d, dp_attention=True), lengths=Lengths(1024, 1024), concurrency=1.0)
    few, many = covariates(case, CATALOG), covariates(replace(case, concurrency=4096.0), CATALOG)
    assert {k: few[k] for k in SIZES} == {k: many[k] for k in SIZES}
