"""Messages of a server made fit to be kept: on one line, of bounded length, without a key."""

from __future__ import annotations

import re

MAX_CHARS = 300
SHORTEST_SECRET = 4
"""Characters of a key that are taken for it."""
_KEYS = re.compile(r"(?i)\b(bearer\s+)\S+|\b(sk-)[\w*-]{6,}")
_TAGS = re.compile(r"<[^>]*>")


def one_line(words: str, secret: str = "") -> str:
    """The words on one line, without the secret or anything that looks like a key, and only then cut short."""
    words = " ".join(words.split())
    if secret:
        words = words.replace(secret, "***")
        words = _without_start(words, secret)
    words = _KEYS.sub(lambda m: f"{m[1] or m[2]}***", words)
    return words if len(words) <= MAX_CHARS else words[: MAX_CHARS - 1] + "…"


def _without_start(words: str, secret: str) -> str:
    """The words without the first part of a secret that an excerpt broke off in."""
    for n in range(len(secret) - 1, SHORTEST_SECRET - 1, -1):
        if words.endswith(tail := f"{secret[:n]}'…"):
            return f"{words.removesuffix(tail)}***'…"
    return words


def without_tags(html: str) -> str:
    """The text of a page that a proxy answered with."""
    return _TAGS.sub(" ", html)
