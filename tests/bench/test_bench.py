"""`paretoken bench` end to end against a server of known truth: ladders, searches, interruption, resumption."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from paretoken.bench.client.journal import read_journal
from paretoken.bench.level_context import why_failed
from paretoken.bench.run_folder import RunFolder
from paretoken.bench.server_url import base_url
from paretoken.bench.stats.level_summary import ErrorSummary
from paretoken.bench.truth.server import Pace, truth_server
from paretoken.points.files import read_points

TTFT_S, ITL_S, TOKENS = 0.020, 0.004, 16
SHAPE = f"--prompt-unit words --isl 32 --osl {TOKENS}"
KEY = "sk-very-secret-0123456789"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    log = tmp_path_factory.mktemp("truth") / "log"
    with truth_server(Pace(ttft_ms=TTFT_S * 1000, itl_ms=ITL_S * 1000), log=log) as server:
        yield server


def background(line: str, place: Path, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "paretoken", *line.split()],
        cwd=place,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def right_or_doubted(level: dict, figure: float, truth: float) -> None:
    """A figure agrees with the truth; or the machine was too busy for that, and the client says so itself."""
    doubted = level["fidelity"]["client_limited"] or not level["window"]["steady"]
    assert doubted or figure == pytest.approx(truth, rel=0.1)


def wait_for(condition, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def test_a_ladder_gives_points_that_agree_with_the_truth(call, server, tmp_path):
    code, out, err = call(
        f"bench {server.base_url} {SHAPE} --concurrency 2,4 --until 2s --out run --accelerator H200 --gpus 2 --json"
    )
    assert code == 0, err
    levels = json.loads(out)["levels"]
    assert [level["load"]["users"] for level in levels] == [2, 4]
    for level, users in zip(levels, (2, 4), strict=True):
        right_or_doubted(level, level["latency"]["ttft_s"]["p50"], TTFT_S)
        right_or_doubted(level, level["latency"]["tpot_s"]["p50"], ITL_S)
        e2e = TTFT_S + (TOKENS - 1) * ITL_S
        right_or_doubted(level, level["throughput"]["window"]["output_tok_s"], users * TOKENS / e2e)
        assert level["errors"]["failed"] == 0
    points, errors = read_points(tmp_path / "run" / "points.parquet")
    assert errors == [] and points["concurrency"].to_list() == [2.0, 4.0]
    assert set(points["origin"]) == {"measured"} and set(points["n_gpus"]) == {2}
    one = levels[0]["throughput"]["window"]
    assert points["output_tput_per_gpu_tok_s"][0] == pytest.approx(one["output_tok_s"] / 2)


def test_frontier_works_on_the_points_at_once(call, server, tmp_path):
    assert call(f"bench {server.base_url} {SHAPE} --concurrency 1,3 --until 1s --out run")[0] == 0
    code, out, err = call(
        f"frontier --model truth --precision fp8 --isl 32 --osl {TOKENS} --points run/points.parquet --no-published"
    )
    assert code == 2 and "precision" in err
    stated = "--precision fp8 --speculative none"
    assert call(f"bench {server.base_url} {SHAPE} --concurrency 1,3 --until 1s {stated} --out again")[0] == 0
    code, out, err = call(
        f"frontier --model truth --isl 32 --osl {TOKENS} --points again/points.parquet --no-published --json"
    )
    assert code == 0, err
    assert {r["origin"] for r in json.loads(out)} == {"measured"}


@pytest.mark.parametrize("more", ["", "--warmup-per-user 0"])
def test_a_single_user_is_measured_for_long_enough_by_default(call, server, more):
    code, out, err = call(f"bench {server.base_url} {SHAPE} --concurrency 1 --out run --json {more}")
    assert code == 0, err
    (level,) = json.loads(out)["levels"]
    assert level["window"]["enough"], level["window"]["reason"]


def test_an_open_loop_sends_at_the_rate_asked(call, server):
    code, out, err = call(f"bench {server.base_url} {SHAPE} --rate 40 --arrivals constant --until 3s --out run --json")
    assert code == 0, err
    (level,) = json.loads(out)["levels"]
    assert level["load"]["rate"] == pytest.approx(40, rel=0.01)
    assert level["errors"]["requests"] == pytest.approx(120, abs=1)
    right_or_doubted(level, level["latency"]["ttft_s"]["p50"], TTFT_S)


def test_search_within_objectives(call, server):
    code, out, err = call(
        f"bench {server.base_url} {SHAPE} --search slo --slo ttft_p50=1s,tpot_p50=100ms --concurrency 1,4 --until 1s "
        "--out run --json"
    )
    assert code == 0, err
    printed = json.loads(out)
    assert printed["answer"]["users"] == 4 or any(x["fidelity"]["client_limited"] for x in printed["levels"])
    code, out, _ = call(
        f"bench {server.base_url} {SHAPE} --search slo --slo ttft_p50=1ms --concurrency 1,4 --until 1s --out x --json"
    )
    assert json.loads(out)["answer"]["users"] is None


def test_the_gate_closes_on_missed_goals_and_on_a_worse_run(call, server, tmp_path):
    line = f"bench {server.base_url} {SHAPE} --concurrency 2 --until 2s --gate"
    code, _, err = call(f"{line} --slo ttft_p50=1ms --out missed")
    assert code == 1 and "gate: 2 users missed ttft_p50=1ms" in err
    assert call(f"{line} --slo ttft_p50=5s --out met")[0] == 0 or _doubted(tmp_path / "met")
    code, _, err = call(f"{line} --out none")
    assert code == 2 and "--slo" in err
    assert call("bench --compare met met --gate")[0] == 0
    with truth_server(Pace(ttft_ms=5 * TTFT_S * 1000, itl_ms=3 * ITL_S * 1000), log=tmp_path / "slow.log") as slow:
        call(f"bench {slow.base_url} {SHAPE} --concurrency 2 --until 6s --slo ttft_p50=5s --out slow")
    code, out, err = call("bench --compare met slow --gate")
    assert code == 1 and "gate: " in err and "REGRESSION: " in out and "higher in B" in out
    assert call("bench --compare slow met --gate")[0] == 0


def test_a_ladder_prints_a_table_and_one_level_in_full(call, server):
    code, out, err = call(f"bench {server.base_url} {SHAPE} --concurrency 2,4 --until 2s --slo e2e_p99=9s --out run")
    assert code == 0, err
    head = next(line for line in out.splitlines() if line.startswith("load"))
    assert head.split()[:5] == ["load", "req/s", "tok/s", "TTFT", "p50"] and "SLO" in head and "GPU" not in head
    assert out.count("\nRequests/s") == 1 and "the highest load within the SLOs, on too few requests" in out
    assert out.count(" unsure") == 2 and "p99 needs 299 requests in the window" in out
    assert (
        call(f"bench {server.base_url} {SHAPE} --concurrency 2,4 --until 1s --all --out all")[1].count("TTFT, ms") == 2
    )


def test_no_gate_opens_on_a_p99_of_too_few_requests(call, server):
    line = f"bench {server.base_url} {SHAPE} --concurrency 4 --slo e2e_p99=60s --gate --out run"
    code, _, err = call(f"{line} --until 90requests")
    assert code == 1 and re.search(r"can't be judged: p99 needs 299 requests in the window, has \d\d\b", err)


def test_a_trace_of_twelve_words_measures_twelve_not_the_default(call, server, tmp_path):
    talks = [{"conversations": [{"from": "human", "value": "a b c"}, {"from": "gpt", "value": "w " * 12}]}] * 3
    (tmp_path / "talks.json").write_text(json.dumps(talks))
    line = f"bench {server.base_url} --trace talks.json --concurrency 1 --until 1s --out run"
    code, out, err = call(f"{line} --prompt-unit words")
    assert code == 0 and "a word of the recorded answer counts as one token" in err
    (level,) = RunFolder(tmp_path / "run").levels()
    assert set(level.requests()["planned_output"]) == {12} and level.summary.lengths.mean_osl == 12
    assert " 12 out (12 planned)" in out


def _doubted(run: Path) -> bool:
    return any(level.summary.doubts for level in RunFolder(run).levels())


def test_search_over_rates(call, server):
    code, out, err = call(
        f"bench {server.base_url} {SHAPE} --search slo --slo e2e_p50=1s --rate 4,16 --until 2s --out run --json"
    )
    assert code == 0, err
    printed = json.loads(out)
    assert {x["load"]["kind"] for x in printed["levels"]} == {"open"}
    assert printed["answer"]["rate"] == 16 or any(
        x["fidelity"]["client_limited"] or not x["window"]["steady"] for x in printed["levels"]
    )
    code, out, _ = call(
        f"bench {server.base_url} {SHAPE} --search slo --slo ttft_p50=1ms --rate 16,32 --until 1s --out x"
    )
    assert code == 0 and "Highest load within ttft_p50=1ms: none" in out


def test_a_rate_that_piles_up_requests_is_not_held():
    from paretoken.bench.plan import Open
    from paretoken.bench.stats.summary import LevelContext, summarise
    from tests.support.levels import opened

    for rate, sustained in ((6.0, True), (14.0, False)):  # four servers of half a second hold 8/s
        requests = opened(rate, 60.0, service_s=0.5, servers=4)
        load = Open(requests["due_ns"].to_numpy() / 1e9, rate)
        assert summarise(requests, load, LevelContext(columns={})).queue_grows != sustained


def test_ctrl_c_keeps_what_is_finished_and_resume_goes_on(server, tmp_path):
    line = f"bench {server.base_url} {SHAPE} --concurrency 1,2,3 --until 2s --out run"
    child = background(line, tmp_path)
    first = tmp_path / "run" / "levels" / "0001" / "summary.json"
    wait_for(first.exists)
    before = first.read_bytes()
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=20)
    assert child.returncode == 130 and "--resume run" in err
    assert RunFolder(tmp_path / "run").finished(2) is None
    done = background("bench --resume run --json", tmp_path)
    out, err = done.communicate(timeout=60)
    assert done.returncode == 0, err
    assert [level["load"]["users"] for level in json.loads(out)["levels"]] == [1, 2, 3]
    assert first.read_bytes() == before


def test_a_run_goes_on_as_it_was_asked_and_on_the_same_server(call, server, tmp_path):
    assert call(f"bench {server.base_url} {SHAPE} --concurrency 1 --until 1s --out run")[0] == 0
    code, _, err = call("bench http://127.0.0.1:9 --resume run --isl 99 --no-stream")
    assert code == 2 and all(option in err for option in ("leave out", "--stream", "--isl"))
    code, _, err = call("bench http://127.0.0.1:9 --resume run")
    assert code == 2 and "name the same servers" in err
    place = tmp_path / "run" / "run.json"
    about = json.loads(place.read_text())
    about["run"]["servers"][0]["version"] = "0.9.0"
    place.write_text(json.dumps(about))
    code, _, err = call("bench --resume run")
    assert code == 2 and "had version '0.9.0' and now has" in err and "--force" in err
    assert call("bench --resume run --force --json")[0] == 0


def test_kill_9_leaves_every_finished_request_readable(server, tmp_path):
    child = background(f"bench {server.base_url} {SHAPE} --concurrency 4 --until 30s --out run", tmp_path)
    place = tmp_path / "run" / "levels" / "0001"

    def journals() -> list[Path]:
        return list(place.glob("*.journal"))

    wait_for(lambda: journals() and journals()[0].stat().st_size > 5000)
    child.kill()
    child.communicate()
    requests = RunFolder(tmp_path / "run").unfinished()
    assert requests.height > 5
    assert read_journal(journals()[0]).height == requests.height
    assert set(requests["status"]) <= {"ok", "cancelled"}  # the worker records what it cuts when its parent dies
    finished = requests.filter(requests["status"] == "ok")
    assert finished.height > 5 and (finished["output_tokens"] == TOKENS).all()


def test_the_key_is_nowhere(server, tmp_path):
    line = f"bench {server.base_url} {SHAPE} --concurrency 2 --until 1s --out run"
    child = background(line, tmp_path, PARETOKEN_API_KEY=KEY)
    wait_for((tmp_path / "run" / "run.json").exists)
    command_line = Path(f"/proc/{child.pid}/cmdline").read_bytes()
    out, err = child.communicate(timeout=30)
    assert child.returncode == 0, err
    written = b"".join(p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file())
    for where in (command_line, written, out.encode(), err.encode()):
        assert KEY.encode() not in where


def test_two_runs_are_compared_with_significance(call, server, tmp_path):
    for name in ("a", "b"):
        assert call(f"bench {server.base_url} {SHAPE} --concurrency 4 --until 3s --out {name}")[0] == 0
    code, out, err = call("bench --compare a b --json")
    assert code == 0, err
    comparison = json.loads(out)
    runs = [level.summary for name in ("a", "b") for level in RunFolder(tmp_path / name).levels()]
    quiet = not any(s.client_limited for s in runs)
    moved = [d for d in comparison["differences"] if d["significant"] and abs(d["change"]) > 0.05]
    assert comparison["differences"] and not (quiet and moved)
    assert call(f"bench {server.base_url} {SHAPE} --think 0.1 --concurrency 4 --until 2s --out c")[0] == 0
    code, _, err = call("bench --compare a c")
    assert code == 2 and "think_s" in err
    code, out, err = call("bench --compare a c --force")
    assert code == 0 and "lower in B" in out


def test_a_level_in_which_nothing_was_due_says_so(call, server, tmp_path):
    code, out, _ = call(f"bench {server.base_url} {SHAPE} --rate 0.01 --until 1s --seed 1 --out run")
    assert code == 1 and "FAILED: no request was due within 1 s" in out
    errors = ErrorSummary(requests=4, ok=0, failed=0, rate=0.0, by_status={}, detail={})
    assert why_failed(errors, 0.05, 1.0) == "no request of 4 was answered completely"
    assert why_failed(replace(errors, ok=4), 0.05, 1.0) == ""


def test_a_blank_behind_a_url_is_no_part_of_it():
    assert base_url(" http://127.0.0.1:8000 ") == "http://127.0.0.1:8000/v1"


def test_exports(call, server, tmp_path):
    code, _, err = call(f"bench {server.base_url} {SHAPE} --concurrency 2 --until 1s --out run --export vllm")
    assert code == 0, err
    level = tmp_path / "run" / "levels" / "0001"
    made, summary = (json.loads((level / name).read_text()) for name in ("vllm.json", "summary.json"))
    assert made["mean_ttft_ms"] == pytest.approx(summary["latency"]["ttft_s"]["mean"] * 1000)
    assert made["date"][:9] == time.strftime("%Y%m%d-", time.localtime(summary["run"]["t0_unix_s"]))


def test_a_level_with_too_many_errors_fails_loudly(call, server, tmp_path):
    with truth_server(Pace(ttft_ms=TTFT_S * 1000, itl_ms=ITL_S * 1000), log=tmp_path / "log") as short:
        line = f"bench {short.base_url} {SHAPE} --concurrency 2,4 --until 3s --out run --on-error stop --timeout 2"
        child = background(line, tmp_path)
        wait_for((tmp_path / "run" / "levels" / "0001" / "requests-0.journal").exists)
        time.sleep(0.5)
        os.kill(short.pid, signal.SIGKILL)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 1, err
    levels = RunFolder(tmp_path / "run").levels()
    assert len(levels) == 1 and levels[0].summary.failed
    assert levels[0].summary.errors.by_status
    assert "FAILED" in out
    assert pl.read_parquet(tmp_path / "run" / "points.parquet").is_empty()


def test_repeats_are_shown_with_their_spread_and_give_one_point(call, server, tmp_path):
    code, out, err = call(
        f"bench {server.base_url} {SHAPE} --concurrency 2,ramp:1:4:400ms --until 1s --repeat 3 --out run"
    )
    assert code == 0, err
    assert "2 users (3)" in out and "4 users, ramp 0.4 s (3)" in out and "Means of repeats" in out
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    first, ramped = summary["repeats"]
    assert (first["name"], first["repeats"]) == ("2 users", 3)
    assert ramped["load"] == {"kind": "closed", "users": 4, "think_s": 0.0, "from_users": 1, "ramp_s": 0.4}
    spread = first["figures"]["output_tput_per_gpu_tok_s"]
    each = [x["throughput"]["window"]["output_tok_s_per_gpu"] for x in summary["levels"] if x["load"]["users"] == 2]
    assert spread["values"] == each and spread["mean"] == pytest.approx(sum(each) / 3)
    assert spread["low"] < spread["mean"] < spread["high"]
    points, _ = read_points(tmp_path / "run" / "points.parquet")
    assert points["concurrency"].to_list() == [2.0, 4.0]
    assert points["output_tput_per_gpu_tok_s"][0] == pytest.approx(spread["mean"])
    assert call("report run")[0] == 0
    assert "Means over the runs" in (tmp_path / "run" / "report.html").read_text()
    code, out, _ = call("share run")
    assert "| Mean of repeats | Runs |" in out and len(out.splitlines()) < 60


@pytest.mark.parametrize("error", [OSError(28, "No space left"), pl.exceptions.ComputeError("No space left")])
@pytest.mark.parametrize("where", ["polars.DataFrame.write_parquet", "paretoken.bench.run_folder.write_json"])
def test_a_full_disk_is_one_sentence(call, server, tmp_path, monkeypatch, error, where):
    assert call(f"bench {server.base_url} {SHAPE} --concurrency 1 --until 1s --out run")[0] == 0
    (tmp_path / "run" / "levels" / "0001" / "summary.json").unlink()

    def full(*_, **__):
        raise error

    monkeypatch.setattr(where, full)
    code, _, err = call("bench --resume run")
    assert code == 2, err
    assert "No space left" in err.strip().splitlines()[-1] and "--resume run" in err


def test_a_run_is_not_written_over(call, server):
    assert call(f"bench {server.base_url} {SHAPE} --concurrency 1 --until 1s --out run")[0] == 0
    code, _, err = call(f"bench {server.base_url} {SHAPE} --concurrency 1 --until 1s --out run")
    assert code == 2 and "--resume run" in err


def test_a_real_engine_end_to_end(call, tmp_path):
    """llama.cpp's server with a model made on the spot: a ladder, its points, and a study with them."""
    code, out, err = call("bench --concurrency 1,4 --until 2s --out run --json")
    assert code == 0, err
    levels = json.loads(out)["levels"]
    for level in levels:
        assert level["errors"]["by_status"] == {}
        assert level["lengths"]["server_osl"] == 64
        assert level["throughput"]["window"]["output_tok_s"] > 0
    assert levels[0]["columns"]["engine"] == "llamacpp"
    (tmp_path / "s.toml").write_text('published = false\npoints = ["run/points.parquet"]\n')
    code, out, err = call("study s.toml --out out")
    assert code == 0, err
    assert "random-llama" in (tmp_path / "out" / "report.html").read_text()
