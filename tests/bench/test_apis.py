"""Which headers go with which API, where a URL names one, and adapters of a server that lists them."""

from __future__ import annotations

import json

import polars as pl
import pytest

from paretoken.bench.apis import ANTHROPIC_VERSION, PATHS, api_headers
from paretoken.bench.client.connection import make_target
from paretoken.bench.config import BenchConfig
from paretoken.bench.plan import Endpoint
from paretoken.bench.server_url import server_url
from paretoken.bench.setup import prepare
from paretoken.bench.stats.by_adapter import figures_by_adapter
from paretoken.bench.truth.server import Pace, truth_server
from paretoken.errors import BadConfig, UnknownName
from tests.support.odd_server import odd_server
from tests.support.server_kinds import server_kinds

KEY = {"Authorization": "Bearer sk-0123456789"}
VERSION = {"anthropic-version": ANTHROPIC_VERSION}


@pytest.fixture(scope="module")
def servers():
    with server_kinds() as url:
        yield url


@pytest.mark.parametrize("api", [api for api in PATHS if api != "messages"])
def test_headers_go_as_they_are(api):
    assert api_headers(api, KEY, "http://h/v1") == KEY
    assert api_headers(None, KEY, "http://h/v1") == KEY


@pytest.mark.parametrize(
    ("headers", "url", "sent"),
    [
        ({}, "http://h/v1", VERSION),
        (KEY, "http://h/v1", KEY | {"x-api-key": "sk-0123456789"} | VERSION),
        (KEY, "https://api.anthropic.com/v1", {"x-api-key": "sk-0123456789"} | VERSION),
        ({"X-Api-Key": "k"}, "https://api.anthropic.com/v1", {"X-Api-Key": "k"} | VERSION),
        (KEY | {"X-API-KEY": "k"}, "http://h/v1", KEY | {"X-API-KEY": "k"} | VERSION),
        ({"Authorization": "Basic dTpw"}, "http://h/v1", {"Authorization": "Basic dTpw"} | VERSION),
        ({"Anthropic-Version": "2031-01-01"}, "http://h/v1", {"Anthropic-Version": "2031-01-01"}),
        ({"Authorization": "Bearer t"}, "https://evil-anthropic.com/v1", {
            "Authorization": "Bearer t", "x-api-key": "t"} | VERSION),
    ],
)  # fmt: skip
def test_messages_gets_the_key_under_its_own_name(headers, url, sent):
    assert api_headers("messages", headers, url) == sent
    assert api_headers("messages", sent, url) == sent  # once more changes nothing


def test_the_head_of_a_load_request_holds_them_and_no_repr_does():
    target = make_target(0, Endpoint("http://127.0.0.1:9/v1", "m"), "messages", KEY)
    assert target.head.startswith(b"POST /v1/messages HTTP/1.1\r\n")
    assert b"\r\nx-api-key: sk-0123456789\r\nanthropic-version: 2023-06-01\r\n" in target.head or (
        b"\r\nanthropic-version: 2023-06-01\r\nx-api-key: sk-0123456789\r\n" in target.head
    )
    assert "sk-0123456789" not in repr(target)


@pytest.mark.parametrize("api", PATHS)
def test_a_url_names_its_api(api):
    place = server_url(f"http://h/team/v1{PATHS[api]}")
    assert (place.bases, place.api) == (("http://h/team/v1",), api)


def config(url: str, **more: object) -> BenchConfig:
    return BenchConfig(urls=(url,), prompt_unit="words", isl="4", osl="4", concurrency="1", **more)


def test_adapters_become_endpoints(servers):
    setup = prepare(config(f"{servers}/several-models", model="small", adapters="large:3,small"))
    assert [(e.model, e.weight) for e in setup.endpoints] == [("large", 0.75), ("small", 0.25)]
    assert any(note.startswith("requests go to 2 adapters: large 75.0% and small 25.0%") for note in setup.notes)
    assert setup.config.spread == "weighted"


