"""The commands as a user types them: examples run, JSON parses, mistakes are one sentence and exit code 2."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from paretoken.cli.main import RENAMED, SUMMARIES
from paretoken.points.published import PUBLISHED

CHAT = "--model llama-3-70b --precision fp8 --workload chat"


@pytest.mark.parametrize("verb", [*SUMMARIES, *RENAMED])
def test_every_verb_has_help_with_examples(call, verb):
    code, out, _ = call(f"{verb} --help")
    assert code == 0
    assert "Examples:" in out and f"paretoken {verb}" in out


def test_help_lists_the_verbs(call):
    code, out, _ = call("--help")
    assert code == 0
    assert all(verb in out for verb in SUMMARIES)


def test_compare_json(call):
    code, out, _ = call(f"compare {CHAT} --e2e 15 --json")
    answer = json.loads(out)
    assert code == 0
    assert answer["winner"] == answer["candidates"][0]["accelerator"]
    assert len(answer["candidates"][0]["around"]) in (1, 2)
    assert set(answer["no_data"]) & {"B300", "GB300"}


def test_compare_of_chosen_accelerators(call):
    code, out, _ = call(f"compare {CHAT} --interactivity 60 --accelerator mi300x --accelerator H200 --json")
    answer = json.loads(out)
    assert code == 0
    assert {c["accelerator"] for c in answer["candidates"]} | set(answer["no_data"]) == {"MI300X", "H200"}


def test_a_limit_that_nothing_meets_is_one_sentence_with_the_nearest(call):
    code, out, err = call(f"compare {CHAT} --e2e 0.1 --json")
    assert (code, out) == (2, "")
    assert "nothing serves llama-3-70b fp8 1024/1024 with at most 0.1 s end to end; the nearest is" in err


@pytest.mark.parametrize(
    "line",
    [
        f"frontier {CHAT} --json",
        f"frontier {CHAT} --axis interactivity --json",
        f"cost {CHAT} --tco 2026-07 --tier neocloud --json",
        f"breakeven {CHAT} --accelerator MI300X --against H200 --rent 2.5 --json",
        "catalog --json",
        "catalog accelerators --json",
        "catalog models llama-3.3-70b --json",
        "catalog tco 2026-07 --json",
    ],
)
def test_json_of_every_verb(call, line):
    code, out, err = call(line)
    assert (code, err) == (0, "")
    assert json.loads(out)


@pytest.mark.parametrize(
    "line",
    [
        f"compare {CHAT} --e2e 15",
        f"frontier {CHAT} --accelerator H200",
        f"cost {CHAT} --accelerator H200",
        f"breakeven {CHAT} --accelerator MI300X --against H200 --rent 2.5",
        "catalog",
        "catalog models",
        "catalog engines vllm",
    ],
)
def test_tables(call, line):
    code, out, err = call(line)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) > 3


def test_a_switch_that_never_pays_is_at_no_rent(call):
    switch = f"breakeven {CHAT} --accelerator MI300X --against H200 --switching-cost 500000 --hours 100"
    code, out, _ = call(f"{switch} --rent 2.5")
    assert (
        code == 0
        and "never: no rent is low enough: the switching cost outweighs" in out
        and "-49" not in out
        and "below this rent" not in out
    )
    code, out, _ = call(f"{switch} --market --json")
    assert code == 0 and json.loads(out)["terms"][0]["verdict"].startswith("MI300X is never cheaper")
    assert json.loads(out)["note"].startswith("no rent is low enough")
    assert "below this rent" in call(f"breakeven {CHAT} --accelerator MI300X --against H200 --rent 2.5")[1]


def test_selfhost_names_its_default(call):
    out = " ".join(call("selfhost --help")[1].split())
    assert "(default: on-demand)" in " ".join(out.split()) and "(default: the newest)" not in out


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("compar", "Did you mean compare"),
        ("compare --model lama-3-70b --precision fp8 --workload chat --e2e 9", "llama-3-70b"),
        ("compare --model llama-3-70b --precision fp9 --workload chat --e2e 9", "fp8"),
        ("compare --model llama-3-70b --workload chat --e2e 9", "choose one with --precision"),
        ("compare --model llama-3-70b --precision fp8 --isl 7 --osl 7 --e2e 9", "1024/1024"),
        ("compare --model llama-3-70b --precision fp8 --isl 1024 --e2e 9", "--osl"),
        (f"compare {CHAT} --isl 3 --e2e 9", "not both"),
        (f"compare {CHAT}", "no latency limit is given"),
        (f"compare {CHAT} --ttft p50=1s --ttft p50=2s", "limit the same figure"),
        (f"compare {CHAT} --e2e -9", "above 0"),
        (f"compare {CHAT} --e2e nan", "not a finite number"),
        (f"compare {CHAT} --e2e 9 --mw inf", "not a finite number"),
        (f"compare {CHAT} --e2e 9 --mw nan", "not a finite number"),
        ("tco --or-rent --rent -1", "on-demand costs -1 USD per GPU-hour"),
        ("tco --monte-carlo 9 --throughput-spread nan", "not a finite number"),
        (f"compare {CHAT} --e2e 9 --tco 2026-7", "2026-07"),
        (f"compare {CHAT} --e2e 9 --tier rent", "rent-retail"),
        (f"compare {CHAT} --e2e 9 --accelerator H2000", "H200"),
        (f"compare {CHAT} --e2e 9 --origin measurd", "measured"),
        (f"compare {CHAT} --e2e 9 --points none.parquet", "does not exist"),
        (f"breakeven {CHAT} --accelerator MI300X --against H200 --rent -2", "above 0"),
        (f"breakeven {CHAT} --accelerator B300 --against H200 --rent 2", "no latency in common"),
        ("compare --model llama-3.1-405b --precision fp8 --workload chat --e2e 9", "no operating point"),
        ("catalog accelerator", "accelerators"),
        ("catalog models lama", "llama"),
        ("study nope --out x", "amd-vs-nvidia"),
        ("study none.toml --out x", "does not exist"),
        ("study", "--out"),
    ],
)
def test_a_mistake_is_one_sentence(call, tmp_path, monkeypatch, line, says):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(line)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1
    assert says in err
    assert list(tmp_path.iterdir()) == []


def test_damaged_points_file(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cut.parquet").write_bytes(PUBLISHED.read_bytes()[:5000])
    (tmp_path / "empty.csv").write_bytes(b"")
    for name, says in (("cut.parquet", "truncated"), ("empty.csv", "empty")):
        code, _, err = call(f"compare {CHAT} --e2e 9 --points {name}")
        assert code == 2 and says in err and err.count("\n") == 1


def test_study_refuses_an_output_it_cannot_write(call, tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("file", "file/below"):
        code, _, err = call(f"study --out {tmp_path}/{place}")
        assert code == 2 and err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_closed_pipe_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m paretoken frontier {CHAT} --json | head -1",
        shell=True,
        capture_output=True,
        text=True,
        env={**os.environ},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_no_markup_in_errors(call):
    _, _, err = call("catalog models [bold]x")
    assert re.search(r"\[bold\]x", err)
