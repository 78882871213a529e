"""Command lines of other tools and of older versions, in the options of this one."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import rich_click as click

from paretoken.cli.main import paretoken
from paretoken.cli.measure.habits import HABITS, Habit
from paretoken.cli.spellings import respelled
from paretoken.errors import BadConfig


def words_of(line: str) -> str:
    verb, *words = shlex.split(line)
    command = paretoken.get_command(click.Context(paretoken), verb)
    assert command is not None
    new, _ = respelled(verb, command, words)
    if verb in ("bench", "quick"):
        command.make_context(verb, list(new))  # every option exists, and its value parses
    return shlex.join(new)


@pytest.mark.parametrize(
    ("line", "here"),
    [
        (  # vllm bench serve
            "bench --backend vllm --base-url http://127.0.0.1:8000 --endpoint /v1/completions --model m "
            "--dataset-name random --random-input-len 1024 --random-output-len 128 --num-prompts 200 "
            "--max-concurrency 16 --request-rate inf --ignore-eos --save-result "
            "--percentile-metrics ttft,tpot,itl,e2el --metric-percentiles 50,90,99",
            "http://127.0.0.1:8000/v1/completions --model m --ignore-eos --api completions --isl 1024 --osl 128 "
            "--until '200 requests' --concurrency 16",
        ),
        (
            "bench --host 10.0.0.1 --port 8000 --num-prompts 100 --request-rate 4 --burstiness 0.5 --input-len 1k "
            "--output-len 128 --seed 3",
            "http://10.0.0.1:8000 --seed 3 --until '100 requests' --rate 4 --arrivals gamma:0.5 --isl 1k --osl 128",
        ),
        ("bench --port 8000 --backend openai-chat", "http://127.0.0.1:8000 --api chat"),
        (
            "bench http://x:1 --top-p 0.9 --top-k 5 --extra-body '{\"a\": 1}'",
            'http://x:1 --extra-body \'{"a": 1, "top_p": 0.9, "top_k": 5}\'',
        ),
        (  # SGLang
            "bench --backend sglang-oai-chat --host 0.0.0.0 --port 30000 --dataset-name sharegpt "
            "--dataset-path s.json --num-prompts 10 --disable-ignore-eos --warmup-requests 0",
            "http://0.0.0.0:30000 --api chat --trace s.json --until '10 requests' --no-ignore-eos --warmup-per-user 0",
        ),
        (  # AIPerf and GenAI-Perf
            "bench --model m --url localhost:8000 --endpoint-type chat --streaming "
            "--synthetic-input-tokens-mean 550 --synthetic-input-tokens-stddev 50 --output-tokens-mean 128 "
            "--output-tokens-stddev 0 --concurrency 8 --request-count 64 --warmup-request-count 0 "
            "--benchmark-duration 60 --extra-inputs ignore_eos:true --random-seed 1 --artifact-dir out",
            "localhost:8000 --model m --concurrency 8 --api chat --isl normal:550:50 --osl 128 "
            "--until '64 requests,60s' --warmup-per-user 0 --seed 1 --out out",
        ),
        (
            "bench -m m -u localhost:8000 --request-rate 5 --arrival-pattern constant",
            "localhost:8000 --model m --rate 5 --arrivals constant",
        ),
        (  # GuideLLM up to 0.6
            "bench --target http://localhost:8000 --rate-type concurrent --rate 1,2,4 --max-seconds 30 "
            "--data prompt_tokens=256,output_tokens=128",
            "http://localhost:8000 --concurrency 1,2,4 --until 30s --isl 256 --osl 128",
        ),
        (
            "bench --target http://localhost:8000 --rate-type poisson --rate=5 --max-requests 100 "
            "--data prompt_tokens=256,output_tokens=128,prompt_tokens_stdev=20 --processor t",
            "http://localhost:8000 --rate=5 --arrivals poisson --until '100 requests' --isl normal:256:20 --osl 128 "
            "--tokenizer t",
        ),
        (  # GuideLLM from 0.7
            "bench --backend kind=openai_http,target=http://localhost:8000 --profile kind=concurrent,streams=8 "
            "--constraint kind=max_duration,seconds=30 --data kind=synthetic_text,prompt_tokens=256,output_tokens=128",
            "http://localhost:8000 --concurrency 8 --until 30s --isl 256 --osl 128",
        ),
        ("bench http://x:1 --until 10s --num-prompts 5", "http://x:1 --until '10s,5 requests'"),
        ("bench http://x:1/v1 --endpoint=/v1/chat/completions", "http://x:1/v1/chat/completions"),
        ("quick --base-url http://x:1", "http://x:1"),
        # Older versions, and the names that other programs have for an option
        ("import f.json --n-gpus 4 --acceptance-length 2", "f.json --gpus 4 --acceptance 2"),
        ("launch vllm llama-3-70b --users 64", "vllm llama-3-70b --concurrency 64"),
        ("launch --model llama-3-70b --engine vllm --tensor-parallel-size 4", "vllm llama-3-70b --tp 4"),
        ("launch vllm --model llama-3-70b", "vllm llama-3-70b"),
        ("launch vllm m --extra --kv-dtype --print shell", "vllm m --extra --kv-dtype --print shell"),
        ("fit --model llama-3-70b --users=4", "llama-3-70b --concurrency 4"),
        ("fit m --enable-dp-attention", "m --dp-attention"),
        (
            "predict --system h200 --backend vllm --kv-dtype fp8 --context 4096",
            "--accelerator h200 --engine vllm --kv-cache-dtype fp8 --max-model-len 4096",
        ),
        ("predict --serve-command 'vllm serve m --kv-dtype fp8'", "--serve-command 'vllm serve m --kv-dtype fp8'"),
        ("accuracy calibrate --base-url u --kv-dtype fp8", "calibrate --url u --kv-cache-dtype fp8"),
        ("accuracy calibrate --url u --quantization fp8", "calibrate --url u --quantization fp8"),
        ("compare --gpu H100 --hardware=H200", "--accelerator H100 --accelerator H200"),
        (
            "bench http://x:1 -H X-A:1 --header X-B:2 --model a --served-model-name b",
            "http://x:1 --header X-B:2 --model a --model b --header X-A:1",
        ),
        ("compare --model m -- --users 4", "--model m -- --users 4"),
    ],
)
def test_a_line_of_another_tool(line, here):
    assert words_of(line) == here


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("bench --request-rate inf --num-prompts 10 http://x:1", "--request-rate inf: .* add --concurrency N"),
        ("bench --goodput ttft:200 tpot:50", "--slo ttft=200ms,tpot=50ms"),
        ("bench --backend sglang", "--backend sglang: .* --api completions"),
        ("bench --dataset-name sharegpt", "give a file with --trace"),
        ("bench --dataset-name sonnet --dataset-path f", "--dataset-name sonnet: .* --trace"),
        ("bench --random-range-ratio 0.8", "--isl uniform:1024:0.8"),
        ("bench --num-warmups 3", "--num-warmups 3: .* --warmup-per-user N"),
        ("bench --metric-percentiles 25", "keeps p50, p90"),
        ("bench --rate-type sweep", "--search knee"),
        ("bench --profile kind=sweep", "--profile kind sweep: .* --search knee"),
        ("bench --constraint kind=over_saturation", "--until 60s"),
        ("bench --data kind=synthetic_text,prefix_buckets=3", "'prefix_buckets=3' has no counterpart"),
        ("bench --data abisee/cnn_dailymail", "--trace"),
        ("bench --endpoint-type rankings", "text generation"),
        ("bench --api-key sk-1", "PARETOKEN_API_KEY"),
        ("bench --model-names a,b", "one model at a time"),
        ("bench --isl-stddev 5", "needs its mean"),
        ("bench --isl 100 --isl-stddev abc", "the standard deviation of --isl is 'abc', which is no number"),
        ("bench --input-len 5 --random-input-len 6", "--isl has two values, '5' and '6'"),
        ("bench http://x:1 --concurrency 4 --max-concurrency 8", "--concurrency is stated twice"),
        ("bench --host h", "no --port"),
        ("bench --endpoint /v1/completions", "needs one server"),
        ("bench --num-prompts", "--num-prompts needs a value"),
        ("bench http://x:1 --extra-request-body x", "not a JSON object"),
        ("quick http://x:1 --num-prompts 4", "'paretoken bench' has it as --until"),
    ],
)
def test_what_has_no_counterpart_names_what_to_write(line, answer):
    with pytest.raises(BadConfig, match=answer) as error:
        words_of(line)
    assert "sk-1" not in str(error.value)


def test_the_note_names_the_options_here_and_no_secret(call):
    _, _, err = call("fit --model llama-3-70b --users 4 --accelerator H200 --isl 1k --osl 1k")
    assert err.splitlines() == ["note: here, --users is --concurrency 4"]
    _, _, err = call('bench --url http://key@127.0.0.1:1 --extra-request-body {"api_key":"s3cret"} --num-prompts 3')
    assert (
        err.splitlines()[0] == "note: here, --extra-request-body is --extra-body, --num-prompts is --until '3 requests'"
    )
    assert "s3cret" not in err and "key@" not in err


@pytest.mark.parametrize(
    "line",
    [
        "accuracy probe --base-url http://user:s3cret@127.0.0.1:1",
        "calibrate --base-url http://user:s3cret@127.0.0.1:1",
        "accuracy probe --base-url http://user:s3cret@127.0.0.1:1 --url http://127.0.0.1:1",
        "accuracy probe --base-url http://user:s3cret@127.0.0.1:1 --target http://127.0.0.1:1",
        "bench --host user:s3cret@127.0.0.1",
        "quick http://user:s3cret@127.0.0.1:1 http://user:s3cret@127.0.0.1:2",
        'quick http://127.0.0.1:1 --extra-request-body {"api_key":"s3cret"}',
    ],
)
def test_no_note_and_no_error_shows_a_password(line):
    """By the program itself, whose errors are printed at its end."""
    env = {**os.environ, "XDG_CONFIG_HOME": "/nonexistent"}
    run = subprocess.run([sys.executable, "-m", "paretoken", *line.split()], capture_output=True, text=True, env=env)
    assert run.returncode and run.stderr
    assert "s3cret" not in run.stderr + run.stdout


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("compare --n-gpus 3", "No such option: --n-gpus. bench, predict, explain, emulate, calibrate and import have"),
        ("compare --enginee vllm", "No such option: --enginee. Did you mean --engine?"),
        ("compare --nonsense 3", "No such option: --nonsense. (see"),
    ],
)
def test_an_unknown_option_names_the_nearest_or_the_verbs_that_have_it(call, line, answer):
    code, _, err = call(line)
    assert code == 2
    assert answer in err


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.names.split()[0])
def test_a_row_has_words_or_an_answer(habit: Habit):
    """Words are options of bench; a row that limits values says what to write for others."""
    command = paretoken.get_command(click.Context(paretoken), "bench")
    assert command is not None
    options = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    assert not habit.words or habit.words[0] in options or habit.words[0] in ("URL", "HOST", "PORT", "PATH", "RATE IS")
    assert habit.answer or not (habit.accepts or habit.needs)
    assert not options & {name.partition("=")[0].partition(".")[0] for name in habit.names.split()}


def test_a_spelling_is_in_one_row():
    names = [name for habit in HABITS for name in habit.names.split()]
    assert len(names) == len(set(names))


def test_the_page_of_other_tools_is_current(monkeypatch):
    root = Path(__file__).parents[2]
    monkeypatch.syspath_prepend(str(root / "tools"))
    page = import_module("habits_page").page()
    assert (root / "docs" / "habits.md").read_text(encoding="utf-8") == page


def test_the_table_is_read_only_for_an_option_that_the_verb_lacks():
    code = (
        "import sys\nfrom paretoken.cli.main import main\nsys.argv = ['paretoken', 'catalog', 'engines']\n"
        "try: main()\nexcept SystemExit: pass\nprint('paretoken.cli.measure.habits' in sys.modules, file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr.strip() == "False"
