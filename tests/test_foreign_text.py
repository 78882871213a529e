"""Words of strangers: shown and never obeyed, without any part of a key."""

from __future__ import annotations

import html
import json
import unicodedata
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus
from xml.etree import ElementTree

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from paretoken.bench.client.http1 import excerpt
from paretoken.foreign_text import (
    MAX_CHARS,
    MOST_READ,
    PART_OF_SECRET,
    one_line,
    visible,
    visible_lines,
    without_secret,
    without_tags,
)

KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=120)
"""What an HTTP header can carry."""
WORDS = st.text(max_size=80)
KEY = "pk-4f/9Q+z\"7w\\Xk&2m<0v>'8r=tLb"
FORMS = {
    "as it is": str,
    "upper case": str.upper,
    "JSON": lambda key: json.dumps({"error": key}),
    "JSON in JSON": lambda key: json.dumps({"error": json.dumps({"key": key})}),
    "JSON, all escaped": lambda key: "".join(f"\\u{ord(c):04x}" for c in key),
    "repr": lambda key: repr(f"Bearer {key}"),
    "repr of bytes": lambda key: repr(key.encode()),
    "URL": lambda key: f"?key={quote(key, safe='')}&x=1",
    "URL, form": quote_plus,
    "URL, all escaped": lambda key: "".join(f"%{ord(c):02x}" for c in key),
    "HTML": html.escape,
    "HTML, all escaped": lambda key: "".join(f"&#{ord(c)};" for c in key),
    "base64": lambda key: b64encode(key.encode()).decode(),
    "base64, URL": lambda key: urlsafe_b64encode(key.encode()).decode(),
    "basic": lambda key: f"Authorization: Basic {b64encode(f'user:{key}'.encode()).decode()}",
    "basic, longer user": lambda key: b64encode(f"a user:{key}".encode()).decode(),
}

SPACED = "pk4f9QzRt7wXak2mVe08rstLbq5N"
SPREAD = {
    "hex": lambda key: key.encode().hex(),
    "hex, upper case": lambda key: key.encode().hex().upper(),
    "hex, colons": lambda key: key.encode().hex(":"),
    "hex, in C": lambda key: ", ".join(f"0x{c:02X}" for c in key.encode()),
    "hex, of UTF-16": lambda key: key.encode("utf-16-le").hex(),
    "hex, of UTF-16, big end first": lambda key: key.encode("utf-16-be").hex(" "),
    "hex, from the middle": lambda key: key[9:17].encode().hex(),
    "decimal": lambda key: str(list(key.encode())),
    "UTF-16": lambda key: key.encode("utf-16-le").decode("latin-1"),
    "UTF-16, repr": lambda key: repr(key.encode("utf-16-le")),
    "UTF-16, JSON": lambda key: json.dumps("\0".join(key)),
    "UTF-16, C": "\\0".join,
    "UTF-16, URL": "%00".join,
    "zero width": "\u200b".join,
    "zero width, HTML": "&ZeroWidthSpace;".join,
    "combined": "\u034f\u3164".join,
    "blanks": " ".join,
    "dashes": "-".join,
    "lines": "\n".join,
    "lines, JSON": "\\n".join,
    "commas": lambda key: str(list(key)),
    **{f"groups of {n}": (lambda key, n=n: " ".join(key[i : i + n] for i in range(0, len(key), n))) for n in (2, 4, 7)},
    "unequal groups": lambda key: f"{key[:3]}-{key[3:4]}  {key[4:10]}_{key[10:]}",
    "base64, lines": lambda key: "\n".join(b64encode(key.encode()).decode()[i : i + 6] for i in range(0, 36, 6)),
}


def parts(key):
    return {key[i : i + PART_OF_SECRET] for i in range(len(key) - PART_OF_SECRET + 1)}


def leaks(key, words):
    """Whether the words hold 8 characters in a row of the key."""
    return any(part in words for part in parts(key))


@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_masked_in_every_form(form):
    said = FORMS[form](KEY)
    cleaned = one_line(f"invalid key {said} given", KEY)
    assert "***" in cleaned
    assert cleaned.startswith("invalid")
    assert not leaks(KEY, cleaned)
    middle = len(said) // 2
    assert said[middle - 5 : middle + 5] not in cleaned


@pytest.mark.parametrize("form", SPREAD)
@pytest.mark.parametrize("key", [SPACED, f"sk-{SPACED}", "abcdefgh"])
def test_a_key_is_masked_with_anything_between_its_characters(form, key):
    spread = SPREAD[form](key)
    if form == "hex, from the middle" and len(key) < 17:
        return
    cleaned = one_line(f"invalid: {spread} = wrong", key)
    assert "***" in cleaned
    assert len(cleaned) < len("invalid: *** = wrong") + 24
    assert cleaned.startswith("invalid: ") and cleaned.endswith(" = wrong")


@given(
    st.from_regex("[A-Za-z0-9]{8,40}", fullmatch=True),
    st.lists(st.sampled_from(["", " ", "-", "\0", "\u200b", ":", "%20", "\\n"]), min_size=40, max_size=40),
)
def test_no_key_is_left_between_other_characters(key, between):
    cleaned = one_line("".join(c + b for c, b in zip(key, between, strict=False)), key)
    assert cleaned.startswith("***")
    assert not any(
        c.isalnum() for c in cleaned.replace("%20", "").replace("\\n", "").replace("x00", "").replace("u200b", "")
    )


@pytest.mark.parametrize("words", ["0000-0000x000", "00 000000x 000", "0000000 0x000", "00000000x0-00"])
def test_a_key_may_hold_what_looks_like_the_start_of_a_byte(words):
    assert one_line(words, "00000000x000") == "***"


