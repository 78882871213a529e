"""What must not be kept with a run: keys in request bodies, headers and command lines, each shown as `***`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import orjson

from paretoken.secret_names import has_key, is_secret

MASK = "***"
_VARIABLE = re.compile(r"\$(?:\w+|\{\w+\})")


def has_secret(value: object, name: str = "") -> bool:
    """Whether a JSON value holds anything that looks like a secret, by its name or by its form."""
    return masked(value, name) != value


def masked(value: object, name: str = "") -> object:
    """A JSON value with everything in it masked that looks like a secret."""
    if isinstance(value, Mapping):
        return {key: masked(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(inner, name) for inner in value]
    if isinstance(value, str) and value and (is_secret(name) or has_key(value)):
        return MASK
    return value


def masked_json(text: str) -> str:
    """A JSON text with its secrets masked; itself where it holds none, MASK where it is no JSON."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return MASK
    return orjson.dumps(masked(value)).decode() if has_secret(value) else text


def same_but_secrets(a: str, b: str) -> bool:
    """Whether two JSON texts are the same once their secrets are masked."""
    try:
        first, second = orjson.loads(a), orjson.loads(b)
    except orjson.JSONDecodeError:
        return a == b
    return bool(masked(first) == masked(second))


def masked_header(header: str) -> str:
    """`Name: ***` of a header."""
    return f"{header.partition(':')[0].strip()}: {MASK}"


def shown_command(arguments: Sequence[str]) -> list[str]:
    """The words of a command line fit to be kept: values of headers and secrets in bodies are masked.

    A header whose value is a $VARIABLE or an @FILE says nothing secret and stays, so that the command can be repeated.
    """
    shown: list[str] = []
    option = ""
    for word in arguments:
        name, equals, value = word.partition("=")
        if option:
            shown.append(_shown(option, word))
            option = ""
        elif equals and name in _HIDDEN:
            shown.append(f"{name}={_shown(name, value)}")
        else:
            option = word if word in _HIDDEN else ""
            shown.append(word)
    return shown


_HIDDEN = ("--extra-body", "--header")


def _shown(option: str, value: str) -> str:
    if option == "--extra-body":
        return masked_json(value)
    rest = value.partition(":")[2].strip()
    return value if rest.startswith("@") or _VARIABLE.search(rest) else masked_header(value)
