"""What a question over HTTP may read: files of the served folder, and what comes with the program.

Any text of a question may name a file (`mine.toml`, `empirical:lengths.csv`), so every text is checked, in whatever
field it is. Jobs run in the served folder, where a relative name begins.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paretoken.answers.seam import Question, to_json
from paretoken.errors import BadConfig, quoted
from paretoken.plain_files import read_toml

WRITES = "out"
"""The field of a file that a question writes."""
LONGEST_PATH = 4096
"""Characters of a path that the system takes."""
MOST_MARKS = 1_000
"""Marks of a text, each of which may begin a name."""
MOST_TOML = 64
"""TOML files that a question leads to: those that it names, those that they name, and so on."""
MOST_ENTRIES = 200_000
"""Entries of the folders that a question names, among which links are looked for."""
_ADDRESS = re.compile(r"\s*\w[\w+.-]*://")
_WEB = re.compile(r"https?://")
_MARK = re.compile("[@:=,]")
"""What stands between a word and the name of a file: `@FILE`, `empirical:FILE`, `H200=FILE`, `FILE,FILE`."""


def require_inside(question: Question, folder: Path) -> None:
    """BadConfig where a question names a file outside the folder, writes one, or names a server."""
    plain = to_json(question)
    if plain.get(WRITES) is not None:
        raise BadConfig(f"{WRITES} writes a file, which no question to a server may; ask on the command line")
    FileCheck(folder).require(plain)


def names_files(question: Question, folder: Path) -> bool:
    """Whether a question names a file of the folder."""
    return any(_exists(folder / name) for _, text in _texts(to_json(question)) for name in _names(text))


@dataclass(slots=True)
class FileCheck:
    """The check of one question: what it has seen of the folder, and how much it may still read."""

    folder: Path
    tomls: set[Path] = field(default_factory=set)
    walked: set[Path] = field(default_factory=set)
    entries: int = 0

    def require(self, plain: Any, file: Path | None = None) -> None:
        """BadConfig where a text in plain values, or in a TOML file that they lead to, leads out of the folder.

        `file` is the TOML file that holds the values, None for the question itself.
        """
        base = file.parent if file else self.folder
        where = f"{file.relative_to(self.folder) if file.is_relative_to(self.folder) else file.name}: " if file else ""
        for key, text in _texts(plain):
            value = f"{where}{key} = {quoted(text)}"
            if "\0" in text:
                raise BadConfig(f"{value} has a null character; leave it out")
            if _ADDRESS.match(text) and not file:
                raise BadConfig(f"{value} is an address, which this server does not fetch; give a file")
            if len(_MARK.findall(text)) > MOST_MARKS:
                raise BadConfig(f"{value[:200]} has more than {MOST_MARKS:,} commas and other marks; write less")
            # A file may state its sources: the path of a web address is none of this machine.
            for name in _names(_WEB.sub("", text) if file else text):
                if self._leaves(name, base):
                    raise BadConfig(f"{value} leads out of the served folder; copy the file into it")
                self._require_within(base / name)

    def _require_within(self, path: Path) -> None:
        """The same of what a TOML file names; each file is read once."""
        if not path.name.endswith(".toml") or not _is_file(path) or (own := path.resolve()) in self.tomls:
            return
        self.tomls.add(own)
        if len(self.tomls) > MOST_TOML:
            raise BadConfig(f"the question leads to more than {MOST_TOML} TOML files; name fewer")
        self.require(read_toml(path), path)

    def _leaves(self, name: str, base: Path) -> bool:
        """Whether a name leads out of the folder: by its form, or by a link."""
        if name.startswith("~"):
            return True
        path = base / name
        if not Path(name).is_absolute() and ".." not in Path(name).parts and not _exists(path):
            return False
        own = _resolved(path)
        if not own.is_relative_to(self.folder):
            return True
        if own in self.walked:
            return False
        self.walked.add(own)
        return any(not _resolved(link).is_relative_to(self.folder) for link in self._links(path))

    def _links(self, path: Path) -> Iterator[Path]:
        """The links below a folder; BadConfig for a folder too large to look for them."""
        for parent, folders, files in os.walk(path):
            self.entries += len(folders) + len(files)
            if self.entries > MOST_ENTRIES:
                raise BadConfig(f"{quoted(path.name)} has more than {MOST_ENTRIES:,} entries; name a folder inside it")
            yield from (link for name in (*folders, *files) if (link := Path(parent, name)).is_symlink())


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
    """What may be the name of a file in a text: all of it, each part between commas, and what comes after a mark."""
    for part in (text, *(text.split(",") if "," in text else ())):
        for begin in (0, *(mark.end() for mark in _MARK.finditer(part))):
            if len(part) - begin <= LONGEST_PATH and (name := part[begin:].strip()):
                yield name


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


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False
