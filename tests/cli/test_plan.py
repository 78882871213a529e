"""`paretoken plan`: what it prints and writes, and what it refuses in one sentence, with nothing written."""

from __future__ import annotations

import json
import os
import re

import pytest

from paretoken.answers.plan.question import PlanQuestion
from paretoken.answers.plan.run import plan
from paretoken.answers.prediction import PredictionData

HEAD = "time_s,input_tokens,output_tokens\n"
ROWS = "".join(f"{i / 4:.2f},{300 + i % 400},{50 + i % 100}\n" for i in range(240))
WHAT = "--model llama-3-70b --precision fp8 --accelerator H200 --engine vllm --tp 4"
SLO = "--slo ttft_p95=2s,tpot=50ms"


@pytest.fixture
def planned(call, tmp_path):
    """Run `plan --coarse --out plan` on a minute of a log, or on another text as the log."""

    def run(line: str = f"{WHAT} {SLO}", log: str = HEAD + ROWS) -> tuple[int, str, str]:
        (tmp_path / "log.csv").write_text(log)
        code, out, err = call(f"plan --log log.csv --coarse --out plan {line}")
        return code, " ".join(out.replace("\u00a0", " ").split()), err

    return run


@pytest.fixture
def refused(planned, tmp_path):
    """The one sentence with which an input is refused; nothing is written, nothing printed."""

    def text(*args: str) -> str:
        code, out, err = planned(*args)
        assert (code, out) == (2, ""), err
        assert err.startswith("error: ") and err.count("\n") == 1 and "Traceback" not in err
        assert not (tmp_path / "plan").exists()
        return err.removeprefix("error: ").strip()

    return text


def test_the_table_and_the_files(planned, tmp_path):
    code, out, err = planned()
    assert (code, err) == (0, "")
    for part in (
        "8 H200 (1+1 replicas of TP4 with vllm in fp8) serve this traffic for ",
        "SLO: TTFT p95 ≤ 2 s, TPOT p50 ≤ 50 ms. Availability: N+1: 1 replica may fail. A task is a request.",
        "240 in ",
        "H200 vllm fp8 TP4 own, fixed 8 ",
        "Bills of H200 vllm fp8 TP4 by contract",
        "paretoken launch vllm llama-3-70b --accelerator H200 --precision fp8 --tp 4",
    ):
        assert part in out, part
    assert {p.name for p in (tmp_path / "plan").iterdir()} >= {"plan.html", "plan.csv", "plan.json", "hours.csv"}


def test_json_is_the_answer_and_that_of_the_file(planned, tmp_path):
    code, out, _ = planned(f"{WHAT} {SLO} --json")
    answer = json.loads(out)
    assert code == 0 and answer == json.loads((tmp_path / "plan" / "plan.json").read_text())
    assert [r["name"] for r in answer["rows"]] == ["H200 vllm fp8 TP4"]
    assert answer["slo"] == "ttft_p95=2s,tpot=50ms"


def test_options_are_the_fields_of_the_question(monkeypatch, planned):
    questions: list[PlanQuestion] = []
    monkeypatch.setattr("paretoken.answers.plan.run.plan", lambda q, on_progress: questions.append(q) or plan(q))
    code, _, err = planned(
        f"{WHAT} {SLO} --no-prefix-cache --spares 2 --cold-start 60 --contract on-demand --price H200=2.5 --task 3 "
        "--confidence 0.8 --max-gpus 64 --candidates 5 --growth 2 --split 500 --top 3"
    )
    assert (code, err) == (0, "")
    (q,) = questions
    assert (q.prefix_cache, q.spares, q.cold_start_s, q.contracts) == (False, 2, 60, ("on-demand",))
    assert (q.price_usd_per_gpu_h, q.requests_per_task, q.confidence) == ({"H200": 2.5}, 3, 0.8)
    assert (q.most_gpus, q.most_candidates, q.growth, q.split_tokens, q.top) == (64, 5, 2, 500, 3)
    assert q.coarse


