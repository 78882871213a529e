"""Several words that stand for options of other tools as one option here: a URL, a length, the end of a level."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from paretoken.cli.measure.habits import EXTRA
from paretoken.errors import BadConfig, quoted

Pairs = list[tuple[str, str]]
"""Options with their value; a flag has an empty one."""
URLS = "--urls"
"""The pair of a server, which is a word without an option."""


def merged(own: list[str], pairs: Pairs) -> tuple[list[str], Pairs]:
    """The verb's own words and the pairs that stand for others, those of one option as one; BadConfig where they clash.

    URL, HOST, PORT and PATH become one URL, `SD n` spreads the length beside it, ends of a level and JSON are joined.
    """
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    if renamed := values.pop("RATE IS", None):
        own = [re.sub(r"^--rate(?==|$)", renamed[0], word) for word in own]
    own, url = _url(own, {name: values.pop(name, []) for name in ("URL", "HOST", "PORT", "PATH")})
    joined = [(name, _JOINED.get(name, _once)(name, [*_taken(name, own), *texts])) for name, texts in values.items()]
    return own, [*((URLS, text) for text in url), *joined]


def _taken(name: str, own: list[str]) -> list[str]:
    """The values of an option among the verb's own words, which are taken out of them."""
    taken = []
    while name in own and own.index(name) + 1 < len(own) and name in _JOINED:
        at = own.index(name)
        taken.append(own[at + 1])
        del own[at : at + 2]
    return taken


def _url(own: list[str], parts: dict[str, list[str]]) -> tuple[list[str], list[str]]:
    """The verb's own words, and the URLs of the parts; a path goes to the only URL."""
    urls = list(parts["URL"])
    if parts["HOST"] or parts["PORT"]:
        if not parts["PORT"]:
            raise BadConfig("--host has no --port; add it, or write the whole URL, as in http://127.0.0.1:8000")
        host = parts["HOST"][0] if parts["HOST"] else "127.0.0.1"
        urls.append(f"{host if '://' in host else f'http://{host}'}:{parts['PORT'][0]}")
    if not parts["PATH"]:
        return own, urls
    typed = [word for word in own if "://" in word]
    if len(urls) + len(typed) != 1:
        raise BadConfig("--endpoint needs one server; write its whole URL, as in http://127.0.0.1:8000/v1/completions")
    whole = f"{[*urls, *typed][0].rstrip('/').removesuffix('/v1')}/{parts['PATH'][0].lstrip('/')}"
    return [word for word in own if word not in typed], [whole]


def _once(name: str, texts: list[str]) -> str:
    """The one value of an option."""
    if len(set(texts)) > 1:
        raise BadConfig(f"{name} has two values, {quoted(texts[0])} and {quoted(texts[1])}; give one")
    return texts[0]


def _length(name: str, texts: list[str]) -> str:
    """A length, with the standard deviation beside it if that is not 0."""
    spread = [text.removeprefix("SD ") for text in texts if text.startswith("SD ")]
    means = [text for text in texts if not text.startswith("SD ")]
    if not means:
        raise BadConfig(f"a standard deviation needs its mean; write {name} normal:1024:{spread[0]}")
    mean = _once(name, means)
    return f"normal:{mean}:{spread[0]}" if spread and _deviation(name, spread[0]) else mean


def _deviation(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadConfig(
            f"the standard deviation of {name} is {quoted(text)}, which is no number; write it in tokens, as 128"
        ) from None


def _fields(name: str, texts: list[str]) -> str:
    """JSON objects as one."""
    try:
        return json.dumps({key: value for text in texts for key, value in dict(json.loads(text)).items()})
    except (ValueError, TypeError):
        raise BadConfig(f"{name} is not a JSON object; {EXTRA}") from None


_JOINED: dict[str, Callable[[str, list[str]], str]] = {
    "--until": lambda _, texts: ",".join(texts),
    "--isl": _length,
    "--osl": _length,
    "--extra-body": _fields,
}
"""How several values of one option become one."""
