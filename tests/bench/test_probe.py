"""What a server lists, in every form, and the one sentence for a server that lists nothing that can be used."""

from __future__ import annotations

import socket
import threading

import pytest

from paretoken.bench.probe import JsonReader, probe
from paretoken.errors import BadConfig
from tests.support.odd_server import odd_server


@pytest.mark.parametrize(
    ("listed", "models"),
    [
        ({"object": "list", "data": [{"id": "a"}, {"id": "b"}]}, ("a", "b")),
        (["a", "b"], ("a", "b")),
        ([{"id": "a"}, {"name": "b"}], ("a", "b")),
        ({"models": [{"name": "a", "model": "a"}]}, ("a",)),
        ({"data": ["a"]}, ("a",)),
        ({"data": None}, ()),
        ({"data": None, "models": [{"model": "a"}]}, ("a",)),
        ({"object": "list"}, ()),
        ([], ()),
        ({"data": [{"id": 5}, None, {"id": ""}, [], {"id": "a"}]}, ("a",)),
    ],
)
def test_a_list_of_models_in_any_form(listed, models):
    with odd_server(models=listed) as server:
        probed = probe(server.url)
    assert probed.models == models and probed.listed


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"max_model_len": 4096, "meta": {"n_vocab": 32000}, "root": "/m"}, (4096, 32000, "/m")),
        ({"max_model_len": 10**30, "meta": {"n_vocab": 10**9}, "root": 5}, (None, None, None)),
        ({"max_model_len": -1, "meta": [1], "root": None}, (None, None, None)),
        ({"max_model_len": True, "context_window": 8192, "meta": {"n_vocab": "x"}}, (8192, None, None)),
        ({"max_model_len": "4096", "owned_by": {"a": 1}}, (None, None, None)),
    ],
)
def test_figures_of_a_model_are_believed_within_reason(entry, expected):
    with odd_server(models={"data": [{"id": "m", **entry}]}) as server:
        probed = probe(server.url)
    assert (probed.max_context, probed.vocab_size, probed.root) == expected


def test_figures_are_those_of_the_model_that_is_named():
    listed = {"data": [{"id": "a", "max_model_len": 100}, {"id": "b", "max_model_len": 200}]}
    with odd_server(models=listed) as server:
        assert probe(server.url, model="b").max_context == 200
        many = probe(server.url)
    with pytest.raises(BadConfig, match="serves a, b; choose one"):
        many.model(None)


@pytest.mark.parametrize("under", ["/v3", "/openai", "/v1beta/openai", "/api/v1", "/openai/v1", ""])
def test_the_api_is_found_under_any_path(under):
    def answer(ask):
        return (200, {"data": [{"id": "m"}]}) if ask.path == f"{under}/models" else (404, {"error": "no route"})

    with odd_server(answer) as server:
        assert probe(f"{server.url}{under}").base_url == f"{server.url}{under}"
        if under.endswith("/v1"):
            assert probe(f"{server.url}{under.removesuffix('/v1')}").base_url == f"{server.url}{under}"


def test_the_query_goes_with_every_path():
    def answer(ask):
        return (200, ["m"]) if ask.path == "/openai/models?api-version=1" else (404, {})

    with odd_server(answer) as server:
        probed = probe(f"{server.url}/openai?api-version=1")
        assert probed.query == "?api-version=1" == probe(f"{server.url}/openai", query=["api-version=1"]).query


@pytest.mark.parametrize("status", [403, 404, 405, 500, 501])
def test_a_server_without_a_list_is_taken_if_the_model_is_named(status):
    with odd_server(lambda ask: (status, {"error": "none"})) as server:
        probed = probe(server.url, model="mine")
        assert not probed.listed and probed.model("mine") == "mine" and len(probed.other_bases) == 1
        with pytest.raises(BadConfig):
            probe(server.url)


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ((404, {"detail": "Not Found"}), "/v1/models returned 404 .*not an OpenAI-compatible server; .*--model"),
        ((401, {"error": "who are you"}), "requires an API key .401: who are you.; set PARETOKEN_API_KEY"),
        ((503, b"<html><h1>503</h1>starting</html>"), "is not ready .503: 503 starting.; wait"),
        ((502, {}), "is not ready"),
        ((504, {}), "is not ready"),
        ((429, {"error": {"message": "slow down"}}), "refuses requests for now .429: slow down.; wait"),
        ((200, b"<!DOCTYPE html><title>Sign in</title>"), "is a web page .Sign in., perhaps a login"),
        ((200, b"hello"), "is not JSON"),
        ((200, b"[" * 100_000), "is not JSON"),
        ((200, {"a": 1}), "is not a list of models"),
        ((200, 5), "is not a list of models"),
        ((400, b"<h1>The plain HTTP request was sent to HTTPS port</h1>"), "speaks TLS; write the URL with https://"),
        ((400, b"Client sent an HTTP request to an HTTPS server."), "https://"),
        ((302, b"", {"location": "https://login.example.com/x?a=1"}), "which is not followed; check the URL"),
        ((308, b"", {"location": "https://127.0.0.1/v1/models"}), "give https://127.0.0.1/v1 as the URL"),
    ],
)
def test_what_is_no_server_is_one_sentence(reply, says):
    with odd_server(lambda ask: reply) as server, pytest.raises(BadConfig, match=says) as error:
        probe(server.url)
    assert "\n" not in str(error.value)


def test_a_key_that_is_set_was_refused_and_is_not_shown():
    key = "sk-a-wrong-key-0123456789"
    refusal = 401, {"error": f"bad key {key[:16]}"}
    with odd_server(lambda ask: refusal) as server, pytest.raises(BadConfig, match="refused the API key") as error:
        probe(server.url, headers={"Authorization": f"Bearer {key}"}, has_key=True)
    assert "set PARETOKEN_API_KEY" not in str(error.value) and key[:12] not in str(error.value)


def test_plain_http_on_a_tls_url_is_said():
    with odd_server() as server, pytest.raises(BadConfig, match="does not speak TLS; write the URL with http://"):
        probe(server.url.replace("http://", "https://"))


def test_a_server_that_says_nothing_more_costs_one_timeout():
    listener = socket.create_server(("127.0.0.1", 0))
    count = []

    def accept() -> None:
        kept = []
        while True:
            try:
                kept.append(listener.accept())
            except OSError:
                return
            count.append(1)

    threading.Thread(target=accept, daemon=True).start()
    reader = JsonReader({}, timeout_s=0.2)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/version"
    assert [reader.try_get(url), reader.try_text(url), reader.try_get(url)] == [None, "", None]
    listener.close()
    assert len(count) == 1


@pytest.mark.parametrize("where", ["models", "version", "location"])
def test_a_key_that_the_server_hands_back_is_not_kept(where):
    key = "sk-of-the-user-0123456789"

    def answer(ask):
        if where == "models":
            return 200, {"data": [{"id": f"model-{key}", "root": key}, {"id": "m", "root": key}]}
        if where == "version":
            return (200, {"version": f"1+{key}"}) if ask.path == "/version" else None
        return (302, b"", {"location": f"http://elsewhere.example.com/{key}/models"}) if where == "location" else None

    headers = {"Authorization": f"Bearer {key}"}
    with odd_server(answer) as server:
        try:
            text = repr(probe(server.url, headers=headers, has_key=True))
        except BadConfig as error:
            text = str(error)
    assert "of-the-user" not in text and ("m" in text or "redirects" in text)


def test_a_header_that_names_the_model_hides_it_from_nobody():
    with odd_server() as server:
        assert probe(server.url, headers={"X-Model": "m", "X-Route": "to-the-model-m"}).models == ("m",)
