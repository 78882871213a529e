"""Mistakes on the command line of `bench`: one sentence each, and no run."""

from __future__ import annotations

import pytest

from paretoken.bench.keys import key_for
from paretoken.bench.truth.server import Pace, truth_server
from paretoken.errors import BadConfig

KEY = "sk-very-secret-0123456789"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with truth_server(Pace(ttft_ms=20, itl_ms=4), log=tmp_path_factory.mktemp("truth") / "log") as server:
        yield server


@pytest.mark.parametrize("key", ["one\ntwo", "kéy", "k\x00ey", "кey"])
def test_a_key_that_no_header_takes_is_not_blamed_on_the_server(tmp_path, key):
    here = ("http://127.0.0.1:8000",)
    with pytest.raises(BadConfig, match="OPENAI_API_KEY holds"):
        key_for(here, {"OPENAI_API_KEY": key})
    (tmp_path / "key").write_text(key, encoding="utf-8")
    with pytest.raises(BadConfig, match="key file"):
        key_for(here, {}, tmp_path / "key")
    assert key_for(here, {"PARETOKEN_API_KEY": f"{KEY}\n", "OPENAI_API_KEY": key}).value == KEY
    assert key_for(here, {"PARETOKEN_API_KEY": ""}).value is None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("bench http://127.0.0.1:9", "nothing answers"),
        ("bench not-a-url:", "not the URL|nothing answers|host"),
        ("bench http://user:pw@127.0.0.1:9", "PARETOKEN_API_KEY"),
        ("bench {url} --prompt-unit words --seed -1", "--seed -1"),
        ("bench {url} --prompt-unit words --rate 2 --export inferencex", "--export vllm"),
        ("bench {url}?api_key=hunter2", "PARETOKEN_API_KEY"),
        ("bench {url} --model other --prompt-unit words", "truth"),
        ("bench {url} --tokenizer /no/where", "--tokenizer"),
        ("bench {url} --prompt-unit words --concurrency 0", "1 or more|above 0|0"),
        ("bench {url} --prompt-unit words --concurrency 1:8", "step"),
        ("bench {url} --prompt-unit words --concurrency 1000000", "open files|--workers"),
        ("bench {url} --prompt-unit words --rate 0", "above 0|0"),
        ("bench {url} --prompt-unit words --slo tpott_p50=3s", "tpot"),
        ("bench {url} --prompt-unit words --search slo", "--slo"),
        ("bench {url} --prompt-unit words --no-stream --slo e2e_p50=9s,ttft_p99=2s", "ttft_p99=2s cannot be measured"),
        ("bench {url} --prompt-unit words --no-stream --slo interactivity_p50=20", "--no-stream"),
        ("bench {url} --prompt-unit words --search knee --rate ramp:1:8:5s", "ramp"),
        ("bench {url} --prompt-unit words --rate 2 --concurrency 4", "not both"),
        ("bench {url} --prompt-unit words --concurrency ramp:8:1:5s", "rise"),
        ("bench {url} --prompt-unit words --until 5", "5s"),
        ("bench {url} --prompt-unit words --isl gaussian:3", "isl|length|gaussian"),
        ("bench {url} --prompt-unit words --workload chatt", "chat"),
        ("bench {url} --prompt-unit words --trace bad.csv", "negative|time|0"),
        ("bench {url} --prompt-unit words --api-key-file nokey", "key file"),
        ("bench --resume nowhere", "holds no run"),
        ("bench --compare nowhere nowhere", "holds no run"),
    ],
)
def test_a_mistake_is_one_sentence(call, server, tmp_path, line, says):
    (tmp_path / "bad.csv").write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n-5.0,10,10\n1.0,10,10\n")
    code, out, err = call(
        line.format(url=server.base_url) + ("" if "compare" in line or "resume" in line else " --out run")
    )
    last = err.strip().splitlines()[-1]
    assert "hunter2" not in err
    assert code == 2, (out, err)
    assert last.startswith("error: ")
    assert any(word in last for word in says.split("|")), last
    late = "open files" in says  # known when the level begins
    assert late or not (tmp_path / "run" / "run.json").exists()


def test_a_web_page_is_no_endpoint(call, tmp_path):
    from http.server import HTTPServer, SimpleHTTPRequestHandler
    from threading import Thread

    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    page = HTTPServer(("127.0.0.1", 0), Silent)
    Thread(target=page.serve_forever, daemon=True).start()
    try:
        code, _, err = call(f"bench http://127.0.0.1:{page.server_port} --out run")
    finally:
        page.shutdown()
        page.server_close()
    assert code == 2 and "not an OpenAI-compatible server" in err
