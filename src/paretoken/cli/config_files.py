"""Configuration files: which are in force, their tables, and the line at which a key stands."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from paretoken.cli.output import echo
from paretoken.errors import BadConfig, nearest
from paretoken.user_folders import config_home

PROJECT = Path("paretoken.toml")
_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file and its content; `of_project` for one that is read only because it is in the current folder."""

    path: Path
    tables: Mapping[str, object]
    of_project: bool = False

    @classmethod
    def read(cls, path: Path, *, of_project: bool = False) -> ConfigFile:
        """BadFile if it is missing or not valid TOML."""
        from paretoken.plain_files import read_toml  # only here: most commands read no such file

        return cls(path, read_toml(path, "configuration file"), of_project)

    def table(self, words: Sequence[str]) -> Mapping[str, object]:
        """The table of a verb or of its subcommand; empty if there is none."""
        table: object = self.tables
        for i, word in enumerate(words):
            table = table.get(word, {}) if isinstance(table, Mapping) else {}
            if not isinstance(table, Mapping):
                where = ".".join(words[:i])
                raise self.error(where, word, f"is not a table; write [{'.'.join(words[: i + 1])}] and its options")
        return table if isinstance(table, Mapping) else {}

    def place(self, table: str, key: str) -> str:
        """`line 3, [bench] isl`, without the line where the file states the key in an inline table."""
        line = self._line(table, key)
        return (f"line {line}, " if line else "") + (f"[{table}] {key}" if table else key)

    def error(self, table: str, key: str, why: str) -> BadConfig:
        return BadConfig(f"configuration file {self.path}, {self.place(table, key)} {why}")

    def _line(self, table: str, key: str) -> int | None:
        """The number of the line, from 1, that states a key of a table; for "", that of a key or a table's header."""
        current = ""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return None
        for number, line in enumerate(lines, start=1):
            if header := _HEADER.match(line):
                current = re.sub(r"[\s\"']", "", header[1])
                if current == f"{table}.{key}" if table else current.split(".")[0] == key:
                    return number
            elif current == table and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[.=]", line):
                return number
        return None


def refuse(file: ConfigFile, table: str, key: str, names: Sequence[str], what: str) -> NoReturn:
    """BadConfig for a key that is none of these names, with the nearest."""
    near = nearest(key.replace("_", "-"), list(names))
    raise file.error(table, key, f"is no {what}" + (f"; did you mean {near[0]}?" if near else ""))


def user_file() -> Path:
    """The user's own file: `$XDG_CONFIG_HOME/paretoken/config.toml`, else `~/.config/paretoken/config.toml`."""
    return config_home() / "paretoken" / "config.toml"


def files_in_force(stated: Path | None = None) -> list[ConfigFile]:
    """The files that are read, the nearest first; BadFile for one that cannot be read.

    A project file of another user is left out, for any folder may hold one. That of the user may come with a
    repository, and is marked.
    """
    if stated is not None:
        return [ConfigFile.read(stated)]
    places = [p for p in (PROJECT, user_file()) if p.is_file()]
    if PROJECT in places and _is_of_another(PROJECT):
        places.remove(PROJECT)
        echo(f"{PROJECT} belongs to another user and is not read; to use it: --config {PROJECT}", err=True)
    return [ConfigFile.read(path, of_project=path == PROJECT) for path in places]


def _is_of_another(path: Path) -> bool:
    return path.stat().st_uid not in (os.getuid(), 0)
