"""Labels are checked before the run: a slip is refused, a new name is kept and said."""

from __future__ import annotations

import pytest

from paretoken.bench.config import BenchConfig
from paretoken.bench.labels import check_labels
from paretoken.errors import BadConfig
from tests.support.odd_server import odd_server


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
        ({"accelerator": "H20O"}, "--accelerator 'H20O' is not in the catalog; did you mean .*H200.* Add --force"),
        ({"engine": "vlm"}, "--engine 'vlm' .*did you mean vllm"),
        ({"catalog_model": "lama-3-70b"}, "--catalog-model .*did you mean llama-3-70b"),
        ({"precision": "bff16x"}, "--precision .*did you mean bf16"),
        ({"accelerator": "Qqqqqq"}, "--accelerator 'Qqqqqq' .*see paretoken catalog accelerators; or add --force"),
        ({"accelerator": "CPU of this machine"}, "--force"),
        ({"engine": "homegrown"}, "see paretoken catalog engines; or add --force"),
        ({"precision": "zzz"}, "use one of fp32"),
        ({"tp": 8}, "--tp 8 needs 8 GPUs, but --gpus is 1; add --gpus 8"),
    ],
)
def test_a_label_outside_the_catalog_is_refused_unless_the_user_insists(labels, says):
    config = BenchConfig(urls=("h",), **labels)
    with pytest.raises(BadConfig, match=says):
        check_labels(config)
    (note,) = check_labels(config, force=True)
    assert str(next(iter(labels.values()))) in note


def test_labels_are_checked_before_the_first_request(call):
    with odd_server() as server:
        code, _, err = call(f"bench {server.url} --accelerator NoSuch --precision mxfp4 --out run")
        assert code == 2 and "--accelerator 'NoSuch' is not in the catalog" in err and not server.asks
        code, _, err = call(f"bench {server.url} --workload chatt --out run")
        assert code == 2 and "did you mean chat" in err and not server.asks
