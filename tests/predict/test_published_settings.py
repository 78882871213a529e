"""Settings of published recipes: how they are looked up, and how the tool reads them out of scripts."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from paretoken.predict import published_settings as settings
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.published_settings import (
    Drafts,
    offline_settings,
    published_drafts,
    published_settings,
    recipe_tokens,
)
from paretoken.predict.settings import EngineSettings

TOOL = Path(__file__).parent.parent.parent / "tools" / "published_settings.py"
HEADER = (
    "accelerator,engine,model,precision,drafting,since,isl,osl,tp,ep,dp_attention,users,"
    "kv_dtype,memory_utilization,max_num_seqs,max_batched_tokens,receive_interval,batch_wait,"
    "speculative,speculative_tokens"
)
MADE_UP = f"""{HEADER}
H200,vllm,llama-3-70b,fp8,False,2026-01-01,,,,,,,fp8,0.9,,8192,,,,
H200,vllm,llama-3-70b,fp8,False,2026-02-01,1024,1024,,,,16,,0.95,64,,,,,
H200,vllm,llama-3-70b,fp8,False,2026-02-01,1024,1024,,,,64,,0.95,128,,,,,
H200,vllm,llama-3-70b,fp8,False,2026-02-01,8192,1024,8,,,,bf16,0.8,,16384,,,,
B200,sglang,deepseek-r1,fp8,False,2026-01-01,,,,,True,,,0.8,512,4096,30,,,
B200,sglang,deepseek-r1,fp8,True,2026-01-01,,,,,,8,,0.8,64,,,,mtp,3
B200,sglang,deepseek-r1,fp8,True,2026-01-01,,,,,,64,,0.8,512,,,,mtp,1
B200,sglang,deepseek-r1,fp4,True,2026-01-01,,,,,,,,0.8,512,,,,mtp,3
B200,vllm,minimax-m3,fp8,True,2026-01-01,,,,,,,,0.8,512,,,,eagle3,3
"""
D = Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=8, tp=8)
SHORT, LONG = Lengths(1024, 1024, 0.8), Lengths(8192, 1024, 0.8)


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    (tmp_path / "settings.csv").write_text(MADE_UP)
    monkeypatch.setattr(settings, "DATA", tmp_path / "settings.csv")
    caches = [f for f in vars(settings).values() if hasattr(f, "cache_clear")]
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize(
    ("date", "lengths", "users", "expected"),
    [
        ("2026-01-15", SHORT, 16, EngineSettings(kv_dtype="fp8", memory_utilization=0.9, max_batched_tokens=8192)),
        ("2025-01-01", SHORT, 16, EngineSettings(kv_dtype="fp8", memory_utilization=0.9, max_batched_tokens=8192)),
        ("2026-03-01", SHORT, 16, EngineSettings(memory_utilization=0.95, max_num_seqs=64)),
        (None, SHORT, 17, EngineSettings(memory_utilization=0.95, max_num_seqs=128)),
        (None, SHORT, 4096, EngineSettings(memory_utilization=0.95, max_num_seqs=128)),
        (None, LONG, 1, EngineSettings(kv_dtype="bf16", memory_utilization=0.8, max_batched_tokens=16384)),
    ],
)
def test_the_version_of_the_date_and_the_row_of_the_load_count(date, lengths, users, expected):
    assert published_settings(replace(D, date=date), lengths, users) == expected


@pytest.mark.usefixtures("made_up")
def test_what_has_no_recipe_is_served_as_elsewhere_or_as_usual():
    """Of another accelerator the type of the cache alone is taken over."""
    assert published_settings(replace(D, accelerator="H100"), SHORT, 8) == EngineSettings(kv_dtype=None)
    assert published_settings(replace(D, model="qwen3-32b"), SHORT, 8) == EngineSettings(kv_dtype="fp8")
    assert published_settings(replace(D, model="qwen3-32b", precision="bf16"), SHORT, 8).kv_dtype == "bf16"


@pytest.mark.usefixtures("made_up")
def test_a_row_of_attention_dp_is_for_attention_dp():
    d = Deployment(accelerator="B200", model="deepseek-r1", precision="fp8", engine="sglang", gpus=8, tp=8, ep=8)
    assert published_settings(replace(d, dp_attention=True), SHORT, 64).max_num_seqs == 512
    assert published_settings(d, SHORT, 64).max_num_seqs is None


DRAFTING = Deployment(
    accelerator="B200", model="deepseek-r1", precision="fp8", engine="sglang", gpus=8, tp=8, speculative="mtp"
)


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize(
    ("changes", "users", "expected"),
    [
        ({}, 8, Drafts("mtp", 3)),
        ({}, 64, Drafts("mtp", 1)),
        ({"engine": "vllm", "model": "minimax-m3"}, 64, Drafts("eagle3", 3)),
        ({"accelerator": "H200"}, 8, None),
        ({"speculative": "none"}, 8, None),
    ],
)
def test_a_recipe_says_how_it_drafts(changes, users, expected):
    assert published_drafts(replace(DRAFTING, **changes), SHORT, users) == expected


@pytest.mark.usefixtures("made_up")
def test_the_tokens_of_all_recipes_of_a_model_count_with_its_engine_or_core():
    assert sorted(recipe_tokens("sglang", "sglang", "deepseek-r1", "mtp")) == [1, 3, 3]
    assert sorted(recipe_tokens("atom-sglang", "sglang", "deepseek-r1", "mtp")) == [1, 3, 3]
    assert recipe_tokens("vllm", "vllm", "deepseek-r1", "mtp") == ()


def test_shipped_recipes_of_hopper_under_sglang_keep_their_cache_in_the_models_type():
    """InferenceX's script of DeepSeek-R1 on H200 sets no type of the cache, and chunks of 32,768 tokens."""
    d = Deployment(accelerator="H200", model="deepseek-r1", precision="fp8", engine="sglang", gpus=8, tp=8)
    served = published_settings(d, SHORT, 64)
    assert (served.kv_dtype, served.max_batched_tokens, served.memory_utilization) == (None, 32768, 0.82)


