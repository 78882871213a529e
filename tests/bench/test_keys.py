"""Which key goes where, and what is kept of keys, headers and bodies: nothing that is secret."""

from __future__ import annotations

import json

import pytest

from paretoken.bench.config import BenchConfig
from paretoken.bench.keys import header_fields, key_for, read_headers
from paretoken.bench.secrets import masked, masked_json, same_but_secrets, shown_command
from paretoken.errors import BadConfig
from paretoken.secret_names import is_secret

KEY = "sk-of-someone-0123456789"


@pytest.mark.parametrize(
    ("urls", "sent"),
    [
        (["http://127.0.0.1:8000"], True),
        (["localhost:8000/v1"], True),
        (["http://[::1]:8000"], True),
        (["https://api.example.com/v1"], True),
        (["http://10.0.0.7:8000"], False),
        (["http://127.0.0.1.example.com"], False),
        (["http://localhost.example.com"], False),
        (["http://0.0.0.0:8000"], False),
        (["http://127.0.0.1:8000", "http://10.0.0.7:8000"], False),
    ],
)
def test_the_key_of_other_programs_goes_to_https_and_this_machine_alone(urls, sent):
    key = key_for(urls, {"OPENAI_API_KEY": KEY})
    assert (key.value == KEY) is sent
    assert ("PARETOKEN_API_KEY" in key.note) is not sent and KEY not in key.note
    own = key_for(urls, {"OPENAI_API_KEY": "other", "PARETOKEN_API_KEY": KEY})
    assert own.value == KEY and not own.note


def test_headers_are_read_from_variables_and_files(tmp_path):
    (tmp_path / "key").write_text(f"{KEY}\n")
    texts = ["X-Team: blue", "api-key: $AZURE", f"X-Key: @{tmp_path / 'key'}", "Authorization: Bearer ${AZURE}"]
    headers = read_headers(texts, {"AZURE": KEY})
    assert header_fields(headers) == {
        "X-Team": "blue",
        "api-key": KEY,
        "X-Key": KEY,
        "Authorization": f"Bearer {KEY}",
    }


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (f"api-key: {KEY}", "single quotes"),
        (f"Authorization: Bearer {KEY}", "single quotes"),
        ("X-Team", "'Name: value'"),
        ("X Team: a", "'Name: value'"),
        ("X: $NONE", "NONE, which is not set"),
        ("Host: a", "sets this header itself"),
        ("content-length: 5", "sets this header itself"),
        ("X: a\r\nY: b", "line break"),
        ("X: @/no/where", "cannot be read"),
    ],
)
def test_a_header_that_cannot_be_sent_is_said(header, says):
    with pytest.raises(BadConfig, match=says) as error:
        read_headers([header], {})
    assert KEY not in str(error.value)


def test_a_run_keeps_no_secret_of_its_settings():
    config = BenchConfig(
        urls=("h",),
        headers=("X-Team: blue", f"api-key: {KEY}"),
        extra_body=json.dumps({"user": "a", "db": {"passwd": "hunter2"}, "note": f"Bearer {KEY}"}),
    )
    kept = json.dumps(config.without_secrets())
    assert KEY not in kept and "hunter2" not in kept and "blue" not in kept
    again = BenchConfig.of_dict(config.without_secrets())
    assert again.headers == ("X-Team: ***", "api-key: ***")
    assert same_but_secrets(str(config.extra_body), str(again.extra_body))
    with pytest.raises(BadConfig, match="X-Team is not kept"):
        header_fields(again.headers)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        *[(n, True) for n in ("api_key", "apiKey", "Authorization", "x-api-key", "token", "hf_token", "db_passwd")],
        *[(n, True) for n in ("password", "PASS", "client_secret", "authToken", "Cookie", "key", "HF_AUTH")],
        *[(n, False) for n in ("max_tokens", "min_tokens", "stop_token_ids", "author", "top_k", "api-version")],
        *[(n, False) for n in ("return_tokens_as_token_ids", "sort_key", "temperature", "compass")],
    ],
)
def test_names_that_hold_secrets(name, secret):
    assert is_secret(name) is secret
    assert (masked({name: "value"}) == {name: "***"}) is secret


def test_a_body_without_secrets_stays_as_it_was_written():
    text = '{ "top_k": 1, "max_tokens": null }'
    assert masked_json(text) == text and masked_json("{") == "***"


def test_a_command_line_is_kept_without_its_secrets():
    line = [
        "bench",
        "h",
        "--header",
        "X-Team: blue",
        "--header=api-key: $AZURE",
        "--extra-body",
        '{"password": "hunter2"}',
    ]
    assert shown_command(line) == [
        "bench",
        "h",
        "--header",
        "X-Team: ***",
        "--header=api-key: $AZURE",
        "--extra-body",
        '{"password":"***"}',
    ]
