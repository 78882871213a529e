"""What is a secret by its name or its form: in environments, command lines, request bodies and addresses."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

HIDDEN = "…"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SECRET = _words(
    "KEY APIKEY APIKEYS TOKEN AUTHTOKEN SECRET SECRETS PASS PASSWD PASSWORD PASSWORDS PASSPHRASE PASSCODE PWD "
    "AUTH OAUTH AUTHORIZATION CREDENTIAL CREDENTIALS CRED CREDS COOKIE COOKIES BEARER JWT SIG SIGNATURE SAS DSN CONNSTR"
)
_KINDS = "API ACCESS SECRET PRIVATE AUTH MASTER SSH PASS ACCOUNT SIGNING ENCRYPTION STORAGE DEPLOY LICENSE SERVICE"
"""Of keys."""
_ENDINGS = (
    *("TOKEN", "PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "SESSIONID", "SESSID", "CONNECTIONSTRING", "DSN"),
    *("USERPASS", "DBPASS", "PGPASS", "SQLPASS", "ROOTPASS", "ADMINPASS", "USERPWD", "DBPWD", "PGPWD", "SQLPWD"),
    *(f"{kind}KEY{plural}" for kind in _KINDS.split() for plural in ("", "S")),
)
"""Of words that are written together."""
_PAIRS = {
    "KEYS": _words(f"{_KINDS} OPENAI ANTHROPIC AZURE HF AWS"),
    "TOKENS": _words(
        "API ACCESS SECRET AUTH BEARER REFRESH SESSION PERSONAL BOT HF HUB HUGGINGFACE GITHUB GITLAB SLACK"
    ),
    "STRING": _words("CONNECTION CONN"),
    "ID": _words("SESSION"),
}
"""Words that are secret after these alone."""
_BEFORE = {
    "KEY": _words("PUBLIC CACHE SORT PARTITION ROUTING"),
    "TOKEN": _words(
        "EOS BOS PAD STOP UNK SEP CLS MASK SPECIAL MAX MIN NUM TOTAL NEXT FIRST LAST NEW PER START END IMAGE AUDIO "
        "VIDEO THINK INPUT OUTPUT PROMPT COMPLETION DRAFT IGNORE BAD SAMPLED CACHED"
    ),
    "PASS": _words("FORWARD BACKWARD SINGLE ONE TWO FIRST SECOND MULTI LOW HIGH BAND BY"),
}
"""What a word means something else after."""
_AFTER = {
    "KEY": _words("VALUE VALUES FRAME FRAMES NORM HEAD HEADS DIM CACHE PROJ STATE STATES SCALE SCALES ERROR EVENT"),
    "TOKEN": _words(
        "ID IDS TYPE BUDGET LIMIT COUNT NUM THRESHOLD PENALTY BUCKET BUCKETS LENGTH LEN SIZE RATE RATIO STEP STEPS "
        "WINDOW POOL LOGPROBS IDX INDEX LEVEL HEALING CAPACITY BLOCK BATCH CHUNK CHUNKS PER STREAM PRICE"
    ),
    "PASS": _words("THROUGH CONFIG MANAGER RATE COUNT AT"),
    "AUTH": _words("TYPE MODE METHOD SCHEME SOCK ENABLED"),
}
"""What a word means something else before."""
_PLACES = _words("FILE FILES PATH DIR FOLDER ENV")
"""Endings of names that say where a secret is."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NO_SECRET = re.compile(r"(?i)|true|false|yes|no|none|null|on|off|auto|\d{1,6}")
_START = r"""(?:(?<![A-Za-z0-9])|(?<=\\[nrt"'])|(?<=%[\dA-Fa-f]{2}))"""
"""No letter or digit stands before, but for an escape."""
_NUMBERED = r"(?=[A-Za-z_*-]{0,40}\d)"
"""With a digit, which words that look like a key do not have."""
_SHAPES = re.compile(
    rf"{_START}(?:"
    r"((?i:bearer)(?:\s+|%20|\+))[^\s\"'<>]{3,}"
    r"|((?i:basic)(?:\s+|%20|\+))(?=[^\sa-z]*[a-z][^\sA-Z]*[A-Z]|[^\s\d=]*[\d=])[\w+/=%-]{8,}"
    r"|(sk-)[\w*-]{6,}|([sr]k_(?:live|test)_)\w{6,}"
    rf"|([pr]k-|xai-){_NUMBERED}[\w*-]{{8,}}"
    rf"|(hf_|r8_)(?:{_NUMBERED}[A-Za-z0-9*]{{8,}}|[A-Za-z0-9]{{16,}})"
    r"|(nvapi-|glpat-|xox[abeoprs]-)[\w.*-]{8,}|(gsk_|gh[opsru]_|github_pat_)[\w*]{8,}"
    r"|(A[KS]IA)[0-9A-Z]{16}(?![0-9A-Za-z])|(AIza)[\w-]{20,}|(ya29\.)[\w-]{8,}"
    r"|(?<![_-])(eyJ)[\w-]{8,}+\.[\w-]{4,}(?:\.[\w-]*)?)"
)
"""Values that are secrets wherever they are, each with a group of what is shown of it."""
_MARKS = (
    *("bearer", "basic", "sk-", "sk_", "rk_", "pk-", "rk-", "xai-", "hf_", "r8_", "nvapi-", "glpat-", "xox", "gsk_"),
    *("gho_", "ghp_", "ghs_", "ghr_", "ghu_", "github_pat_", "akia", "asia", "aiza", "ya29.", "eyj"),
)
"""One of which each of these values has, in lower case: most texts have none."""
_USER = re.compile(r"(://)[^/\s@'\"]+@")
_NAMED = re.compile(r"(?i)(?<![\w.-])(-{0,2})([a-z_][\w.-]*)([\"']?\s*=\s*|[\"']?\s*:\s*|(?<=\w)\s+(?=[^\s-]))")
"""A name and what stands between it and its value."""
_VALUE = re.compile(r"""(?i)(["']?)(bearer\s+|basic\s+)?((?<=")(?:[^"\\]|\\.)*|(?<=')[^']*|[^\s"'&,;}\]]*)""")


