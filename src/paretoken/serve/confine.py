"""What a question over HTTP may read: files of the served folder, and what comes with the program.

Any text of a question may name a file (`mine.toml`, `empirical:lengths.csv`), so every text is checked, in whatever
field it is. Jobs run in the served folder, where a relative name begins.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from paretoken.answers.seam import Question, to_json
from paretoken.errors import BadConfig, quoted
from paretoken.plain_files import read_toml

WRITES = "out"
"""The field of a file that a question writes."""
LONGEST_PATH = 4096
"""Characters of a path that the system takes."""
_ADDRESS = re.compile(r"\s*\w[\w+.-]*://")
_MARKS = "@:="
"""What stands between a word and the name of a file: `@FILE`, `empirical:FILE`, `H200=FILE`."""


def require_inside(question: Question, folder: Path) -> None:
    """BadConfig where a question names a file outside the folder, writes one, or names a server."""
    plain = to_json(question)
    if plain.get(WRITES) is not None:
        raise BadConfig(f"{WRITES} writes a file, which no question to a server may; ask on the command line")
    _require_inside(plain, "", folder, folder)


def names_files(question: Question, folder: Path) -> bool:
    """Whether a question names a file of the folder."""
    return any(_exists(folder / name) for _, text in _texts(to_json(question)) for name in _names(text))


def _require_inside(plain: Any, where: str, base: Path, folder: Path) -> None:
    """BadConfig where a text in plain values, or in a TOML file that it names, leads out of the folder."""
    for key, text in _texts(plain):
        value = f"{where}{key} = {quoted(text)}"
        if "\0" in text:
            raise BadConfig(f"{value} has a null character; leave it out")
        if _ADDRESS.match(text) and not where:
            raise BadConfig(f"{value} is an address, which this server does not fetch; give a file")
        for name in _names(text):
            if _leaves(name, base, folder):
                raise BadConfig(f"{value} leads out of the served folder; copy the file into it")
            if not where and name.endswith(".toml") and (base / name).is_file():
                _require_inside(read_toml(base / name), f"{name}: ", (base / name).parent, folder)


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in plain values, with the key of the question that it is in."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield key or "a key", str(name)
            yield from _texts(inner, key or str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, key)


def _names(text: str) -> Iterator[str]:
    """What may be the name of a file in a text: all of it, and what comes after a mark."""
    for name in (text.strip(), *(text.partition(mark)[2].strip() for mark in _MARKS)):
        if 0 < len(name) <= LONGEST_PATH:
            yield name


def _leaves(name: str, base: Path, folder: Path) -> bool:
    """Whether a name leads out of the folder: by its form, or by a link."""
    if name.startswith("~"):
        return True
    path = base / name
    if not Path(name).is_absolute() and ".." not in Path(name).parts and not _exists(path):
        return False
    return not _resolved(path).is_relative_to(folder) or any(
        not _resolved(link).is_relative_to(folder) for link in _links(path)
    )


def _links(path: Path) -> Iterator[Path]:
    """The links below a folder."""
    for parent, folders, files in os.walk(path):
        yield from (link for name in (*folders, *files) if (link := Path(parent, name)).is_symlink())


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a part of it is too long, or may not be read
        return False


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # links in a circle, through which no file is read
        return Path("/")
