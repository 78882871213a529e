"""`paretoken launch --disaggregated`: a layout's commands as a script or JSON, and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.cli.predict.pool_launch import pool_launch
from paretoken.predict.deployment import Deployment
from paretoken.predict.pools.layout import Pools, parse_layout, worker_kind
from paretoken.predict.settings import EngineSettings
from tests.support.published_pools import published_pairs

R1 = ("launch", "sglang", "deepseek-r1", "--path", "deepseek-ai/DeepSeek-R1", "--accelerator", "H200")
POOLS = (*R1, "--precision", "fp8", "--disaggregated", "2xTP8+1xDEP16")


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command: (exit code, stdout, stderr)."""
    from paretoken.cli.main import main

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["paretoken", *arguments])
        try:
            main()
        except SystemExit as e:
            return int(e.code or 0), *capsys.readouterr()
        return 0, *capsys.readouterr()

    return call


def test_it_prints_a_script(run):
    code, out, _ = run(*POOLS, "--workload", "chat", "--speculative", "mtp:2")
    assert code == 0
    assert out.startswith(
        "# DeepSeek V3/R1 with SGLang: 2xTP8+1xDEP16 on 32 x H200\n# Written for SGLang 0.5.23, from "
    )
    titles = re.findall(r"^# \d+\. On (\S+): (.*)$", out, re.MULTILINE)
    assert titles == [
        ("PREFILL_HOST_1", "prefill worker 1 of 2"),
        ("PREFILL_HOST_2", "prefill worker 2 of 2"),
        ("DECODE_HOST_1", "decode worker 1 of 1, node 1 of 2"),
        ("DECODE_HOST_2", "decode worker 1 of 1, node 2 of 2"),
        ("ROUTER_HOST", "router (install sglang-router on it)"),
    ]
    assert out.count("--speculative-num-draft-tokens 3") == 4
    assert out.count("--context-length 2304") == 4
    assert subprocess.run(["bash", "-n"], input=out, text=True, check=False, timeout=30).returncode == 0


def test_json_has_the_same_steps(run):
    code, out, _ = run(*POOLS, "--json")
    steps = json.loads(out)["steps"]
    assert code == 0
    assert [s["host"] for s in steps][-1] == "ROUTER_HOST"
    assert {"title", "host", "command", "version", "source", "note"} == set(steps[0])


def test_a_parameter_holds_for_both_pools(run):
    _, out, _ = run(*POOLS, "--set", "kv_dtype=fp8")
    assert out.count("--kv-cache-dtype fp8_e4m3") == 4


def test_the_layout_may_name_the_accelerators(run):
    code, out, _ = run(*R1[:-2], "--precision", "fp8", "--disaggregated", "1xTP8@H200+1xTP8@B200")
    assert code == 0
    assert out.startswith("# DeepSeek V3/R1 with SGLang: 1xTP8@H200+1xTP8@B200 on 16 x H200+B200\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*POOLS, "--tp", "8"), "--tp does not go with --disaggregated"),
        ((*POOLS, "--container"), "--container does not go with --disaggregated"),
        ((*POOLS, "--print", "docker"), "--print docker does not go with --disaggregated; use --print shell"),
        ((*POOLS, "--speculative", "mtp:0"), "speculative_tokens is 0; draft 1 to 64 tokens a step"),
        ((*POOLS, "--speculative", "medusa"), "has no flags for speculative 'medusa'"),
        ((*POOLS[:-1], "2xTP8"), "unknown disaggregated layout '2xTP8'"),
        ((*POOLS[:-1], "0xTP8+1xTP8"), "prefill_workers is 0; it must be at least 1"),
        ((*R1, "--disaggregated", "1xTP8@MI355X+1xTP8"), "no engine documents a transfer between vendors"),
        (
            (*R1, "--speculative", "mtp:2", "--print", "shell"),
            "--speculative is for separate pools; add",
        ),
        ((*R1[:-2], "--disaggregated", "1xTP8+1xTP8"), "--accelerator is missing; add it, or name one in each pool"),
        ((*R1[:-2], "--disaggregated", "1xTP8@H200+1xTP8"), "--accelerator is missing; add it, or name one in"),
        ((*POOLS[:-1], "auto"), "is a search: run it with paretoken predict --disaggregated auto, and launch"),
        ((*POOLS[:-1], "2xTP8+1xDEP12"), "12 GPUs of a decode worker do not divide evenly over nodes of 8"),
        (("launch", "trtllm", *POOLS[2:-1], "2xTP8+1xDEP24"), "ep 24 of the decode workers needs redundant experts"),
        (("launch", "transformers", *R1[2:], "--disaggregated", "1xTP8+1xTP8"), "does not serve from separate pools"),
    ],
)
def test_what_cannot_be_launched_is_one_sentence(run, arguments, words):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err
    assert err.count("\n") == 1


def test_limits_that_ranks_share_are_those_of_the_server():
    catalog = load_catalog()
    of = {"accelerator": "H200", "model": "deepseek-r1", "precision": "fp8", "gpus": 1, "tp": 1}
    limits = EngineSettings(max_num_seqs=32, max_batched_tokens=1024)
    for engine, running, tokens in (("sglang", "256", "8192"), ("vllm", "32", "1024")):
        worker = Deployment(**of, engine=engine, settings=limits)
        steps = pool_launch(parse_layout("1xTP8+1xDEP8", worker, worker, engine), catalog)
        decode = next(s.command for s in steps if "decode" in s.title)
        assert re.search(r"--max-(?:running-requests|num-seqs) (\d+)", decode)[1] == running
        assert re.search(r"--(?:chunked-prefill-size|max-num-batched-tokens) (\d+)", decode)[1] == tokens


def test_every_published_layout_has_its_launch_lines():
    catalog, kinds = load_catalog(), {}
    for engine, prefill, decode in published_pairs(catalog):
        kinds.setdefault((engine, prefill.accelerator, worker_kind(prefill), worker_kind(decode)), (prefill, decode))
    assert len(kinds) > 100
    for (engine, *_), (prefill, decode) in kinds.items():
        steps = pool_launch(Pools(engine=engine, prefill=prefill, decode=decode), catalog)
        assert {s.title.split()[0] for s in steps} & {"prefill", "decode", "container"}


def test_pools_take_the_weights_that_both_vendors_read(run):
    named = ("launch", "sglang", "llama-3-70b", "--precision", "fp8")
    _, out, _ = run(*named, "--accelerator", "H200", "--disaggregated", "1xTP4+1xTP4")
    assert out.count("--model-path nvidia/Llama-3.3-70B-Instruct-FP8 ") == 2
    _, out, _ = run(*named, "--accelerator", "MI355X", "--disaggregated", "1xTP4+1xTP4")
    assert out.count("--model-path amd/Llama-3.3-70B-Instruct-FP8-KV ") == 2
    granite = ("launch", "sglang", "granite-4.0-h-small", *named[3:])
    _, out, _ = run(*granite, "--accelerator", "H200", "--disaggregated", "1xTP4+1xTP4")
    assert out.count("--model-path MODEL_PATH ") == 2


def test_pools_divide_the_model(run):
    named = ("launch", "sglang", "minimax-m2.5", "--precision", "fp8", "--accelerator", "H200", "--disaggregated")
    code, _, err = run(*named, "1xTP8+1xTP4")
    assert code == 2 and "TP 8 leaves 192 of the width 1,536" in err and "use TP 1, 2 or 4" in err
    assert run(*named, "1xTP4+1xTP4")[0] == 0
