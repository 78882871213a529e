"""One request before the load finds what a server takes, and changes nothing where it says nothing of it."""

from __future__ import annotations

import json

import pytest

from paretoken.bench.config import BenchConfig
from paretoken.bench.setup import Setup, prepare
from paretoken.errors import BadConfig
from tests.support.odd_server import odd_server, refuse, stream

SSE = {"content-type": "text/event-stream"}


def prepared(url: str, **settings: object) -> Setup:
    return prepare(BenchConfig.of_dict({"urls": (url,), "isl": "16", "osl": "4", **settings}))


def sent(setup: Setup) -> dict:
    """The body of the first request of the load."""
    from paretoken.bench.workload.prompts import Correction

    return json.loads(next(iter(setup.source_of(1, Correction()).requests(0, 1))).body)


def test_a_server_that_takes_all_is_asked_once():
    with odd_server() as server:
        setup = prepared(server.url)
        assert len(server.posts) == 1 and server.posts[0].body["max_tokens"] == 1
    assert setup.api == "completions" and setup.config.refused == ()
    assert {"max_tokens", "stream_options", "temperature"} <= sent(setup).keys()
    assert any("request for one token" in note for note in setup.notes)


def test_a_server_of_chat_alone_is_measured_by_chat():
    def answer(ask):
        return (404, {"detail": "Not Found"}) if ask.path == "/v1/completions" else None

    with odd_server(answer) as server:
        setup = prepared(server.url)
        assert setup.api == setup.config.api == "chat" and "messages" in sent(setup)
        assert any("has no /completions" in note for note in setup.notes)
        with pytest.raises(BadConfig, match=r"has no /completions, but answers .*use --api chat"):
            prepared(server.url, api="completions")
        with pytest.raises(BadConfig, match=r"give .*/v1 as the URL"):
            prepared(f"{server.url}/v1/completions")


def test_a_chat_model_that_says_so_is_measured_by_chat():
    says = {"error": {"message": "This is a chat model; use v1/chat/completions instead"}}
    with odd_server(lambda ask: (400, says) if ask.path == "/v1/completions" else None) as server:
        assert prepared(server.url).api == "chat"


def test_a_whole_endpoint_url_names_its_api():
    with odd_server() as server:
        assert prepared(f"{server.url}/v1/chat/completions").api == "chat"
        assert prepared(f"{server.url}/v1/completions").api == "completions"
        with pytest.raises(BadConfig, match="names /chat/completions, but --api is completions"):
            prepared(f"{server.url}/v1/chat/completions", api="completions")


@pytest.mark.parametrize("status", [400, 415, 422])
@pytest.mark.parametrize("api", ["completions", "chat"])
def test_max_completion_tokens_for_a_server_that_takes_nothing_else(api, status):
    with odd_server(refuse("max_tokens", status=status)) as server:
        setup = prepared(server.url, api=api)
        assert setup.config.max_tokens_field == "max_completion_tokens"
        assert sent(setup)["max_completion_tokens"] == 4 and "max_tokens" not in sent(setup)
        assert prepared(server.url, api=api, max_tokens_field="max_tokens").config.max_tokens_field == "max_tokens"


@pytest.mark.parametrize("field", ["stream_options", "temperature", "ignore_eos", "min_tokens"])
def test_a_field_that_is_refused_is_left_out_and_said(field):
    with odd_server(refuse(field)) as server:
        setup = prepared(server.url, dialect="vllm", prompt_unit="words", min_tokens=True)
    assert setup.config.refused == (field,) and field not in sent(setup)
    assert any(f"does not take {field}" in note for note in setup.notes)
    assert sent(prepare_again(setup)).keys() == sent(setup).keys()


def prepare_again(setup: Setup) -> Setup:
    """The run resumed: its configuration as run.json holds it, on a server that no longer says what it takes."""
    with odd_server(lambda ask: (500, {}) if ask.method == "POST" else None) as server:
        kept = json.loads(json.dumps(setup.config.without_secrets()))
        return prepare(BenchConfig.of_dict({**kept, "urls": (server.url,)}))


def test_several_refusals_one_after_another():
    with odd_server(refuse("max_tokens", "stream_options", "temperature")) as server:
        setup = prepared(server.url, api="chat")
    assert setup.config.max_tokens_field == "max_completion_tokens"
    assert set(setup.config.refused) == {"stream_options", "temperature"}


@pytest.mark.parametrize(
    "refusal",
    [
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "ignore_eos"], "msg": "Extra inputs are not permitted",
                     "input": {"temperature": 0, "stream_options": {}}}]},
        {"message": "unknown field `ignore_eos`", "body": {"temperature": 0}},
        "json: unknown field \"ignore_eos\"",
    ],
)  # fmt: skip
def test_only_the_field_that_is_named_is_left_out(refusal):
    def answer(ask):
        return (422, refusal) if "ignore_eos" in ask.body else None

    with odd_server(answer) as server:
        assert prepared(server.url, dialect="vllm", prompt_unit="words").config.refused == ("ignore_eos",)


