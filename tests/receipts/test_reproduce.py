"""Recipes print what is recorded, name what is not, and every line is safe to paste."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.config import BenchConfig
from paretoken.bench.run_folder import RUN
from paretoken.cli.main import paretoken
from paretoken.points.schema import STORED
from paretoken.receipts.bench_line import _OPTIONS, bench_words
from paretoken.receipts.of_point import recipe_of_point
from tests.cli.test_init import OF_RUNS
from tests.support.sealed_runs import edit

POINT = "--model llama-3-70b --accelerator H200 --isl 1k --osl 1k --concurrency 64"


def document(call, line: str) -> dict:
    code, out, err = call(f"reproduce {line} --json")
    assert code == 0, err
    return json.loads(out)[0]


def test_a_run_gives_its_own_line_with_its_seed(call, run):
    recipe = document(call, str(run))
    assert recipe["bench_recorded"] and recipe["bench_line"].endswith("--concurrency 1:4:x2 --seed 7")
    assert recipe["stated"]["engine_version"] == "0.11.0" and "paretoken 0." in recipe["clients"][0]
    assert recipe["launch"]["basis"] == "from the catalog's recipe"
    assert any("how the server was started" in line for line in recipe["unknown"])
    assert any("fits 0.11.0" in line for line in recipe["unknown"])


def test_a_level_gives_its_load_alone(call, run):
    recipe = document(call, f"{run}/levels/0003")
    assert recipe["kind"] == "level" and recipe["bench"][-2:] == ["--concurrency", "4"]
    assert any("prompts" in line for line in recipe["unknown"])


def test_the_cell_of_a_campaign_gives_the_command_that_was_started(call, run):
    start = {"command": "vllm serve 'my model'", "image": "vllm:v1", "env": {"A": "1 2"}, "installed_version": "1.0"}
    (run.parent / "job.json").write_text(json.dumps({"status": "done", "starts": [start, {"failed": "no"}]}))
    (run.parent / "environment.json").write_text(json.dumps({"image_digest": "vllm@sha256:00"}))
    launch = document(call, str(run))["launch"]
    assert launch["words"] == ["vllm", "serve", "my model"] and launch["basis"] == "as started"
    assert (launch["digest"], launch["version"]) == ("vllm@sha256:00", "1.0")
    _, out, _ = call(f"reproduce {run} --script")
    assert "env 'A=1 2' vllm serve 'my model' &" in out and "read them before you run them" in out
    assert subprocess.run(["sh", "-n"], input=out, text=True, check=False).returncode == 0


def test_an_archive_gives_the_recipe_of_its_run(call, run):
    assert call(f"publish {run} --out a.zip")[0] == 0
    assert document(call, "a.zip")["bench_line"] == document(call, str(run))["bench_line"]


def test_a_published_point_is_chosen_by_options_then_by_its_id(call):
    code, out, _ = call(f"reproduce {POINT}")
    assert code == 0 and " points" in out.splitlines()[0]
    name = next(word for word in out.split() if len(word) == 13 and word.startswith("p") and word[1:].isalnum())
    recipe = document(call, name)
    assert recipe["of"] == f"point {name}" and recipe["stated"]["licence"] and recipe["stated"]["source_ref"]
    assert "--concurrency" in recipe["bench"] and not recipe["bench_recorded"]
    _, out, _ = call(f"reproduce {name} --script")
    assert "kill -0" in out and subprocess.run(["sh", "-n"], input=out, text=True, check=False).returncode == 0
    assert call(f"reproduce {POINT} --script")[0] == 2


def test_mistakes_are_one_sentence(call, run):
    for line, words in {
        "reproduce nosuch": "no point has this id",
        f"reproduce {run} --model llama-3-70b": "options choose points",
        "reproduce --model llama-3-70b --concurrency 77777": "no point has",
        "reproduce --accelerator H200 --json": "points match",
    }.items():
        code, _, err = call(line)
        assert code == 2 and words in err, err


def test_a_hostile_run_cannot_break_out_of_its_script(call, run, tmp_path):
    evil = "x'\n touch pwned; $(touch pwned) `touch pwned`"
    edit(run / RUN, lambda m: m["run"].update(command=shlex.join(["paretoken", "bench", evil]), started=evil))
    _, out, _ = call(f"reproduce {run} --script")
    stand_in = "paretoken() { :; }\n"
    subprocess.run(["sh"], input=stand_in + out, text=True, check=False, cwd=tmp_path, capture_output=True)
    assert not (tmp_path / "pwned").exists()


def options_of(words: list[str]) -> dict[str, object]:
    """The values that `paretoken bench` takes from words."""
    command = paretoken.get_command(paretoken.make_context("paretoken", ["bench"], resilient_parsing=True), "bench")
    return command.make_context("bench", words[2:]).params


@given(
    users=st.integers(1, 500),
    gpus=st.integers(1, 64),
    stream=st.booleans(),
    timeout_s=st.floats(1, 1e5),
    slo=st.sampled_from(["", "ttft_p99=2s"]),
    model=st.none() | st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1),
    seed=st.none() | st.integers(0, 2**40),
    sessions=st.none() | st.integers(1, 10_000),
    session_seed=st.integers(0, 2**40),
)
def test_the_words_of_a_configuration_give_its_values(**values):
    users = values.pop("users")
    config = BenchConfig(urls=("http://h/v1",), concurrency=str(users), ignore_eos=False, **values)
    options = options_of(bench_words(config))
    for field in fields(config):
        if field.name in options and field.name != "urls":
            assert options[field.name] == getattr(config, field.name), field.name


def point_of_sessions(label: str) -> dict[str, object]:
    stated = {"workload": label, "sessions": 4.0, "isl": 3000, "osl": 90, "n_gpus": 4, "tp": 4}
    names = {"origin": "measured", "accelerator": "H200", "model": "llama-3-70b", "engine": "vllm", "precision": "fp8"}
    return dict.fromkeys(column.name for column in STORED) | stated | names


def test_a_point_of_sessions_gives_the_workload_without_its_hash_or_lengths():
    recipe = recipe_of_point(point_of_sessions("rag#12345678"))
    options = options_of(list(recipe.bench))
    assert (options["workload"], options["concurrency"], options["osl"]) == ("rag", "4", None)
    assert "--isl" not in recipe.bench and any("rag#12345678" in what for what in recipe.unknown)


def test_a_point_of_a_trace_asks_for_its_file():
    recipe = recipe_of_point(point_of_sessions("coding#12345678"))
    options = options_of(list(recipe.bench))
    assert (options["workload"], options["trace"], options["concurrency"]) == (None, "coding", "4")
    assert any("coding#12345678, which the catalog does not have" in what for what in recipe.unknown)


def test_what_a_run_learned_is_no_option():
    config = BenchConfig(urls=("http://h/v1",), concurrency="1")
    learned = replace(config, refused=("seed",), tokens_per_word=1.25, tokens_per_recorded_word=1.5)
    assert bench_words(learned) == bench_words(config)


def test_every_setting_has_an_option():
    values = {f.name for f in fields(BenchConfig)} - {"urls", *OF_RUNS}
    params = paretoken.get_command(
        paretoken.make_context("paretoken", ["bench"], resilient_parsing=True), "bench"
    ).params
    options = {option for param in params for option in (*param.opts, *param.secondary_opts)}
    missing = {n for n in values if _OPTIONS.get(n, f"--{n.replace('_', '-')}") not in options}
    assert not missing
