"""Which headers go with which API, where a URL names one, and adapters of a server that lists them."""

from __future__ import annotations

import pytest

from paretoken.bench.apis import ANTHROPIC_VERSION, PATHS, api_headers
from paretoken.bench.client.connection import make_target
from paretoken.bench.config import BenchConfig
from paretoken.bench.plan import Endpoint
from paretoken.bench.server_url import server_url
from paretoken.bench.setup import prepare
from paretoken.errors import BadConfig, UnknownName
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
