"""`paretoken bench` against vLLM and transformers serve on CPUs: `pytest -m engines`, which installs both (minutes)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "benchmarks" / "engines"))

pytestmark = pytest.mark.engines


@pytest.mark.parametrize("engine", ["vllm", "transformers"])
def test_a_ladder_end_to_end(call, engine):
    from recipes import serving

    with serving(engine) as server:
        line = f"bench {server.base_url} --model {server.model} --isl 48 --osl 24 --concurrency 1,4 --until 6s"
        code, out, err = call(f"{line} {' '.join(server.options)} --out run --json")
    assert code == 0, err
    levels = json.loads(out)["levels"]
    for level in levels:
        assert level["errors"]["by_status"] == {}
        assert level["lengths"]["mean_osl"] == (24 if engine == "vllm" else pytest.approx(24, abs=1))
        assert level["throughput"]["window"]["output_tok_s"] > 0
        assert level["latency"]["ttft_s"]["p50"] < level["latency"]["e2e_s"]["p50"]
    if engine == "vllm":
        assert levels[1]["columns"]["engine"] == "vllm" and levels[1]["columns"]["engine_version"]
        assert levels[1]["lengths"]["mean_isl"] == 48
        assert levels[1]["server"]["gauges"]["running"]["max"] >= 2
        assert not [w for w in levels[1]["warnings"] if w["code"] in ("cache_hits", "input_mismatch", "count_mismatch")]
