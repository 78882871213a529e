"""Servers as users meet them: each is measured, or says in one sentence what is missing."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from paretoken.bench.config import BenchConfig
from paretoken.bench.setup import Setup, prepare
from paretoken.errors import BadConfig
from tests.support.emulators import emulated
from tests.support.server_kinds import KEY, server_kinds

SHAPE = "--isl 32 --osl 16 --concurrency 1 --until 0.5s --out run"
DEPLOYMENT = "azure/openai/deployments/d"
VERSION = "?api-version=2024-10-21"
OWN = {"headers": (f"api-key: {KEY}",)}


@pytest.fixture(scope="module")
def servers():
    with server_kinds() as base:
        yield base


def prepared(url: str, key: str | None = None, **settings: object) -> Setup:
    config = BenchConfig.of_dict({"urls": (url,), "isl": "32", "osl": "16", **settings})
    return prepare(config, api_key=key)


@pytest.mark.parametrize(
    ("path", "settings", "base", "api"),
    [
        ("plain", {}, "plain/v1", "completions"),
        ("plain/v1/", {}, "plain/v1", "completions"),
        ("plain/v1/chat/completions", {}, "plain/v1", "chat"),
        ("chat-only", {}, "chat-only/v1", "chat"),
        ("chat-only-405", {}, "chat-only-405/v1", "chat"),
        ("chat-only-501", {}, "chat-only-501/v1", "chat"),
        ("completions-only", {}, "completions-only/v1", "completions"),
        ("prefixed/team/llm", {}, "prefixed/team/llm/v1", "completions"),
        ("bare", {}, "bare", "completions"),
        (f"{DEPLOYMENT}/chat/completions{VERSION}", {"model": "m", **OWN}, DEPLOYMENT, "chat"),
        (f"{DEPLOYMENT}/{VERSION}", {"model": "m", **OWN}, DEPLOYMENT, "chat"),
        (DEPLOYMENT, {"model": "m", "query": ("api-version=2024-10-21",), **OWN}, DEPLOYMENT, "chat"),
        ("no-list", {"model": "m"}, "no-list/v1", "completions"),
        ("no-list-chat-only", {"model": "m"}, "no-list-chat-only/v1", "chat"),
        ("list-is-a-page", {"model": "m"}, "list-is-a-page/v1", "completions"),
        ("several-models", {"model": "small"}, "several-models/v1", "completions"),
        ("no-models", {"model": "m"}, "no-models/v1", "completions"),
        ("api-key", OWN, "api-key/v1", "completions"),
        ("bearer", {"key": KEY}, "bearer/v1", "completions"),
        ("http-1.0", {}, "http-1.0/v1", "completions"),
    ],
)
def test_the_api_is_found(servers, path, settings, base, api):
    setup = prepared(f"{servers}/{path}", **settings)
    assert setup.endpoints[0].base_url == f"{servers}/{base}" and setup.api == api
    assert any("each server got a request for one token" in note for note in setup.notes)
    assert any("words at 1.25 tokens each" in note for note in setup.notes)


@pytest.mark.parametrize(
    ("path", "settings", "says"),
    [
        ("no-list", {}, r"/models returned 404 .*name the model with --model"),
        ("list-is-a-page", {}, r"is a web page .*perhaps a login"),
        ("several-models", {}, r"serves small, large; choose one with --model"),
        ("no-models", {}, r"lists no model"),
        ("bearer", {}, r"requires an API key \(401.*set PARETOKEN_API_KEY"),
        ("bearer-403", {}, r"requires an API key \(403"),
        ("bearer", {"key": "sk-wrong-00000000"}, r"refused the API key \(401"),
        ("bearer-403", {"key": "sk-wrong-00000000"}, r"refused the API key \(403"),
        ("api-key", {"key": KEY}, r"refused the API key .*--header 'api-key: \$VARIABLE'"),
        ("api-key", {"headers": ("api-key: wrong-0000",)}, r"refused the API key"),
        ("login-redirect", {}, r"redirects to https://login.example.com/.*whether a login is in front"),
        ("login-redirect-same-host", {}, r"redirects to .*/login, which returned 404"),
        ("web-page", {}, r"is a web page"),
        ("chat-only", {"api": "completions"}, r"has no /completions, but answers /chat/completions; use --api chat"),
        ("chat-only/v1/completions", {}, r"give .*/chat-only/v1 as the URL"),
        ("completions-only", {"api": "chat"}, r"use --api completions"),
        ("nothing", {"model": "m"}, r"/completions returned 404 .*and 9 other paths no better"),
    ],
)
def test_what_is_missing_is_one_sentence(servers, path, settings, says):
    with pytest.raises(BadConfig, match=says) as error:
        prepared(f"{servers}/{path}", **settings)
    assert "\n" not in str(error.value) and KEY not in str(error.value)


def measured(call, url: str, more: str = "") -> tuple[dict, str]:
    """The first level of a short run, and the notes printed with it."""
    code, out, err = call(f"bench {url} {SHAPE} --json {more}")
    assert code == 0, err
    return json.loads(out)["levels"][0], err


@pytest.mark.parametrize(
    "kind", ["chat-only", "no-ids", "http-1.0", "close", "comments", "no-done", "no-usage-no-done"]
)
def test_each_kind_of_stream_is_measured(call, servers, kind):
    level, _ = measured(call, f"{servers}/{kind}")
    assert level["errors"]["failed"] == 0 and level["lengths"]["mean_osl"] == 16
    assert level["latency"]["tpot_s"]["p50"] > 0.002 and level["latency"]["ttft_s"]["p50"] > 0.01
    assert ("no_usage" in [w["code"] for w in level["warnings"]]) == (kind == "no-usage-no-done")


def test_conversations_need_no_token_ids(call, servers):
    with emulated() as server:
        level, _ = measured(call, server.base_url, "--turns 2 --api chat")
    assert level["errors"]["failed"] == 0
    level, err = measured(call, f"{servers}/no-ids", "--turns 2 --out other")
    assert level["errors"]["failed"] == 0 and "does not take token_ids" in err


@pytest.mark.parametrize(
    ("kind", "why"), [("one-piece", "the stream arrives in one piece"), ("not-streamed", "the server does not stream")]
)
def test_no_gate_opens_on_answers_in_one_piece(call, servers, kind, why):
    code, out, err = call(f"bench {servers}/{kind} {SHAPE} --slo ttft_p50=60s,e2e_p50=60s --gate")
    assert code == 1 and "can't be judged" in err and "answers arrive in one piece" in err and "missed" not in err
    assert why in out and "Merged reads" not in out and "read together" not in out
    _, out, _ = call(f"bench {servers}/{kind} {SHAPE} --out search --search slo --slo tpot_p50=60s")
    assert "Highest load within tpot_p50=60s: unknown" in out


def test_quick_leaves_open_what_answers_in_one_piece_hide(call, servers):
    code, out, err = call(f"quick {servers}/one-piece --yes --isl 32 --osl 16 --minutes 0.2")
    assert code == 0, err
    assert "Unknown how many users stay within" in out and "answers arrive in one piece" in out
    assert "To know more: a stream that arrives token by token" in out


def test_quick_says_that_answers_are_short(call, servers):
    _, out, _ = call(f"quick {servers}/short --yes --isl 32 --osl 32 --minutes 0.1")
    assert "outputs are 68.8% shorter than planned (10.0 of 32.0 tokens on average)" in out


def test_a_certificate_that_nobody_signed(call, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    line = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -keyout {key} -out {certificate}"
    subprocess.run(line.split(), check=True, capture_output=True)
    both = tmp_path / "both.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    with server_kinds(both) as base:
        for verb in ("bench", "quick --yes"):
            code, _, err = call(f"{verb} {base}/plain")
            assert code == 2 and "TLS failed (self-signed certificate); add --cafile, or --insecure" in err
        level, _ = measured(call, f"{base}/plain", "--insecure")
    assert level["errors"]["failed"] == 0


def test_no_comparison_passes_on_answers_in_one_piece(call, servers):
    for kind in ("plain", "one-piece"):
        assert call(f"bench {servers}/{kind} --isl 32 --osl 16 --concurrency 2 --until 1.5s --out {kind}")[0] == 0
    code, out, _ = call("bench --compare plain one-piece --gate")
    assert code == 1 and "B at 2 users: answers arrive in one piece, so TTFT and TPOT are unknown" in out
    code, _, err = call("check one-piece --baseline one-piece --interactivity 50")
    assert code == 2 and "answers arrive in one piece in one-piece" in err
