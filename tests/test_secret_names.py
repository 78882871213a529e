"""What is a secret by its name, and what is left of a text without its secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.secret_names import (
    has_key,
    is_secret,
    secret_in_fields,
    secret_in_words,
    without_keys,
    without_secrets,
)

SECRETS = """
HF_TOKEN HUGGING_FACE_HUB_TOKEN OPENAI_API_KEY apiKey api-key --api-key X-Api-Key HF_AUTH DB_PASSWD
DB_PASS PGPASSWORD MYSQL_PWD AWS_SECRET_ACCESS_KEY AWS_ACCESS_KEY_ID CREDENTIALS SESSION_COOKIE
Cookie Authorization access_token refreshToken API_KEY2 token key secret password AUTH APIKEY
hfToken HFToken TOKEN_PROD SSH_PASSPHRASE auth_token
API_KEYS OPENAI_API_KEYS apiKeys HF_TOKENS ACCESS_KEYS access_tokens GOOGLE_OAUTH OAUTH2 oauth2 PGPASS userpass DBPASS
MASTERKEY MASTER_KEY SSHKEY PASSKEY passkey ACCOUNTKEY AccountKey PRIMARY_KEY AZURE_OPENAI_PRIMARY_KEY SECONDARY_KEY
CRED DB_CRED DB_DSN SENTRY_DSN CONNECTION_STRING connectionString AZURE_STORAGE_CONNECTION_STRING X-SAS sas SESSIONID
JSESSIONID PHPSESSID sessionId
"""
HARMLESS = """TOKENIZER MAX_TOKENS KEYFRAME num_key_value_heads max_tokens --tokenizer PWD OLDPWD max_completion_tokens
eos_token_id pad_token stop_token_ids --ssl-keyfile --api-key-file monkey PASSTHROUGH skip_special_tokens AUTHOR
token_budget KEYBOARD --max-num-batched-tokens PATH VLLM_USE_V1 compass bypass key_cache keyword SSH_AUTH_SOCK
HF_HOME HF_HUB_ENABLE_HF_TRANSFER NCCL_DEBUG NCCL_SOCKET_IFNAME NCCL_IB_HCA BYPASS TRESPASS COMPASS MONKEY TURKEY HOTKEY
PASSENGER author authority tokens tokens_per_second VLLM_ATTENTION_BACKEND bos_token_id cache_key cache_keys keys
prompt_tokens reasoning_tokens num_tokens max_num_batched_tokens special_tokens return_tokens_as_token_ids stop_tokens
request_id model_id user_id session string format_string DISASTER SASS_DIR sort_key partition_key creditor ACCREDITED
TOKENIZERS_PARALLELISM tokenizer_mode"""


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


@given(
    st.sampled_from(["API_KEY", "TOKEN", "PASSWORD", "ACCESS_KEYS", "CONNECTION_STRING", "OAUTH2", "DSN", "SESSIONID"]),
    st.sampled_from(["", "VLLM", "MY", "TEAM_B", "X"]),
    st.sampled_from("_-"),
)
def test_a_secret_stays_one_with_a_word_before_it_and_in_any_case(name, before, joint):
    full = (f"{before}_{name}" if before else name).replace("_", joint)
    camel = "".join(word.title() for word in full.split(joint))
    assert all(map(is_secret, (full, full.lower(), full.title(), camel)))
    assert not is_secret(f"{full}{joint}FILE")


KEYS = """
sk-abcdefghij sk-proj-1234567890 sk-abc***xyz sk_live_abcdefgh1 pk-lf-12345678 rk-12345678a hf_abcdefgh1
hf_QwErTyUiOpAsDfGhJkLz r8_AbCdEf123456 nvapi-abcdefgh1 gsk_abcdefgh12 xai-abcdefgh12 glpat-abcdefgh_1 ghp_abcdefgh12
gho_abcdefgh12 ghs_abcdefgh12 github_pat_11ABCDEFG0 AKIAABCDEFGHIJKLMNOP xoxb-123456789012-abc
AIzaSyA1234567890abcdefghij
ya29.a0AfH6SMBx eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1
"""
NO_KEYS = """
risk-analysis task-planning flask_session_x disk-usage desk-reservation-1 hf_transfer hf_datasets_cache HF_HUB_OFFLINE
HF_DATASETS_CACHE sk-learn xai-org/grok-1 pk-and-more-words r8_quantized Asia-Pacific basics bearers AKIA xoxo-gossip
eyJust-a-word ghp_ network-bandwidth work-stealing-12345678 basketball
"""


@pytest.mark.parametrize("key", [*KEYS.split(), "Bearer abcdef", "bearer%20abcdef", "Basic dXNlcjpwYXNz"])
@pytest.mark.parametrize("around", ["{}", "key: {}.", '"{}"', "\\n{}", "?key={}&x=1", "%20{}", "<b>{}</b>", "[{}]"])
def test_what_has_the_form_of_a_key(key, around):
    text = around.format(key)
    assert has_key(text)
    assert key[-4:] not in without_keys(text, "***") and "***" in without_keys(text, "***")


@pytest.mark.parametrize("word", [*NO_KEYS.split(), "a basic error", "basic authentication"])
def test_what_has_not_the_form_of_a_key(word):
    assert not has_key(word)
    assert without_keys(f"a {word}, b", "***") == f"a {word}, b"


@given(st.text(), st.text(st.characters(min_codepoint=48, max_codepoint=122), min_size=12))
def test_no_text_is_too_odd(text, value):
    without_secrets(text)
    secret_in_words([text, value, text])
    quoted = value.replace("\\", "").replace('"', "")
    assert f'"{quoted}"' not in without_secrets(f'{{"api_key": "{quoted}"}}') or not quoted or quoted.isdigit()
