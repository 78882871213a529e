"""Receipts of runs that `bench` and `campaign` wrote themselves."""

from __future__ import annotations

import json

import pytest

from paretoken.bench.receipt import RECEIPT
from paretoken.bench.run_folder import SUMMARY
from tests.support.odd_server import odd_server

SHAPE = "--isl 8 --osl 4 --prompt-unit words --concurrency 1,2 --until 0.5s --slo e2e_p90=1s"


@pytest.mark.slow
def test_a_run_that_was_cut_and_resumed_is_verified(call, tmp_path):
    with odd_server() as server:
        assert call(f"bench {server.url} {SHAPE} --out run")[0] == 0
        before = json.loads((tmp_path / "run" / RECEIPT).read_text())
        assert call("verify run")[0] == 0
        (tmp_path / "run" / "levels" / "0002" / SUMMARY).unlink()
        code, out, _ = call("verify run")
        assert code == 1 and "levels/0002/summary.json" in out
        assert call(f"bench {server.url} --resume run")[0] == 0
    after = json.loads((tmp_path / "run" / RECEIPT).read_text())
    assert after["levels"][0] == before["levels"][0] and after["levels"][1] != before["levels"][1]
    code, out, _ = call("verify run --json")
    (result,) = json.loads(out)
    assert (code, result["verdict"]) == (0, "verified") and not result["differences"]
    code, out, _ = call("reproduce run")
    assert code == 0 and "--concurrency 1,2" in out and "--seed" in out
