"""Damaged forms of a valid file: bytes flipped, cut and doubled, and values of its tree replaced by odd ones.

Every form is a function of the file and a random generator, so that a reader's name and a number give the input back.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import random
import re
import tomllib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import tomli_w
import yaml

Plain = Any
"""What JSON, TOML or YAML hold."""

_NUMBERS: tuple[Plain, ...] = (
    0,
    -1,
    1,
    7,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    2**64,
    10**40,
    -(10**400),
    0.5,
    -0.5,
    -0.0,
    1e-320,
    1e18,
    1e308,
    -1e308,
    float("nan"),
    float("inf"),
    float("-inf"),
)
_TEXTS = (
    "",
    " ",
    "x",
    "-5",
    "0",
    "nan",
    "inf",
    "1e999",
    "9" * 400,
    "é\u00a0ß",
    "\x00",
    "\x1b[2J\x1b]0;t\x07",
    "\u202egnp.exe",
    "\u2028",
    "[/b][link=x]",
    "{}{0}%s%d",
    "../../../etc/passwd",
    "*[?",
    "=1+1",
    "2026-13-45",
    "0000-00-00",
    "9999-12-31T23:59:60Z",
    "true",
    "null",
    "a\nb",
    "x" * 5_000,
)
_BYTES = (b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\r", b"\n\n", b"\x1b[2J", "\u202e".encode(), b"'", b'"', b"{", b"]")
_NUMBER = re.compile(rb"\d+(?:\.\d+)?")


def mutated(name: str, content: bytes, rng: random.Random) -> bytes:
    """A damaged form of a file; its name says of which form it is."""
    of_tree = _TREES.get(PurePosixPath(name).suffix)
    if of_tree and rng.random() < 0.65:
        try:
            return of_tree(content, rng)
        except (ValueError, TypeError, OverflowError, RecursionError, AttributeError, yaml.YAMLError):
            pass  # the writer refuses what the mutation made, such as None in TOML
    return damaged(content, rng)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """One to three changes of bytes."""
    for _ in range(rng.randint(1, 3)):
        content = rng.choice(_DAMAGES)(content, rng)
    return content


def _flip(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _without(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content) + 1)
    return content[:start] + content[start + rng.choice((1, 2, 10, 100)) :]


def _doubled(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content) + 1)
    piece = content[start : start + rng.choice((1, 4, 50, 500))]
    return content[:start] + piece * rng.choice((2, 3, 50)) + content[start:]


def _inserted(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.choice(_BYTES) * rng.choice((1, 1, 2, 600)) + content[at:]


def _other_number(content: bytes, rng: random.Random) -> bytes:
    """One of the numbers replaced."""
    places = list(_NUMBER.finditer(content))
    if not places:
        return _inserted(content, rng)
    place = rng.choice(places)
    odd = rng.choice((*map(str, _NUMBERS), "9" * 4_301, "1e999", "-0", "0x10", "1_0"))
    return content[: place.start()] + odd.encode() + content[place.end() :]


def _lines_moved(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    if len(lines) > 1:
        lines.insert(rng.randrange(len(lines)), lines.pop(rng.randrange(len(lines))))
    return b"".join(lines)


_DAMAGES = (_flip, _cut, _without, _doubled, _inserted, _other_number, _other_number, _lines_moved)


def tree(value: Plain, rng: random.Random) -> Plain:
    """Plain values with one to three nodes changed."""
    whole = {"": copy.deepcopy(value)}
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if places := _places(whole):
            _change(*rng.choice(places), rng)
    return whole.get("")


def _places(value: Plain) -> list[tuple[Plain, Plain]]:
    """Every place of a tree as its holder and key; lists give a few of their items."""
    places: list[tuple[Plain, Plain]] = []
    open_ = [value]
    while open_:
        inner = open_.pop()
        items = list(inner.items()) if isinstance(inner, dict) else list(enumerate(inner))
        if isinstance(inner, list) and len(items) > 6:
            items = [*items[:3], *items[-3:]]
        places += [(inner, key) for key, _ in items]
        open_ += [v for _, v in items if isinstance(v, (dict, list))]
    return places


def _change(holder: Plain, key: Plain, rng: random.Random) -> None:
    value = holder[key]
    match rng.randrange(12):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[str(key) + rng.choice("xX_ \x1b")] = holder.pop(key)
        case 2:
            holder[key] = [value]
        case 3:
            holder[key] = {"a": value}
        case 4:
            holder[key] = nested(rng.choice((3, 40, 200)), rng)
        case 5 if isinstance(value, list):
            holder[key] = value * rng.choice((0, 2, 300))
        case 6 if isinstance(value, (int, float)) and not isinstance(value, bool):
            holder[key] = rng.choice((-value, value * 1000, value + 0.5, str(value)))
        case 7 if isinstance(value, str):
            holder[key] = rng.choice((value + rng.choice(_TEXTS), value * 3, value[: len(value) // 2], value.upper()))
        case 8:
            holder[key] = rng.choice((None, True, False, [], {}, [[]], [None], {"a": 1}, [1, "a"]))
        case 9 | 10:
            holder[key] = rng.choice(_NUMBERS)
        case _:
            holder[key] = rng.choice(_TEXTS)


def nested(depth: int, rng: random.Random) -> Plain:
    """A list or a table as deep as that."""
    inner: Plain = 1
    for _ in range(depth):
        inner = [inner] if rng.random() < 0.5 else {"a": inner}
    return inner


def _json(content: bytes, rng: random.Random) -> bytes:
    return json.dumps(tree(json.loads(content), rng)).encode()


def _json_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines()
    at = rng.randrange(len(lines))
    lines[at] = _json(lines[at], rng)
    return b"\n".join(lines) + b"\n"


def _toml(content: bytes, rng: random.Random) -> bytes:
    return tomli_w.dumps(tree(tomllib.loads(content.decode()), rng)).encode()


def _yaml(content: bytes, rng: random.Random) -> bytes:
    text = yaml.safe_dump(tree(yaml.safe_load(content), rng), sort_keys=False, allow_unicode=True)
    return text.encode("utf-8", "surrogatepass")


def _csv(content: bytes, rng: random.Random) -> bytes:
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    for _ in range(rng.choice((1, 1, 2))):
        row = rng.choice(rows)
        at = rng.randrange(len(row))
        match rng.randrange(6):
            case 0:
                del row[at]
            case 1:
                row.insert(at, row[at])
            case 2:
                row[at] = str(rng.choice(_NUMBERS))
            case _:
                row[at] = rng.choice(_TEXTS)
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


_TREES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    ".json": _json,
    ".jsonl": _json_lines,
    ".toml": _toml,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".csv": _csv,
}