@pytest.mark.slow
def test_simulated_with_progress(call, tmp_path, monkeypatch):
    (tmp_path / "log.csv").write_text(HEAD + ROWS)
    shown: list[str] = []
    monkeypatch.setattr("paretoken.cli.progress.sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("rich.status.Status.update", lambda self, text: shown.append(str(text)))
    code, out, _ = call(f"plan --log log.csv {WHAT} {SLO}")
    assert code == 0 and shown == ["Plan: 1 of 1 deployment"]
    assert re.search(r"TTFT p95 ≤ 2 s +met", out.replace("\u00a0", " "))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("0,100,10\n1,-5,10\n2,100,10\n", "line 3: input_tokens '-5' is not a whole number of tokens"),
        ("0,100,10\n1,100,nan\n2,100,10\n", "line 3: output_tokens 'nan'"),
        ("1700000000,9,9\n1700000001000,9,9\n1700000002,9,9\n", "taken for a clock that was set"),
        ("0,9,9\n1,9,9\n500000000,9,9\n", "is decades from the first"),
        ("0,9,9\n", "holds a single usable request; a rate needs two or more"),
        ("0,9,9\n0,9,9\n", "have the same time"),
        ("", "holds no usable request"),
        (
            "0,900000,10\n1,900000,10\n",
            "nothing can serve llama-3-70b: H200 vllm fp8: isl 900000 .* exceed",
        ),
    ],
)
def test_logs_that_are_no_traffic(refused, rows, words):
    assert re.search(words, refused(f"{WHAT} {SLO}", HEAD + rows))


def test_hostile_names_of_models_in_a_log(refused):
    rows = "0,9,9,a\x1b]0;own\x07\n1,9,9,b\u202e\n"
    text = refused(f"{WHAT} {SLO}", HEAD.strip() + ",model\n" + rows)
    assert r"'a\x1b]0;own\x07' (1)" in text and text.isprintable()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            f"{WHAT} --slo tpot=1ms",
            r"at any load: it is [\d.]+ ms at best; it meets tpot_p50=[\d.]+ms$",
        ),
        (f"{WHAT} --slo ttft_p99=1ms,tpot=50ms", r"no fleet meets .*; it meets ttft_p99=\d+ms,tpot=50ms$"),
        (
            f"{WHAT} --slo e2e_p95=1ms",
            r"the nearest, H200 vllm fp8 TP4, misses E2E p95 ≤ 1 ms",
        ),
        (f"{WHAT} --slo interactivity=5000", r"it meets interactivity_p50=\d+$"),
        (f"{WHAT} {SLO} --price MI300X=2", "MI300X is not chosen from; add --accelerator MI300X"),
        (f"{WHAT} --slo ,", "the SLO is empty; write for example"),
        (f"{WHAT} --slo ttfx=1s", "unknown SLO metric 'ttfx' in 'ttfx=1s'; did you mean 'ttft'"),
        (f"{WHAT} --slo tpot=nan", "must be a number above 0|is not an SLO"),
        (f"{WHAT} {SLO} --price B9000=2", "unknown accelerator 'B9000'"),
        (f"{WHAT} {SLO} --price H200=nan", "'H200=nan' is not a price"),
        (f"{WHAT} {SLO} --price H200=2 --price h200=3", "the price of (H200|h200) is stated twice"),
        (f"{WHAT} {SLO} --contract yearly", "unknown contract 'yearly': did you mean 5-year"),
        (f"{WHAT} {SLO} --contract serverless", "unknown contract 'serverless'"),
        (f"{WHAT} {SLO} --contract 5-year", "H200 has no price under 5-year; add --price H200=USD"),
        (f"{WHAT} {SLO} --operator me", "unknown operator 'me': known: hyperscaler, neocloud, enterprise"),
        (f"{WHAT} {SLO} --set no.toml", "no.toml"),
        (f"{WHAT} {SLO} --disaggregated foo", "unknown disaggregated layout 'foo'; write WORKERSxKINDGPUS"),
        (f"{WHAT} {SLO} --speculative foo", "speculative 'foo' is unknown; use one of none, mtp"),
        (f"{WHAT} {SLO} --points no.csv", "no.csv does not exist"),
        (f"{WHAT} {SLO} --points log.csv", "log.csv has an unknown format"),
        (f"{WHAT} {SLO} --spares 101", "'--spares': 101 is not in the range"),
        (f"{WHAT} {SLO} --cold-start 99999999", "'--cold-start': 99999999.0 is not in the range"),
        (f"{WHAT} {SLO} --growth 0", "'--growth': 0.0 is not in the range"),
        (f"{WHAT} {SLO} --growth 1e9", "give a smaller --growth"),
        (
            f"{WHAT} {SLO} --max-gpus 1",
            "no fleet is within the limits, .*: H200 vllm fp8 TP4: it needs 8 GPUs, more than 1",
        ),
        (f"{WHAT} {SLO} --at 2026-13-01", "'2026-13-01' is not a date"),
        (f"{WHAT} {SLO} --rate 5/s --isl 9 --osl 9", "--log and --rate are sources of traffic each"),
        (f"--model nosuch --accelerator H200 {SLO}", "unknown model 'nosuch'"),
        (f"--model llama-3-70b --accelerator B9 {SLO}", "unknown accelerator 'B9'"),
        (f"--model llama-3-70b --accelerator H200 --engine atom {SLO}", "ATOM does not run on H200"),
        (f"--model llama-3-70b --accelerator H200 --engine vllm --tp 3 {SLO}", "tp 3 cannot serve .*; use 2 or 4 or 8"),
        (f"--model llama-3-70b --accelerator H200 --engine vllm --precision fp3 {SLO}", "precision 'fp3' is unknown"),
        (f"--model kimi-k2.5 --accelerator L4 --engine vllm --price L4=1 {SLO}", "does not fit 8 x L4"),
    ],
)
def test_what_is_refused(refused, line, words):
    assert re.search(words, refused(line))