def test_an_adapter_that_no_server_lists_is_refused(servers):
    with pytest.raises(UnknownName, match="'larg'"):
        prepare(config(f"{servers}/several-models", model="small", adapters="larg"))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"adapters": "a", "balance": "least_outstanding"}, "--adapters sets the share"),
        ({"images": "1x8x8", "turns": "3"}, "--images goes with prompts of one message"),
        ({"batch": 0}, "--batch is 0; use 1 or more"),
    ],
)
def test_settings_that_exclude_each_other(settings, says):
    with pytest.raises(BadConfig, match=says):
        config("http://h", **settings)


def test_images_take_an_api_with_messages(servers):
    setup = prepare(config(f"{servers}/plain", images="2x8x8"))
    assert setup.api == "chat"
    assert any("2 PNG images of 8x8 pixels" in note for note in setup.notes)
    with pytest.raises(BadConfig, match="--images needs messages, which --api completions does not take"):
        prepare(config(f"{servers}/plain", images="2x8x8", api="completions"))


SHAPE = "--isl 4 --osl 4 --prompt-unit words --concurrency 2 --until 12requests --warmup-per-user 0"


def test_adapters_show_by_name_and_their_requests_by_endpoint(call, servers):
    code, _, err = call(
        f"bench {servers}/several-models --model small --adapters large:3,small {SHAPE} --out run --format csv"
    )
    assert code == 0, err
    assert "requests go to 2 adapters: large 75.0% and small 25.0%" in err
    rows = pl.read_parquet("run/levels/0001/requests.parquet")
    sent = rows["endpoint"].value_counts().sort("endpoint")["count"].to_list()
    assert abs(sent[0] - 3 * sent[1]) <= 4  # each worker's shares hold to a request
    figures = figures_by_adapter(rows, ["large", "small"])
    assert [(f.name, f.requests, f.failed) for f in figures] == [("large", sent[0], 0), ("small", sent[1], 0)]
    of_large = rows.filter(pl.col("endpoint") == 0)
    e2e_s = ((of_large["last_ns"] - of_large["due_ns"]) / 1e9).median()
    assert figures[0].e2e_p50_s == pytest.approx(e2e_s)
    assert figures[0].output_tokens == of_large["output_tokens"].sum()


def test_the_table_of_adapters(call, servers):
    code, out, err = call(
        f"bench {servers}/several-models --model small --adapters large,small {SHAPE} --out run2 --wide"
    )
    assert code == 0, err
    table = out[out.index("By adapter") :]
    assert [name in table for name in ("large", "small", "TTFT p50, ms")] == [True] * 3


def test_embeddings_write_no_point(call, tmp_path):
    with truth_server(Pace(ttft_ms=2), log=tmp_path / "truth.log", compiled=False) as server:
        code, _, err = call(f"bench {server.base_url} --api embeddings --batch 4 {SHAPE} --out run3 --slo e2e=5s")
    assert code == 0, err
    assert "each request embeds 4 inputs, so inputs/s is 4 times requests/s" in err
    assert pl.read_parquet("run3/points.parquet").height == 0


def whole_chat(ask):
    """Each chat is answered by one word, in one piece."""
    if ask.method != "POST" or "messages" not in ask.body:
        return None
    choice = {"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    return 200, json.dumps({"choices": [choice], "usage": usage}).encode(), {"content-type": "application/json"}


def test_images_reach_the_server_in_the_body(call):
    url = "data:image/png;base64,"
    with odd_server(whole_chat) as server:
        code, _, err = call(f"bench {server.url} --api chat --no-stream --images 1x32x32 {SHAPE} --out run4")
        contents = [post.body["messages"][0]["content"] for post in server.posts]
    assert code == 0, err
    assert len(contents) >= 12
    assert all(len(parts) == 2 and parts[1]["image_url"]["url"].startswith(url) for parts in contents)
    assert "each prompt holds 1 PNG image of 32x32 pixels, new ones in every request" in err
