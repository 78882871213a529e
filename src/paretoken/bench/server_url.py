"""The URL of a server as people write it, and the bases under which its API may be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from paretoken.bench.apis import PATHS
from paretoken.bench.plan import Api
from paretoken.errors import BadConfig
from paretoken.foreign_text import visible
from paretoken.secret_names import is_secret

_TAILS: tuple[tuple[str, Api | None], ...] = (
    *((path, api) for api, path in sorted(PATHS.items(), key=lambda item: -len(item[1]))),
    ("/models", None),
)
"""Ends of paths, the longer of two that end alike first."""
_VERSION = re.compile(r"/v\d+\w*\Z")


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """`bases` are tried in order. `api` is that of a whole endpoint URL; `query` begins with ? unless it is empty."""

    bases: tuple[str, ...]
    api: Api | None = None
    query: str = ""


def server_url(url: str, query: Iterable[str] = ()) -> ServerUrl:
    """The parts of a URL; `query` are more NAME=VALUE. BadConfig for a URL that names no host or holds a secret."""
    text = url.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        named = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        named = False
    if not named or not text.isprintable() or " " in text:
        raise BadConfig(f"{visible(url)!r} is not the URL of a server; write it as http://127.0.0.1:8000/v1")
    if parts.username or parts.password:
        raise BadConfig("keep the API key out of the URL; set PARETOKEN_API_KEY or use --api-key-file")
    path, api, exact = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~-._"), None, False
    for tail, tail_api in _TAILS:
        if path.endswith(tail):
            path, api, exact = path.removesuffix(tail), tail_api, True
            break
    if exact or path.endswith("/v1"):
        paths = [path]
    elif not path:
        paths = ["/v1", ""]
    else:
        paths = [path, f"{path}/v1"]
    bases = tuple(urlunsplit((parts.scheme, parts.netloc, p, "", "")) for p in paths)
    return ServerUrl(bases, api, _query([*_pairs(parts.query), *map(_pair, query)]))


def base_url(url: str) -> str:
    """The most likely base of a URL, with a scheme and without a slash at its end."""
    return server_url(url).bases[0]


def host_root(base: str) -> str:
    """A base without its version (/v1, /v3): where an engine has the paths of its own, such as /version."""
    return _VERSION.sub("", base)


def same_servers(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether two lists of URLs name the same servers, in any order and however they are written."""
    return sorted(map(base_url, a)) == sorted(map(base_url, b))


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise BadConfig(
            "the query of the URL has more than 50 fields; leave out what the server does not need"
        ) from None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise BadConfig(f"--query {visible(text)!r} is not NAME=VALUE; write it as api-version=2024-10-21")
    return name, value


def _query(pairs: Sequence[tuple[str, str]]) -> str:
    for name, _ in pairs:
        if is_secret(name) or name.lower() == "code":  # as Azure Functions calls its key
            raise BadConfig(
                f"keep the value of {visible(name)!r} out of the URL, which is kept with the run; send it as a header: "
                "--header 'NAME: $VARIABLE', or set PARETOKEN_API_KEY"
            )
    return f"?{urlencode(pairs)}" if pairs else ""
