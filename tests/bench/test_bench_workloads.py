"""`paretoken bench --workload` with sessions, end to end, against an emulated engine with a prefix cache."""

from __future__ import annotations

import json
import re

import polars as pl
import pytest

from paretoken.bench.run_folder import RunFolder
from paretoken.catalog.loader import load_catalog
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.steptime import AffineStepTime
from paretoken.sessions.generate import generated
from paretoken.sessions.label import GENERATOR_VERSION, name_in, workload_label
from tests.support.emulators import emulated
from tests.support.quick_engines import quick_engine
from tests.support.session_predictions import simulate_here
from tests.support.sessions import write_sessions


def test_the_draws_of_a_workload_are_chosen_and_recorded(call, tmp_path):
    with quick_engine() as server:
        url = f"http://127.0.0.1:{server.port}"
        options = "--concurrency 2,3 --until 4sessions --idle-cap 0.001 --api completions --out run"
        code, _, err = call(f"bench {url} --workload rag --sessions 3 --session-seed 5 {options}")
        assert code == 0, err
        assert "3 sessions drawn from the workload with seed 5 within" in err
        run = RunFolder(tmp_path / "run")
        table = pl.read_parquet(tmp_path / "run" / "sessions.parquet")
        workload = load_catalog().session_workloads["rag"]
        drawn = generated(workload, 3, 5, context_tokens=40_960)
        calls = [call for session in drawn for call in session.calls.values()]
        assert table["input_tokens"].drop_nulls().to_list() == [call.input_tokens for call in calls]
        longest = max(session.longest_tokens for session in drawn)
        label = workload_label("rag", workload, 40_960, longest, sessions=3, seed=5)
        assert run.metadata().workload == label != workload_label("rag", workload, 40_960, longest)
        points = pl.read_parquet(tmp_path / "run" / "points.parquet")
        assert points["workload"].to_list() == [label] * 2
        assert {"sessions": 3, "session_seed": 5}.items() <= run.levels()[0].summary.config.items()
        (run.level_folder(2) / "summary.json").unlink()
        code, _, err = call("bench --resume run")
    assert code == 0, err
    assert pl.read_parquet(tmp_path / "run" / "points.parquet")["workload"].to_list() == [label] * 2


def test_draws_need_a_workload_of_sessions(call):
    for option, name in (("--sessions 4", "--sessions"), ("--session-seed 4", "--session-seed")):
        for load in ("", "--workload chat"):
            code, _, err = call(f"bench http://127.0.0.1:1 {load} {option}")
            assert code == 2 and f"{name} needs a --workload of sessions" in err
    code, _, err = call("bench http://127.0.0.1:1 --workload rag --sessions 10001")
    assert code == 2 and "--sessions is 10,001; use 1 to 10,000" in err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["agent-code", "agent-research", "chat-multi-turn", "rag"])
def test_sessions_of_a_workload_are_played(call, tmp_path, name):
    """Against an emulated engine with a prefix cache; waits are cut so that the run is short."""
    with quick_engine() as server:
        url = f"http://127.0.0.1:{server.port}"
        options = "--concurrency 3 --until 3sessions --idle-cap 0.001 --api completions --out run"
        code, _, err = call(f"bench {url} --workload {name} {options}")
    assert code == 0, err
    assert "256 sessions drawn from the workload with seed 0 within a context of 40,960 tokens" in err
    (point,) = pl.read_parquet(tmp_path / "run" / "points.parquet").iter_rows(named=True)
    assert (point["origin"], point["sessions"]) == ("emulated", 3.0)
    assert re.fullmatch(rf"{name}#[0-9a-f]{{8}}", point["workload"])
    run = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert (run["workload"], run["generator_version"]) == (point["workload"], GENERATOR_VERSION)
    assert 0 < point["cached_share"] <= point["possible_share"] + 1e-3
    traced = pl.read_parquet(tmp_path / "run" / "sessions.parquet")
    assert traced["session"].n_unique() == 256
    assert (traced["input_tokens"] + traced["output_tokens"]).max() <= 40_960


def test_a_trace_named_after_a_workload_does_not_join_its_points(call, tmp_path):
    """Both runs and the prediction carry the name; only the run of the workload is compared with the prediction."""
    steps = [{"id": "a", "call": {"input_tokens": 40, "output_tokens": 3}}]
    write_sessions(tmp_path / "rag.jsonl", {f"s{i}": steps for i in range(3)})
    quick = AffineStepTime(1e-4, per_prompt_token_s=1e-8)
    limits = SchedulerLimits(max_num_seqs=64, max_batched_tokens=131_072, kv_blocks=1_000_000)
    model = "--accelerator H200 --gpus 4 --tp 4 --engine vllm --precision fp8 --catalog-model llama-3-70b"
    with emulated(step_time=quick, limits=limits, context=131_072, cache=CacheOptions()) as server:
        url = f"http://127.0.0.1:{server.port}"
        often = f"--concurrency 8 --idle-cap 0.001 --api completions --speculative none {model}"
        for load, out in (("--workload rag", "catalog"), ("--trace rag.jsonl", "file")):
            code, _, err = call(f"bench {url} {load} --until 24sessions {often} --out {out}")
            assert code == 0, err
    points = {out: pl.read_parquet(tmp_path / out / "points.parquet") for out in ("catalog", "file")}
    labels = {out: of_run["workload"].item() for out, of_run in points.items()}
    assert {name_in(label) for label in labels.values()} == {"rag"} and len(set(labels.values())) == 2
    question = "compare --model llama-3-70b --precision fp8 --workload rag --interactivity 1 --accelerator H200 --json"
    with pytest.MonkeyPatch.context() as patch:
        simulate_here(patch, users=(1, 8))
        sources = {}
        for out in labels:
            code, answer, err = call(f"{question} --engine vllm --points {out}/points.parquet --origin emulated")
            sources[out] = code == 0 and {c["origin"] for c in json.loads(answer)["candidates"]}
    assert sources == {"catalog": {"emulated"}, "file": False}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--workload rag --turns 3", "has sessions of its own"),
        ("--workload chat --idle-cap 5", "shortens the waits of sessions"),
        ("--workload chat --answers server", "needs prompts that hold earlier answers"),
    ],
)
def test_options_that_do_not_fit_a_workload(call, options, words):
    code, _, err = call(f"bench http://127.0.0.1:1 {options}")
    assert code == 2 and words in err and err.count("\n") == 1