def is_secret(name: str) -> bool:
    """Whether the value of a variable, option, header or field of that name is to be kept out of all that is written.

    By whole words: `HF_TOKEN`, `apiKey` and `DB_PASSWD` are, `MAX_TOKENS`, `tokenizer` and `num_key_value_heads` not.
    """
    words = [word.upper() for word in _WORD.findall(name)]
    if not words or words[-1] in _PLACES or words == ["PWD"]:
        return False
    return any(
        (word in _SECRET or word.endswith(_ENDINGS) or (i > 0 and words[i - 1] in _PAIRS.get(word, ())))
        and not (i and words[i - 1] in _BEFORE.get(word, ()))
        and not (words[i + 1 : i + 2] and words[i + 1] in _AFTER.get(word, ()))
        for i, word in enumerate(words)
    )


def secret_in_fields(fields: Mapping[str, object]) -> str | None:
    """The name of the first field, at any depth, that holds a secret; None without one."""
    return next((name for name, value in _fields(fields) if is_secret(name) and _may_be(value)), None)


def secret_in_words(words: Sequence[str]) -> str | None:
    """What the first secret among the words of a command line is called; None without one."""
    return next((name for i, word in enumerate(words) for name in _secrets(word, words[i + 1 : i + 2])), None)


def without_secrets(text: str) -> str:
    """The text with user names and passwords of addresses, and values named or formed as secrets, left out."""
    text = _USER.sub(rf"\1{HIDDEN}@", text)
    out, at = [], 0
    while named := _NAMED.search(text, at):
        out.append(text[at : named.end()])
        at = named.end()
        if is_secret(named[2]) and (named[1] or not named[3].isspace()):
            value = _VALUE.match(text, at)
            if value and _may_be(value[3]):
                out += [value[1], value[2] or "", HIDDEN]
                at = value.end()
    return without_keys("".join([*out, text[at:]]), HIDDEN)


def has_key(text: str) -> bool:
    """Whether the text holds a value that has the form of a key, as `sk-…` or `Bearer …`."""
    lower = text.lower()
    return any(mark in lower for mark in _MARKS) and bool(_SHAPES.search(text))


def without_keys(text: str, mask: str) -> str:
    """The text with all that has the form of a key masked but for the letters that it begins with."""
    if not has_key(text):
        return text
    return _SHAPES.sub(lambda m: f"{m[m.lastindex or 0]}{mask}", text)


def _secrets(word: str, following: Sequence[str]) -> Iterator[str]:
    name, equals, value = word.partition("=")
    if equals and re.fullmatch(r"-{0,2}[A-Za-z_][\w.-]*", name) and is_secret(name) and _may_be(value):
        yield name
    if equals and name.startswith("-"):
        yield from _secrets(value, ())
    values = [value for value in following if not value.startswith("--") and _may_be(value)]
    if word.startswith("-") and not equals and values and _is_option_of_secret(word):
        yield word
    header = re.fullmatch(r"(?:-H)?([A-Za-z][\w-]*):\s*(.+)", word, re.S)
    if header and not header[2].startswith("//") and is_secret(header[1]) and _may_be(header[2]):
        yield header[1]
    if has_key(word) or _USER.search(word):
        yield "an address with a password" if _USER.search(word) else "a value that looks like a key"
    if word.startswith("{"):
        yield from filter(None, [_in_json(word)])
    elif len(inner := _inner(word)) > 1:
        yield from filter(None, [secret_in_words(inner)])


def _inner(word: str) -> list[str]:
    """The words of a word that is a command line or a list."""
    try:
        words = shlex.split(word)
    except ValueError:
        words = word.split()
    return words if len(words) > 1 else re.split("[,;]", word)


def _is_option_of_secret(word: str) -> bool:
    """Whether the next word after an option is a secret."""
    return is_secret(word) or word == "-hft"  # llama.cpp's short form of --hf-token


def _in_json(text: str) -> str | None:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return secret_in_fields(fields) if isinstance(fields, dict) else None


def _fields(value: object, depth: int = 0) -> Iterable[tuple[str, object]]:
    if depth > 30:
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name), inner
            yield from _fields(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _fields(inner, depth + 1)


def _may_be(value: object) -> bool:
    """Whether a value can be a secret: a switch or a small number is none."""
    if isinstance(value, str):
        return not _NO_SECRET.fullmatch(value.strip())
    return isinstance(value, list) and any(map(_may_be, value))
