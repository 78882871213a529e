"""K and acceptance beside a run in `compare`, and the sentence on a verdict that rests on drafted tokens."""

from __future__ import annotations

import polars as pl
import pytest

LINE = (
    "compare --points mine.csv --no-published --model llama-3-70b --precision fp8 --isl 1024 --osl 1024 "
    "--e2e 6 --serving any --speculative any"
)


def points(accelerator: str, gpus: int, acceptance: float | None) -> list[dict]:
    return [
        {
            "origin": "measured",
            "source": "x",
            "date": "2026-09-01",
            "accelerator": accelerator,
            "n_gpus": gpus,
            "tp": gpus,
            "model": "llama-3-70b",
            "precision": "fp8",
            "engine": "vllm",
            "engine_version": "0.32.0",
            "speculative": "eagle3",
            "speculative_tokens": 3,
            "acceptance_length": acceptance,
            "disaggregated": False,
            "multinode": False,
            "isl": 1024,
            "osl": 1024,
            "load_kind": "closed",
            "concurrency": 4.0 * load,
            "median_e2e_s": 2.0 + load,
            "median_tpot_s": (1.9 + load) / 1024,
            "median_ttft_s": 0.1,
            "total_tput_per_gpu_tok_s": 8192 * load / (2.0 + load) / gpus,
        }
        for load in range(1, 7)
    ]


@pytest.mark.parametrize(
    ("lengths", "says"),
    [
        ((2.9, 2.85), "Cheapest tokens: B200"),
        ((2.9, 2.2), "No verdict, unlike acceptance: B200 drafts with EAGLE3 K=3, 2.9 tokens a step"),
        ((2.9, None), "acceptance length not stated for H200 (EAGLE3)"),
    ],
)
def test_compare_shows_acceptance(call, tmp_path, lengths, says):
    rows = points("B200", 2, lengths[0]) + points("H200", 8, lengths[1])
    pl.DataFrame(rows).write_csv(tmp_path / "mine.csv")
    code, out, err = call(LINE)
    assert code == 0, err
    text = " ".join(out.split())
    assert says in text and "EAGLE3 K=3, 2.9 tokens a step" in text
