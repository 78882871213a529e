"""Words of strangers made fit to be kept and shown: on one line, of bounded length, without a key, obeyed by nothing.

What a server answers and what a file holds reaches terminals, result files and reports only through here.
"""

from __future__ import annotations

import html
import re
import unicodedata
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import orjson

from paretoken.secret_names import without_keys

_MESSAGES = ("message", "detail", "error", "errors", "msg", "error_message", "error_msg", "errorMessage", "exception")
_DEEPEST = 6
"""Levels of an error document that are searched for its message."""
MAX_ERROR_BODY_BYTES = 65_536
"""Most bytes of an error's body that are read."""
MAX_CHARS = 300
MOST_READ = 4_096
"""Characters that are looked at; what follows is never shown."""
SHORTEST_SECRET = 4
PART_OF_SECRET = 8
"""Characters in a row of a longer key that are taken for a part of it."""
DIGITS_OF_SECRET = 16
"""Digits in a row of a key written as numbers, in hexadecimal or decimal."""
_MASK = "***"
_UNPRINTED = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
"""Unicode categories that a terminal obeys instead of showing: controls, bidi and other formats, line separators.

Cn are no characters: XML has no place for U+FFFE and U+FFFF.
"""
_ZERO_WIDTH = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Fillers and variation selectors, which take no room and are of other categories."""
_ESCAPED = re.compile(r"\\u[\da-fA-F]{4}|\\x[\da-fA-F]{2}|\\.|%[\da-fA-F]{2}|&(?:#x?[\da-fA-F]{1,6}|\w{1,31});|.", re.S)
_TAG = re.compile(r"<!--.*?(?:-->|\Z)|<[a-z/!?][^<>]*>", re.I | re.S)
_CONTROLS = {r"\0": "\0", r"\n": "\n", r"\r": "\r", r"\t": "\t"}
_PREFIX_OF_HEX = re.compile(r"0x(?=[\da-f]{2}(?![\da-f]))")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~#])")
_CUT = ("'", '"', "…", "...", "*", "\\")
"""What may follow a key that an excerpt breaks off in."""


def visible(words: str) -> str:
    """The text with every control, bidi, zero-width and other format character written as its escape, as `\\x1b`."""
    if words.isascii() and words.isprintable():
        return words
    return "".join(_shown(c) for c in words)


def visible_lines(words: str) -> str:
    """The same for a text of several lines, which stay lines; a tab is four spaces."""
    return "\n".join(map(visible, words.replace("\t", "    ").split("\n")))


def markdown_text(text: object) -> str:
    """Text in which nothing is Markdown, no pipe ends a cell and no one is mentioned; one line."""
    plain = visible(" ".join(str(text).split())).replace("@", "@\u200b")
    return _MARKDOWN.sub(r"\\\1", plain)


def one_line(words: str, secret: str = "") -> str:
    """The words on one visible line, without the secret or a part of it or anything like a key, then cut short."""
    if not words:
        return ""
    words = " ".join(without_secret(words[:MOST_READ], secret).split())
    words = visible(without_keys(words, _MASK))
    return words if len(words) <= MAX_CHARS else words[: MAX_CHARS - 1] + "…"


def without_secret(words: str, secret: str) -> str:
    """The words with every part of the secret masked, as it is, escaped as in JSON, URLs and HTML, in base64 or hex.

    A part has PART_OF_SECRET characters in a row, also with blanks, dashes, NULs or anything else that is no letter or
    digit between them; or is the start of the secret where an excerpt breaks off.
    """
    if len(secret) < SHORTEST_SECRET or len(words) < SHORTEST_SECRET:
        return words
    parts, parts_of_reduced = _parts(secret)
    spans: list[tuple[int, int]] = []
    for text, at in _readings(words):
        folded = _folded(text)
        spans += ((at[i], at[end]) for i, end in _found(folded, parts))
        for places in _letters_and_digits(folded):
            reduced = "".join([folded[i] for i in places])
            spans += ((at[places[i]], at[places[end - 1] + 1]) for i, end in _found(reduced, parts_of_reduced))
        spans += ((at[i], at[end]) for i, end in _starts(_folded(secret), folded))
    return _masked(words, sorted(spans)) if spans else words


def error_text(document: object) -> str:
    """The message in an error document, in the forms of OpenAI, FastAPI, SGLang, llama.cpp and gateways.

    The document itself if its message is empty.
    """
    words: object = document
    for _ in range(_DEEPEST):
        if isinstance(words, list) and words:
            words = words[0]
        elif isinstance(words, dict) and isinstance(words.get("error"), (dict, list)) and words["error"]:
            words = words["error"]
        elif isinstance(words, dict) and (name := next((n for n in _MESSAGES if words.get(n)), "")):
            words = words[name]
        else:
            break
    if isinstance(words, str) and words.strip():
        return words
    try:
        return orjson.dumps(document if isinstance(words, str) else words).decode()
    except TypeError:  # nested too deeply to be written
        return "an error nested too deeply to show"


def error_words(body: bytes) -> str:
    """The words in the body of an error: the message of its JSON, else the text of its page."""
    try:
        return error_text(orjson.loads(body.removeprefix(b"\xef\xbb\xbf")))
    except ValueError:
        return without_tags(body[:MAX_ERROR_BODY_BYTES].decode("utf-8", "replace"))


def without_tags(page: str) -> str:
    """The text of a page that a proxy answered with; the page as it is where it has no text."""
    # No HTMLParser: it asserts on `<![foo[bar]]>` and takes a second for unclosed tags.
    page = page[:MOST_READ]
    return html.unescape(_TAG.sub(" ", page)).strip() or page


def _shown(character: str) -> str:
    if unicodedata.category(character) in _UNPRINTED or _ZERO_WIDTH.match(character):
        return character.encode("unicode_escape").decode("ascii")
    return character


_Parts = tuple[tuple[int, frozenset[str]], ...]
"""Lengths, each with all parts of that length."""


@lru_cache(maxsize=64)
def _parts(secret: str) -> tuple[_Parts, _Parts]:
    """Every part of the secret in every form, without regard to case: as it is, and in letters and digits alone."""
    raw = secret.encode("utf-8", "surrogatepass")
    forms = {secret, raw.decode("latin-1"), " ".join(secret.split())}
    if len(raw) >= PART_OF_SECRET:
        # Three places in a group of base64, because a user's name may stand before the key.
        forms |= {
            encode(bytes(pad) + raw)[-(-pad * 4 // 3) : (pad + len(raw)) * 4 // 3].decode("ascii")
            for pad in range(3)
            for encode in (b64encode, urlsafe_b64encode)
        }
    forms = {_folded(form) for form in forms}
    reduced = {"".join([form[i] for i in places]) for form in forms for places in _letters_and_digits(form)}
    wide = secret.encode("utf-16-le", "surrogatepass").hex()
    numbers = {raw.hex(), wide, f"00{wide}", "".join(map(str, raw))}
    least = min(PART_OF_SECRET, len(secret))
    return (
        ((least, _windows(forms, least)),),
        (
            (PART_OF_SECRET, _windows(reduced, PART_OF_SECRET)),
            (DIGITS_OF_SECRET, _windows(numbers, DIGITS_OF_SECRET)),
        ),
    )


def _windows(forms: Iterable[str], length: int) -> frozenset[str]:
    return frozenset(form[i : i + length] for form in forms for i in range(len(form) - length + 1))


def _found(text: str, parts: _Parts) -> Iterator[tuple[int, int]]:
    """Where the text holds a part: its start and end."""
    for length, windows in parts:
        if windows:
            yield from ((i, i + length) for i in range(len(text) - length + 1) if text[i : i + length] in windows)


def _letters_and_digits(folded: str) -> Iterator[list[int]]:
    """Where the letters and digits of a text are; with `0x` in it also without those that begin single bytes."""
    if not folded.isascii():
        folded = _ZERO_WIDTH.sub(" ", folded)
    yield [i for i, character in enumerate(folded) if character.isalnum()]
    if "0x" in folded:
        yield [i for i, character in enumerate(_PREFIX_OF_HEX.sub("  ", folded)) if character.isalnum()]


def _folded(text: str) -> str:
    """Lower case of the same length."""
    lower = text.lower()
    return lower if len(lower) == len(text) else text


def _readings(words: str) -> Iterator[tuple[str, Sequence[int]]]:
    """The words as they are, then unescaped once and twice, each with where its characters begin in the words."""
    text, at = words, list(range(len(words) + 1))
    yield text, at
    for _ in range(2):
        if not any(mark in text for mark in "\\%&"):
            return
        units = list(_ESCAPED.finditer(text))
        text = "".join(_unescaped(unit[0]) for unit in units)
        at = [*(at[unit.start()] for unit in units), len(words)]
        yield text, at


def _unescaped(unit: str) -> str:
    """The one character that an escape stands for."""
    if len(unit) == 1:
        return unit
    if unit[0] == "&":
        return html.unescape(unit)[:1]
    if unit in _CONTROLS:
        return _CONTROLS[unit]
    digits = unit[2:] if unit[:2] in ("\\u", "\\x") else unit[1:] if unit[0] == "%" else ""
    return chr(int(digits, 16)) if digits else unit[1]


def _starts(secret: str, text: str) -> Iterator[tuple[int, int]]:
    """Where the text holds a start of the secret, too short for a part, that an excerpt breaks off in."""
    at = text.find(secret[:SHORTEST_SECRET])
    while at >= 0:
        end = at + SHORTEST_SECRET
        while end < len(text) and text[end] == secret[end - at : end - at + 1]:
            end += 1
        if end == len(text) or text.startswith(_CUT, end):
            yield at, end
        at = text.find(secret[:SHORTEST_SECRET], at + 1)


def _masked(words: str, spans: list[tuple[int, int]]) -> str:
    out: list[str] = []
    done = 0
    for start, end in spans:
        if start > done or not out:
            out += [words[done:start], _MASK]
        done = max(done, end)
    return "".join([*out, words[done:]])
