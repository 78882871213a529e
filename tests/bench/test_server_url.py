"""URLs of servers as people write them."""

from __future__ import annotations

import pytest

from paretoken.bench.server_url import base_url, host_root, same_servers, server_url
from paretoken.errors import BadConfig


@pytest.mark.parametrize(
    ("url", "bases", "api", "query"),
    [
        ("h:8000", ("http://h:8000/v1", "http://h:8000"), None, ""),
        ("http://h:8000/", ("http://h:8000/v1", "http://h:8000"), None, ""),
        ("http://h/v1", ("http://h/v1",), None, ""),
        ("http://h/v1/", ("http://h/v1",), None, ""),
        ("http://h/v3", ("http://h/v3", "http://h/v3/v1"), None, ""),
        ("http://h/openai", ("http://h/openai", "http://h/openai/v1"), None, ""),
        ("http://h/v1beta/openai/", ("http://h/v1beta/openai", "http://h/v1beta/openai/v1"), None, ""),
        ("http://h/api/v1/chat/completions", ("http://h/api/v1",), "chat", ""),
        ("http://h/v4/completions", ("http://h/v4",), "completions", ""),
        ("http://h/v1/models", ("http://h/v1",), None, ""),
        (
            "https://h/openai/deployments/x/chat/completions?api-version=2024-10-21",
            ("https://h/openai/deployments/x",),
            "chat",
            "?api-version=2024-10-21",
        ),
        ("http://h/a%2Fb/v1", ("http://h/a%2Fb/v1",), None, ""),
    ],
)
def test_every_form_of_a_url(url, bases, api, query):
    parsed = server_url(url)
    assert (parsed.bases, parsed.api, parsed.query) == (bases, api, query)
    assert base_url(url) == bases[0]


def test_a_query_of_its_own_is_added():
    assert server_url("h/v1?a=1", ["b=2 3"]).query == "?a=1&b=2+3"
    with pytest.raises(BadConfig, match="NAME=VALUE"):
        server_url("h", ["api-version"])


@pytest.mark.parametrize(
    "query", ["api_key=hunter2", "key=hunter2", "sig=hunter2", "access_token=hunter2", "a=1&code=hunter2"]
)
def test_a_secret_in_the_query_is_refused_and_not_shown(query):
    for ask in (lambda: server_url(f"http://h/v1?{query}"), lambda: server_url("http://h/v1", query.split("&"))):
        with pytest.raises(BadConfig, match="--header") as error:
            ask()
        assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("url", ["", "ftp://h", "http://", "http://h:99999", "http://[::1", "http://h/a b", "h\x1b[2J"])
def test_what_is_no_url_is_said(url):
    with pytest.raises(BadConfig, match="is not the URL of a server") as error:
        server_url(url)
    assert "\x1b" not in str(error.value)


def test_the_root_has_no_version():
    roots = {
        "http://h/v1": "http://h",
        "http://h/q/v3": "http://h/q",
        "http://h/v1beta": "http://h",
        "http://h": "http://h",
    }
    assert {base: host_root(base) for base in roots} == roots


def test_the_same_servers_however_written():
    assert same_servers(["h:1", "http://g/v1"], ["http://g", "http://h:1/v1/"])
    assert not same_servers(["h:1"], ["h:2"]) and not same_servers(["h:1"], ["h:1", "h:2"])
