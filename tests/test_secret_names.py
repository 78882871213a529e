"""What is a secret by its name, and what is left of a text without its secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.secret_names import is_secret, secret_in_fields, secret_in_words, without_secrets

SECRETS = """
HF_TOKEN HUGGING_FACE_HUB_TOKEN OPENAI_API_KEY apiKey api-key --api-key X-Api-Key HF_AUTH DB_PASSWD
DB_PASS PGPASSWORD MYSQL_PWD AWS_SECRET_ACCESS_KEY AWS_ACCESS_KEY_ID CREDENTIALS SESSION_COOKIE
Cookie Authorization access_token refreshToken API_KEY2 token key secret password AUTH APIKEY
hfToken HFToken TOKEN_PROD SSH_PASSPHRASE auth_token
"""
HARMLESS = """TOKENIZER MAX_TOKENS KEYFRAME num_key_value_heads max_tokens --tokenizer PWD OLDPWD max_completion_tokens
eos_token_id pad_token stop_token_ids --ssl-keyfile --api-key-file monkey PASSTHROUGH skip_special_tokens AUTHOR
token_budget KEYBOARD --max-num-batched-tokens PATH VLLM_USE_V1 compass bypass key_cache keyword SSH_AUTH_SOCK"""


@pytest.mark.parametrize("name", SECRETS.split())
def test_secret_names(name):
    assert is_secret(name)


@pytest.mark.parametrize("name", HARMLESS.split())
def test_harmless_names(name):
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("words", "secret"),
    [
        ("--api-key|sk-x", "--api-key"),
        ("--api-key=abc", "--api-key"),
        ("--api-key|-starts-with-a-dash", "--api-key"),
        ("-H|Authorization: Bearer x", "Authorization"),
        ("-HCookie: a=b", "Cookie"),
        ("-e|HF_TOKEN=abc", "HF_TOKEN"),
        ("--env=HF_TOKEN=abc", "HF_TOKEN"),
        ('--kv-transfer-config|{"extra": [{"api_key": "b"}]}', "api_key"),
        ("bash|-c|vllm serve --api-key foo", "--api-key"),
        ("export DB_PASSWD='a b'", "DB_PASSWD"),
        ("--export=ALL,DB_PASS=abc", "DB_PASS"),
        ("http://user:word@host/", "an address with a password"),
        ("-hft|abc", "-hft"),
        ("sk-abcdefghijkl", "a value that looks like a key"),
        ("--enable-auth|true", None),
        ("--api-key|--seed|1", None),
        ("--api-key-file|/run/key", None),
        ("--max-tokens|5|--tokenizer|a/b", None),
        ("http://127.0.0.1:8000/v1", None),
        ("it's|{broken", None),
        ("", None),
    ],
)
def test_secrets_of_command_lines(words, secret):
    assert secret_in_words(words.split("|")) == secret


def test_secrets_of_fields():
    assert secret_in_fields({"top_k": 1, "extra": [{"password": "x"}]}) == "password"
    assert secret_in_fields({"max_tokens": 5, "stop_token_ids": [1], "auth": False, "token": ""}) is None


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"password": "two \\" words", "max_tokens": 5}', '{"password": "…", "max_tokens": 5}'),
        ("--api-key 'a b' --seed 1", "--api-key '…' --seed 1"),
        ("--api-key=abc --seed 1", "--api-key=… --seed 1"),
        ("-H 'Authorization: Basic abc'", "-H 'Authorization: Basic …'"),
        ("DB_PASS=abc HF_AUTH=def TOKENIZER=x", "DB_PASS=… HF_AUTH=… TOKENIZER=x"),
        ("https://u:p@host/v1?key=abc&x=1", "https://…@host/v1?key=…&x=1"),
        ("the key was wrong, 5 of 6", "the key was wrong, 5 of 6"),
        ("basic authentication", "basic authentication"),
    ],
)
def test_texts_without_their_secrets(text, left):
    assert without_secrets(text) == left


@given(st.text(), st.text(st.characters(min_codepoint=48, max_codepoint=122), min_size=12))
def test_no_text_is_too_odd(text, value):
    without_secrets(text)
    secret_in_words([text, value, text])
    quoted = value.replace("\\", "").replace('"', "")
    assert f'"{quoted}"' not in without_secrets(f'{{"api_key": "{quoted}"}}') or not quoted or quoted.isdigit()
