"""The APIs that an inference server may have: their paths, and the headers that Anthropic's Messages needs."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from paretoken.bench.plan import Api

PATHS: Mapping[Api, str] = {
    "completions": "/completions",
    "chat": "/chat/completions",
    "messages": "/messages",
    "responses": "/responses",
    "embeddings": "/embeddings",
}
IN_TURNS: tuple[Api, ...] = ("chat", "messages", "responses")
"""APIs whose prompts are messages of several roles."""
TAKE_IDS: tuple[Api, ...] = ("completions", "embeddings")
"""APIs that take token ids as a prompt."""
ANTHROPIC_VERSION = "2023-06-01"
_BEARER = "Bearer "


def api_headers(api: Api | None, headers: Mapping[str, str], base_url: str) -> dict[str, str]:
    """The headers of a request to this API.

    Messages takes the key as `x-api-key`. Engines that copy that API check `Authorization`, so they get both;
    Anthropic's own servers would take a bearer token for another kind of login, so they don't.
    """
    if api != "messages":
        return dict(headers)
    names = {name.lower(): name for name in headers}
    bearer = headers.get(names.get("authorization", ""), "")
    own = {"anthropic-version": ANTHROPIC_VERSION, "x-api-key": bearer.removeprefix(_BEARER)}
    if not bearer.startswith(_BEARER):
        del own["x-api-key"]
    added = {name: value for name, value in own.items() if name not in names}
    kept = dict(headers)
    host = urlsplit(base_url).hostname or ""
    if f".{host}".endswith(".anthropic.com") and ("x-api-key" in names or "x-api-key" in added):
        kept.pop(names.get("authorization", ""), None)
    return kept | added
