"""Labels are checked before the run: a slip is refused, a new name is kept and said."""

from __future__ import annotations

import pytest

from paretoken.bench.config import BenchConfig
from paretoken.bench.labels import check_labels
from paretoken.errors import BadConfig


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"accelerator": "H200", "engine": "vllm", "precision": "fp8", "catalog_model": "llama-3-70b"},
        {"accelerator": "NVIDIA H100 80GB HBM3", "precision": "mxfp4"},
        {"precision": "int8"},
        {"accelerator": "unknown"},
    ],
)
def test_names_of_the_catalog_pass_in_silence(labels):
    assert check_labels(BenchConfig(urls=("h",), **labels)) == ()


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({"accelerator": "H20O"}, "--accelerator 'H20O' is not in the catalog; did you mean .*H200"),
        ({"engine": "vlm"}, "--engine 'vlm' .*did you mean vllm"),
        ({"catalog_model": "lama-3-70b"}, "--catalog-model .*did you mean llama-3-70b"),
        ({"precision": "bff16x"}, "--precision .*did you mean bf16"),
    ],
)
def test_a_slip_is_refused_unless_the_user_insists(labels, says):
    config = BenchConfig(urls=("h",), **labels)
    with pytest.raises(BadConfig, match=says):
        check_labels(config)
    (note,) = check_labels(config, force=True)
    assert next(iter(labels.values())) in note


@pytest.mark.parametrize(
    "labels",
    [
        {"accelerator": "CPU of this machine"},
        {"accelerator": "NoSuch"},
        {"engine": "homegrown"},
        {"precision": "int6"},
        {"precision": "fp6"},
    ],
)
def test_a_name_outside_the_catalog_is_kept_and_said(labels):
    (note,) = check_labels(BenchConfig(urls=("h",), **labels))
    assert next(iter(labels.values())) in note
