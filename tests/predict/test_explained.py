"""The parts of a prediction: they add up to the step and to the TTFT."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.predict.configure import case
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.explain import explain_case
from paretoken.predict.predictor import predict_cases

CATALOG = load_catalog()
LLAMA = Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=4, tp=4)
CHAT = Lengths(1024, 1024, 0.8)
PIPELINE = replace(LLAMA, gpus=8, pp=2)


def test_terms_add_up_to_the_step():
    e = explain_case(case(LLAMA, CHAT, 64), catalog=CATALOG)
    decode = [p for p in e.parts if p.phase == "decode"]
    assert sum(p.share for p in decode) == pytest.approx(1)
    assert sum(p.seconds for p in decode) == pytest.approx(e.tpot_s * (1 - e.busy))


@pytest.mark.parametrize(
    ("d", "lengths", "users"),
    [
        (Deployment(accelerator="H100", model="llama-3-70b", precision="fp8", engine="vllm", gpus=8, tp=8), CHAT, 1),
        (LLAMA, CHAT, 64),
        (LLAMA, CHAT, 7),
        (LLAMA, CHAT, 2000),
        (PIPELINE, Lengths(32_768, 1024, 0.8), 16),
        (replace(LLAMA, engine="sglang"), Lengths(1024, 1024), 16),
    ],
    ids=str,
)
def test_parts_lead_to_the_ttft(d, lengths, users):
    """The prompt, the way to the scheduler, decode steps, and waiting; none of them negative."""
    asked = case(d, lengths, users)
    e = explain_case(asked, catalog=CATALOG)
    parts = {p.name: p for p in e.parts if p.phase == "ttft"}
    assert sum(p.seconds for p in parts.values()) == pytest.approx(e.ttft_s)
    assert e.ttft_s == predict_cases([asked], catalog=CATALOG).ttft_s[0]
    assert parts["prompt"].seconds <= sum(p.seconds for p in e.parts if p.phase == "prompt") * (1 + 1e-9)
    assert min(p.seconds for p in parts.values()) > 0


def test_a_case_of_a_laboratory_is_taken_apart_as_it_is_predicted():
    """Its parts add up to what is predicted with the laboratory's effects."""
    d, lengths = (
        Deployment(accelerator="H200", model="llama-3.1-8b", precision="fp8", engine="vllm", gpus=1, tp=1),
        Lengths(128, 128),
    )
    e = explain_case(case(d, lengths, 16), catalog=CATALOG)
    p = predict_cases([case(d, lengths, 16)], catalog=CATALOG)
    assert e.case.harness == p.cases[0].harness == "lab"
    assert sum(x.seconds for x in e.parts if x.phase == "decode") == pytest.approx(e.tpot_s * (1 - e.busy))
