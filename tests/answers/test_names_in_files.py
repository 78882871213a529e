"""Names, lengths and precisions in study and campaign files, and in questions of the Python API."""

from __future__ import annotations

import polars as pl
import pytest

from paretoken.answers.compare import CompareQuestion, compare
from paretoken.answers.points import Data
from paretoken.answers.study.config import Predicted, Study, with_ids
from paretoken.campaign.load import load_campaign
from paretoken.campaign.matrix import cells
from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig
from paretoken.points.published import published_points

HUB = "amd/Llama-3.1-70B-Instruct-FP8-KV"
CAMPAIGN = """
name = "names"
[matrix]
accelerator = ["{accelerator}"]
engine = ["vllm"]
model = ["{model}"]
precision = ["{precision}"]
tp = [4]
workload = ["{workload}"]
concurrency = "1"
"""


@pytest.fixture(scope="module")
def data():
    return Data(load_catalog(), published_points())


def cell(tmp_path, accelerator="AMD Instinct MI300X", model=HUB, precision="", workload="1k1k"):
    file = tmp_path / "campaign.toml"
    file.write_text(CAMPAIGN.format(accelerator=accelerator, model=model, precision=precision, workload=workload))
    return cells(load_campaign(file), load_catalog())[0]


def test_a_campaign_takes_names_as_people_write_them(tmp_path):
    one = cell(tmp_path)
    assert (one.serving.accelerator, one.serving.model, one.serving.precision) == ("MI300X", "llama-3-70b", "fp8")
    assert one.workload == "chat"
    assert cell(tmp_path, model="llama3.1-70b", precision="FP8").serving == one.serving


def test_a_campaign_whose_precision_contradicts_the_model_is_refused(tmp_path):
    with pytest.raises(BadConfig, match="says fp8, but the precision is fp4"):
        cell(tmp_path, precision="NVFP4")


def test_a_study_takes_names_as_people_write_them(data):
    def ids(**fields):
        return with_ids(Study(**fields), data.catalog, data.points)

    study = ids(models=["DeepSeek R1"], precisions=["FP8", "fp8_e4m3"], workloads=["8k1k"], accelerators=["mi355"])
    assert (study.models, study.precisions) == (["deepseek-r1"], ["fp8"])
    assert (study.workloads, study.accelerators) == (["summarisation-8k"], ["MI355X"])
    assert ids(models=[HUB]).precisions == ["fp8"]
    assert ids(models=[HUB, "deepseek-r1"]).precisions == []
    own = Data(data.catalog, data.points.with_columns(model=pl.lit("acme-7b-fp8")))
    assert with_ids(Study(models=["acme-7b-fp8"]), own.catalog, own.points).precisions == []


def test_what_a_study_predicts_takes_any_precision():
    fields = {"workloads": ["chat"], "accelerators": ["H200"], "engines": ["vllm"]}
    assert Predicted(models=[("llama-3-70b", "FP8")], **fields).models == [("llama-3-70b", "fp8")]
    with pytest.raises(BadConfig, match="says fp8, but the precision is bf16"):
        Predicted(models=[(HUB, "bf16")], **fields)


def test_a_question_of_the_python_api_takes_them_too(data):
    plain = compare(CompareQuestion(model="llama-3-70b", precision="fp8", workload="chat", e2e_s=20.0), data)
    spelt = compare(CompareQuestion(model=HUB, workload="1024x1024", e2e_s=20.0), data)
    upper = compare(CompareQuestion(model="LLAMA 3 70B", precision="FP8", isl=1024, osl=1024, e2e_s=20.0), data)
    assert plain.candidates == spelt.candidates == upper.candidates
