"""What `calibrate --url` refuses before it sends load."""

from __future__ import annotations

import pytest

from tests.support.odd_server import odd_server
from tests.support.page_server import page_server

DEPLOYED = "--accelerator H100 --model llama-3.1-8b --precision fp8 --engine vllm --tp 1"
LENGTHS = "--isl 64 --osl 16 --concurrency 1,4"
NOBODY = "--url http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{NOBODY} points.parquet {DEPLOYED} {LENGTHS} --out o.parquet", "--url measures its own points"),
        (f"{NOBODY} {DEPLOYED} {LENGTHS}", "--out is missing"),
        (f"{NOBODY} {LENGTHS} --tp 1 --out o.parquet", "--accelerator is missing; add it"),
        (f"{NOBODY} {DEPLOYED} --osl 16 --out o.parquet", "--isl is missing; add --isl and --osl, or --workload"),
        (f"{NOBODY} {DEPLOYED.replace('--tp 1', '')} {LENGTHS} --out o.parquet", "--tp is missing"),
        (f"{NOBODY} {DEPLOYED} {LENGTHS} --gpus 4 --out o.parquet", "are 4 replicas; give the URL"),
        (f"{NOBODY} {DEPLOYED} {LENGTHS} --out nowhere/o.parquet", "its folder does not exist"),
        (f"{NOBODY} {DEPLOYED} {LENGTHS} --on-top --out o.parquet", "leave out --on-top"),
        (f"{NOBODY} {DEPLOYED} --isl 8 --osl 8 --concurrency ramp:1:4:9s --out o.parquet", "a ramp has no steady"),
        (f"{NOBODY} {DEPLOYED} {LENGTHS} --out o.parquet", "nothing answers at http://127.0.0.1:9"),
        (f"{DEPLOYED} p.parquet --on-top --out o.parquet", "describe a server; add its --url"),
        ("p.parquet --minutes 3 --on-top --out o.parquet", "--minutes describes a server; add its --url"),
        (f"--show shipped {NOBODY}", "leave out POINTS, --url and --out"),
        (f"{NOBODY} {DEPLOYED} {LENGTHS} --minutes 0 --out o.parquet", "0.1<=x<=600"),
    ],
)
def test_options_that_do_not_go_together_or_are_missing(call, line, message, tmp_path):
    code, out, err = call(f"calibrate {line}")
    assert code == 2
    assert message in " ".join(err.split())
    assert not out and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("owner", "model", "message"),
    [
        ("sglang", "m", "is sglang, but --engine vllm was given; use --engine sglang"),
        ("vllm", "openai/gpt-oss-120b", "serves openai/gpt-oss-120b, but --model llama-3.1-8b was given"),
    ],
)
def test_a_server_with_another_engine_or_model(call, tmp_path, owner, model, message):
    pages = {"/v1/models": {"data": [{"id": model, "owned_by": owner, "max_model_len": 8192}]}}
    with page_server(pages) as url:
        code, _, err = call(f"calibrate --url {url} {DEPLOYED} {LENGTHS} --out o.parquet")
    assert code == 2 and message in err
    assert not list(tmp_path.iterdir())


def test_a_server_may_call_its_model_anything_if_that_is_stated(call):
    pages = {"/v1/models": {"data": [{"id": "openai/gpt-oss-120b", "owned_by": "vllm", "max_model_len": 8192}]}}
    with page_server(pages) as url:
        code, _, err = call(
            f"calibrate --url {url} {DEPLOYED} {LENGTHS} --served-model openai/gpt-oss-120b --out o.parquet"
        )
    assert code == 2 and "was given" not in err  # the error is that it has no completions
    with page_server(pages) as url:
        code, _, err = call(f"calibrate --url {url} {DEPLOYED} {LENGTHS} --served-model other --out o.parquet")
    assert code == 2 and "unknown model" in err


def test_a_server_with_unstated_speculative_decoding(call):
    pages = {
        "/v1/models": {"data": [{"id": "m", "owned_by": "sglang"}]},
        "/get_server_info": {"model_path": "m", "speculative_algorithm": "EAGLE", "speculative_draft_model_path": "d"},
    }
    with page_server(pages) as url:
        code, _, err = call(f"calibrate --url {url} {DEPLOYED.replace('vllm', 'sglang')} {LENGTHS} --out o.parquet")
    assert code == 2 and "says speculative is eagle; add --speculative eagle" in err


def test_a_server_that_refuses_every_request(call, tmp_path):
    with odd_server(lambda ask: (500, {"error": "no"}) if ask.method == "POST" else None) as server:
        code, _, err = call(f"calibrate --url {server.url} {DEPLOYED} {LENGTHS} --minutes 0.1 --out o.parquet")
    assert code == 2
    assert "answers no requests" in err
    assert not (tmp_path / "o.parquet").exists()