def test_few_letters_of_a_key_between_others_stay():
    assert one_line("a b c d e f g", "abcdefghijkl") == "a b c d e f g"
    assert one_line("61 62 63 64 65 66 67", "abcdefghijkl") == "61 62 63 64 65 66 67"


@given(KEYS, WORDS, WORDS)
def test_no_part_of_any_key_is_left(key, before, after):
    assume("***" not in key)
    assert not leaks(key, one_line(before + key + after, key))
    assert not leaks(key, one_line(f"{before} {json.dumps(key)} {after}", key))
    assert not leaks(key, one_line(f"{before} {quote(key, safe='')} {after}", key))


@given(KEYS, st.integers(0, 100), st.integers(PART_OF_SECRET, 100), WORDS)
def test_no_piece_of_any_key_is_left(key, start, length, around):
    assume("***" not in key)
    start %= len(key) - PART_OF_SECRET + 1
    piece = key[start : start + length]
    assert not leaks(key, one_line(around + piece + around, key))


@given(st.text(st.sampled_from("ab '\"\\{"), max_size=58), st.from_regex("[A-Za-z0-9]{8,60}", fullmatch=True))
def test_an_excerpt_that_cuts_the_key_shows_no_start_of_it(before, key):
    shown = excerpt(f"{before}{key} and more{' ' * 60}".encode())
    cleaned = one_line(f"not JSON: {shown}", key)
    assert not leaks(key, cleaned)
    assert not cleaned.rstrip("'\"…").endswith(tuple(key[:n] for n in range(4, 8)))


@given(WORDS, KEYS)
def test_words_without_the_key_stay(words, key):
    assume(not any(key[:4].lower() in text.lower() for text in (words, html.unescape(words))))
    assume("\\" not in words and "%" not in words)
    assert without_secret(words, key) == words


@pytest.mark.parametrize("quote_mark", ["'", '"', "…", "...", "*", "\\", ""])
@pytest.mark.parametrize("n", [4, 5, 7, 12])
def test_a_start_that_an_excerpt_breaks_off_in_is_masked(quote_mark, n):
    key = "abcdefghijklmnop"
    cleaned = one_line(f"not JSON: {quote_mark}key={key[:n]}{quote_mark}", key)
    assert cleaned == f"not JSON: {quote_mark}key=***{quote_mark}"
    if quote_mark:
        assert one_line(f"'{key[:n]}{quote_mark} and more", key) == f"'***{quote_mark} and more"


def test_a_word_that_begins_like_the_key_stays():
    assert one_line("test failed, testing again", "test-key-1234") == "test failed, testing again"


@pytest.mark.parametrize("key", ["", "a", "abc"])
def test_what_is_too_short_for_a_key_masks_nothing(key):
    assert one_line("abc abc", key) == "abc abc"


def test_a_short_key_is_masked_whole():
    assert one_line("the key EMPTY is wrong", "EMPTY") == "the key *** is wrong"


@pytest.mark.parametrize(
    ("words", "cleaned"),
    [
        ("Authorization: Bearer abc", "Authorization: Bearer ***"),
        ("sk-proj-1234567890", "sk-***"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic ***"),
        ("a basic error", "a basic error"),
    ],
)
def test_what_looks_like_a_key_is_masked(words, cleaned):
    assert one_line(words) == cleaned


@given(st.text(), st.text())
def test_one_line_is_one_visible_bounded_line(words, secret):
    line = one_line(words, secret)
    assert len(line) <= MAX_CHARS
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for c in line)


def test_only_the_beginning_is_read():
    assert len(one_line("x" * 10_000_000)) == MAX_CHARS
    assert "***" not in one_line(" " * MOST_READ + KEY, KEY)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("plain", "plain"),
        ("größer als 5 µs", "größer als 5 µs"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\u202eb\u2066c", r"a\u202eb\u2066c"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("filler\u3164\u115f\ufe0f", r"filler\u3164\u115f\ufe0f"),
        ("two\nlines\r\x85\u2028", r"two\nlines\r\x85\u2028"),
        ("byte\udcff", r"byte\udcff"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("模型", "模型"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(words, shown):
    assert visible(words) == shown
    shown.encode()


@given(WORDS)
@example("\ufffe\uffff\U0001fffe")
def test_visible_words_are_well_formed_xml(words):
    assert ElementTree.fromstring(f"<a>{html.escape(visible(words))}</a>").text == (visible(words) or None)


def test_lines_stay_lines():
    assert visible_lines("one\n\ttwo\x1b[2J\n") == "one\n    two\\x1b[2J\n"


def test_without_tags():
    assert one_line(without_tags("<html><h1>502</h1><p>Bad gateway</p></html>")) == "502 Bad gateway"


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p class='a'>1 &lt; 2<br/>3 < 4 > 2</p>", "1 < 2 3 < 4 > 2"),
        ("a<!-- <b>no</b> -->b<!DOCTYPE html><?xml?>c<!-- d", "a b c"),
        ("502<unclosed", "502<unclosed"),
    ],
)
def test_texts_of_pages(page, text):
    assert one_line(without_tags(page)) == text


@pytest.mark.parametrize(
    "page", ["<![foo[bar]]>", "<!DOCTYPE", "<![CDATA[", "<![", "<!--", "<p", "</", "<script>a", "&#x", "<" * 65_536, ""]
)
def test_a_page_that_is_no_html_is_still_text(page):
    assert bool(without_tags(page)) is bool(page)
    assert len(without_tags(page)) <= MOST_READ
    assert without_tags(f"502 Bad gateway {page}").startswith("502 Bad gateway")


@given(st.text(st.sampled_from("<>![]-/?&#;ab \"'=")))
def test_every_page_has_a_text(page):
    assert bool(without_tags(page)) is bool(page)