def test_an_offline_run_takes_steps_as_large_as_its_sequences_bring():
    served = offline_settings("trtllm-perf-overview", "fp8", 1024, 1024)
    assert (served.max_num_seqs, served.max_batched_tokens) == (4096, 8192)
    assert offline_settings("trtllm-perf-overview", "fp8", 8192, 1024).max_batched_tokens == 32768


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("published_settings_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SCRIPT = """#!/usr/bin/env bash
source "$(dirname "$0")/../lib.sh"
check_env_vars MODEL TP CONC
echo hello > $TOUCHED
touch $TOUCHED
if [[ "$ISL" == "1024" ]]; then SEQS=512; else SEQS=256; fi
ARGS=(--tensor-parallel-size "$TP")
if [ "${DP_ATTENTION}" = "true" ]; then ARGS=(--data-parallel-size "$TP"); fi
cat > config.yaml << EOF
kv-cache-dtype: fp8
max-num-batched-tokens: $(( ISL * 2 ))
EOF
set -x
vllm serve $MODEL --config config.yaml --gpu-memory-utilization 0.9 "${ARGS[@]}" \\
--max-num-seqs $SEQS > $SERVER_LOG 2>&1 &
wait_for_server_ready --port "$PORT"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="the tool runs recipes in Bash")
def test_a_recipe_says_what_it_would_tell_its_server(tool, tmp_path):
    touched = tmp_path / "touched"
    runs = [tool.Run(isl, 1024, 8, 1, False, 64) for isl in (1024, 8192)]
    lines = tool._lines(SCRIPT.replace("$TOUCHED", str(touched)), runs)
    short, long = (tool._settings(x, "vllm serve", 1) for x in lines)
    assert short == tool.Settings("fp8", 0.9, 512, 2048)
    assert long == tool.Settings("fp8", 0.9, 256, 16384)
    assert not touched.exists()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([["RUN", "vllm serve", "--speculative-config", '{"method": "mtp", "num_speculative_tokens": 2}']], ("mtp", 2)),
        (
            [["RUN", "vllm serve", "--speculative-config", '{"method":"eagle3","num_speculative_tokens":3}']],
            ("eagle3", 3),
        ),
        ([["RUN", "vllm serve", "--speculative-algorithm EAGLE --speculative-num-steps 2"]], ("mtp", 2)),
        ([["RUN", "vllm serve"], ["TEXT", "  decoding_type: MTP"], ["TEXT", "  max_draft_len: 3"]], ("mtp", 3)),
        ([["RUN", "vllm serve", "--method", "mtp", "--num-speculative-tokens", "1"]], ("mtp", 1)),
        ([["RUN", "vllm serve", "--method", "mtp"]], (None, None)),
    ],
)
def test_a_recipe_tells_its_server_how_to_draft(tool, lines, expected):
    settings = tool._settings([*lines, ["RUN", "vllm serve --tp 8"]], "vllm serve", 1)
    assert (settings.speculative, settings.speculative_tokens) == expected


