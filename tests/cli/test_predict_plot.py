"""`predict --disaggregated --plot`: a picture or a page, and one sentence for what cannot be drawn."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tests.support.configurations import assert_refused

R1 = "--accelerator GB200 --model deepseek-r1 --precision fp4 --engine dynamo-trtllm --isl 8192 --osl 1024"
MIXED = R1.replace("fp4", "fp8").replace("dynamo-trtllm", "dynamo-sglang")
LAYOUT = "--disaggregated 4xDEP4+1xDEP32"


@pytest.mark.slow
def test_a_layout_is_drawn_against_aggregated_serving_and_what_was_measured(call, tmp_path):
    code, out, _ = call(f"predict {R1} {LAYOUT} --concurrency 64,256,1024 --plot pools.svg")
    assert code == 0 and "4xDEP4+1xDEP32" in out
    text = (tmp_path / "pools.svg").read_text(encoding="utf-8")
    ET.fromstring(text)
    assert "predicted, disaggregated: 4xDEP4+1xDEP32, 48 GPUs, dynamo-trtllm" in text
    assert "predicted, aggregated" in text and "published, disaggregated" in text


@pytest.mark.slow
def test_a_search_is_drawn_as_a_page(call, tmp_path):
    assert call(f"predict {R1} --disaggregated auto --gpus 8 --plot pools.html --json")[0] == 0
    page = (tmp_path / "pools.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "predicted, disaggregated" in page


def test_pools_of_two_accelerators_are_drawn_alone(call, tmp_path):
    line = f"predict {MIXED} --disaggregated 1xDEP16@H200+1xDEP32 --concurrency 64 --plot pools.svg"
    assert call(line)[0] == 0
    text = (tmp_path / "pools.svg").read_text(encoding="utf-8")
    assert "on H200+GB200" in text and ", aggregated" not in text and "published, " not in text


def test_a_plot_needs_two_pools(call, tmp_path):
    assert_refused(call, f"predict {R1} --plot pools.svg", "--plot draws disaggregated serving; add --disaggregated")
    assert not list(tmp_path.iterdir())


def test_the_table_is_printed_even_if_the_plot_cannot_be_written(call):
    code, out, err = call(f"predict {MIXED} --disaggregated 1xDEP16@H200+1xDEP32 --concurrency 64 --plot no/pools.svg")
    assert code == 2 and "1xDEP16@H200+1xDEP32" in out
    assert err == "error: no/pools.svg cannot be written: No such file or directory; choose another place\n"