@pytest.mark.parametrize("option", ["growth", "confidence", "mw", "task", "cold-start", "acceptance"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_numbers_that_are_none(refused, option, value):
    assert f"Invalid value for '--{option}'" in refused(f"{WHAT} {SLO} --{option} {value}")


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(call, tmp_path, monkeypatch):
    (tmp_path / "log.csv").write_text(HEAD + ROWS)
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(PredictionData, "of", lambda q: pytest.fail("it began"))
    code, out, err = call(f"plan --log log.csv {WHAT} {SLO} --out file")
    assert (code, out, err) == (2, "", "error: --out file is a file; give a folder\n")
    assert (tmp_path / "file").read_text() == "mine"
    if os.geteuid():
        (tmp_path / "closed").mkdir(mode=0o500)
        assert "is not writable" in call(f"plan --log log.csv {WHAT} {SLO} --out closed/plan")[2]


def test_an_interrupt(call, tmp_path, monkeypatch):
    def stopped(*args: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "log.csv").write_text(HEAD + ROWS)
    monkeypatch.setattr("paretoken.answers.plan.entries.map_all", lambda *args, **kw: stopped())
    code, out, err = call(f"plan --log log.csv {WHAT} {SLO} --out plan")
    assert (code, out, err) == (130, "", "\ninterrupted\n")
    assert not (tmp_path / "plan").exists()


def test_a_mix_takes_the_lengths_of_a_workload(call):
    line = "plan --rate 5 --model llama-3-70b --precision fp8 --accelerator H200 --engine vllm --slo tpot=50ms"
    line += " --coarse --json"
    named, stated = call(f"{line} --workload 1k1k"), call(f"{line} --isl 1024 --osl 1024")
    assert named[0] == 0, named[2]
    assert json.loads(named[1]) == json.loads(stated[1])
    code, _, err = call(f"{line} --workload chat --isl 5")
    assert code == 2 and "use --workload, or --isl and --osl, not both" in err