@pytest.mark.skipif(shutil.which("bash") is None, reason="the tool runs recipes in Bash")
@pytest.mark.parametrize("line", ["/bin/touch {}", "exec > {}", "PATH=/bin; touch {}", "command -p touch {}", ". {}"])
def test_a_recipe_reaches_no_file_and_no_program(tool, tmp_path, line):
    touched = tmp_path / "touched"
    tool._lines(line.format(touched), [tool.Run(1024, 1024, 8, 1, False, 64)])
    assert not touched.exists()


def test_columns_that_change_nothing_are_empty(tool):
    one, other = tool.Settings("fp8", 0.9, None, 8192), tool.Settings("fp8", 0.9, None, 16384)
    told = {
        tool.Run(isl, 1024, tp, 1, False, users): one if isl == 1024 else other
        for isl in (1024, 8192)
        for tp in (4, 8)
        for users in (4, 64)
    }
    rows = dict(tool._narrowed(told))
    assert rows == {
        tool.Run(1024, None, None, None, None, None): one,
        tool.Run(8192, None, None, None, None, None): other,
    }


def test_a_limit_that_follows_the_users_is_none(tool):
    told = {tool.Run(1024, 1024, 8, 1, False, users): tool.Settings("fp8", 0.9, users, 8192) for users in (4, 64)}
    assert dict(tool._narrowed(told)) == {
        tool.Run(None, None, None, None, None, None): tool.Settings("fp8", 0.9, None, 8192)
    }


@pytest.mark.skipif(shutil.which("bash") is None or shutil.which("git") is None, reason="needs Bash and Git")
def test_every_version_counts_from_its_day(tool, tmp_path):
    """A clone of three commits: a recipe, a change of its flags, and one of a comment."""

    def commit(text: str, day: str) -> None:
        (tmp_path / "benchmarks").mkdir(exist_ok=True)
        (tmp_path / "benchmarks" / "dsr1_fp8_h200.sh").write_text(text)
        dated = {"GIT_COMMITTER_DATE": f"{day}T12:00:00", "GIT_AUTHOR_DATE": f"{day}T12:00:00"}
        git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-qm", "x"], check=True, env={"PATH": "/usr/bin:/bin", **dated})

    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    server = "python3 -m sglang.launch_server --chunked-prefill-size {}\n"
    commit(server.format(8192), "2026-01-02")
    commit(server.format(32768), "2026-02-03")
    days = [(recipe.model, recipe.engine, recipe.since) for recipe, _ in tool._scripts(tmp_path)]
    assert days == [("deepseek-r1", "sglang", "2026-01-02"), ("deepseek-r1", "sglang", "2026-02-03")]