def test_token_ids_that_are_refused_become_text():
    def answer(ask):
        return (400, {"error": "prompt must be a string"}) if isinstance(ask.body.get("prompt"), list) else None

    with odd_server(answer, models={"data": [{"id": "m", "owned_by": "vllm"}]}) as server:
        setup = prepared(server.url)
    assert setup.config.refused == ("token_ids",) and isinstance(sent(setup)["prompt"], str)
    assert any("prompts are sent as text" in note for note in setup.notes)
    assert any("--tokenizer" in note for note in setup.notes)


def test_without_a_tokenizer_words_are_as_long_as_the_server_counts_them():
    def answer(ask):
        return (200, stream(1, prompt_tokens=256), SSE) if ask.method == "POST" else None

    with odd_server(answer) as server:
        setup = prepared(server.url, isl="100")
        assert setup.config.tokens_per_word == 2.0 and len(str(sent(setup)["prompt"]).split()) == 50
        assert any("2.00 tokens each" in note for note in setup.notes)
        as_words = prepared(server.url, isl="100", prompt_unit="words")
        assert len(str(sent(as_words)["prompt"]).split()) == 100


@pytest.mark.parametrize(
    "reply",
    [
        (500, {"error": "temperature too high in the rack"}),
        (400, {"error": "no"}),
        (400, b"\xff\x00"),
        (429, {}),
        (200, b""),
        (200, b"data: nonsense\n\n", SSE),
        (204, b""),
        (418, {"error": "max_tokens"}),
    ],
)
def test_an_answer_that_names_no_field_changes_nothing(reply):
    with odd_server(lambda ask: reply if ask.method == "POST" else None) as server:
        setup = prepared(server.url, dialect="vllm")
    assert (
        setup.config.refused == ()
        and setup.config.max_tokens_field == "auto"
        and isinstance(sent(setup)["prompt"], list)
    )


def test_a_server_that_does_not_stream_is_said():
    whole = {"choices": [{"text": "a", "finish_reason": "length"}], "usage": {"prompt_tokens": 5}}
    with odd_server(lambda ask: (200, whole) if ask.method == "POST" else None) as server:
        assert any("does not stream although asked to" in note for note in prepared(server.url).notes)
        assert not any("does not stream" in note for note in prepared(server.url, stream=False).notes)
    with (
        odd_server(lambda ask: (400, {"error": "streaming is not supported"}) if ask.body.get("stream") else None) as s,
        pytest.raises(BadConfig, match="add --no-stream"),
    ):
        prepared(s.url)


def test_a_redirect_within_the_origin_moves_the_run():
    def answer(ask):
        if ask.method == "POST" and ask.path.startswith("/v1/"):
            return 307, b"", {"location": ask.path.replace("/v1/", "/api/v1/")}
        return None

    with odd_server(answer) as server:
        setup = prepared(server.url)
        assert setup.endpoints[0].base_url == f"{server.url}/api/v1"
        assert any("redirects to" in note for note in setup.notes)


def test_a_redirect_elsewhere_is_one_sentence():
    with odd_server() as other:

        def answer(ask):
            return (308, b"", {"location": f"{other.url}{ask.path}"}) if ask.method == "POST" else None

        with (
            odd_server(answer) as server,
            pytest.raises(BadConfig, match=f"give {other.url}/v1/completions as the URL"),
        ):
            prepared(server.url)
        assert not other.asks


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_only_the_load_needs_is_said_before_it(status):
    def answer(ask):
        return (status, {"error": "key"}) if ask.method == "POST" else None

    with odd_server(answer) as server, pytest.raises(BadConfig, match="requires an API key"):
        prepared(server.url)


def test_without_a_list_the_base_that_answers_is_taken():
    def answer(ask):
        return None if ask.path.startswith("/chat/completions") else (404, {"error": "no route"})

    with odd_server(answer) as server:
        setup = prepared(server.url, model="mine")
        assert setup.endpoints[0].base_url == server.url and setup.api == "chat"
    says = "not an OpenAI-compatible server; check the URL and --model"
    with odd_server(lambda ask: (404, {"error": "no route"})) as server, pytest.raises(BadConfig, match=says):
        prepared(server.url, model="mine")


def test_a_cap_that_is_too_small_is_no_refusal_of_its_name():
    def answer(ask):
        low = ask.method == "POST" and int(str(ask.body.get("max_tokens", 99))) < 16
        return (400, {"error": "max_tokens must be at least 16"}) if low else None

    with odd_server(answer) as server:
        assert prepared(server.url).config.max_tokens_field == "auto"


def test_fields_that_the_user_sets_are_left_alone():
    with odd_server(refuse("temperature")) as server:
        setup = prepared(server.url, extra_body='{"temperature": 0.5}')
        assert setup.config.refused == () and sent(setup)["temperature"] == 0.5
        off = prepared(server.url, extra_body='{"temperature": null, "max_tokens": null}')
        assert off.config.refused == () and not {"temperature", "max_tokens"} & sent(off).keys()
