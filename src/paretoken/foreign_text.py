"""Words of strangers made fit to be kept and shown: on one line, of bounded length, without a key, obeyed by nothing.

What a server answers and what a file holds reaches terminals, result files and reports only through here.
"""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser

MAX_CHARS = 300
MOST_READ = 4_096
"""Characters that are looked at; what follows is never shown."""
SHORTEST_SECRET = 4
PART_OF_SECRET = 8
"""Characters in a row of a longer key that are taken for a part of it."""
_KEYS = re.compile(r"(?i)\b(bearer\s+)\S+|\b(sk-)[\w*-]{6,}")
_MASK = "***"
_UNPRINTED = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
"""Unicode categories that a terminal obeys instead of showing: controls, bidi and other formats, line separators."""


def visible(words: str) -> str:
    """The text with every control, bidi and other format character written as its escape, such as `\\x1b`."""
    if words.isascii() and words.isprintable():
        return words
    return "".join(_escape(c) if unicodedata.category(c) in _UNPRINTED else c for c in words)


def one_line(words: str, secret: str = "") -> str:
    """The words on one visible line, without the secret or a part of it or anything like a key, then cut short."""
    words = " ".join(words[:MOST_READ].split())
    words = _without(secret, words) if secret else words
    words = visible(_KEYS.sub(lambda m: f"{m[1] or m[2]}{_MASK}", words))
    return words if len(words) <= MAX_CHARS else words[: MAX_CHARS - 1] + "…"


def without_tags(html: str) -> str:
    """The text of a page that a proxy answered with."""
    page = _Text()
    page.feed(html[:MOST_READ])
    return " ".join(page.pieces)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _without(secret: str, words: str) -> str:
    """The words with every part of the secret masked that is long enough to be one."""
    least = min(PART_OF_SECRET, len(secret))
    if least < SHORTEST_SECRET:
        return words
    out: list[str] = []
    at = 0
    while at < len(words):
        end = at + least
        if words[at:end] not in secret or end > len(words):
            out.append(words[at])
            at += 1
            continue
        while end < len(words) and words[at : end + 1] in secret:
            end += 1
        out.append(_MASK)
        at = end
    return _without_start(secret, "".join(out))


def _without_start(secret: str, words: str) -> str:
    """The words without the first part of a secret that an excerpt breaks off in, however short that is."""
    text = words.rstrip("'\"…")
    cut = next((n for n in range(PART_OF_SECRET - 1, SHORTEST_SECRET - 1, -1) if text.endswith(secret[:n])), 0)
    return f"{text[:-cut]}{_MASK}{words[len(text) :]}" if cut and len(secret) > cut else words


class _Text(HTMLParser):
    """Collects the text between tags."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)
