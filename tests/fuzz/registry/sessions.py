"""Traces of sessions in every form, read strictly, then with what is bad left out."""

from __future__ import annotations

from pathlib import Path

from paretoken.errors import BadFile
from paretoken.sessions.prefixes import tree_of_sessions
from paretoken.sessions.read import read_sessions
from paretoken.sessions.write import write_sessions
from tests.fuzz.reader import FuzzedReader

DATA = Path(__file__).parents[2] / "sessions" / "data"


def _trace(file: Path) -> FuzzedReader:
    def read(place: Path) -> object:
        try:
            trace = read_sessions(place / file.name)
        except BadFile:
            trace = read_sessions(place / file.name, keep_going=True)
        write_sessions(place / "again.jsonl", trace.sessions)
        again = read_sessions(place / "again.jsonl")
        if again.sessions != trace.sessions:
            raise AssertionError("what is written is not read again")
        return trace.notes(), len(tree_of_sessions(trace.sessions))

    return FuzzedReader(f"sessions {file.name}", lambda: {file.name: file.read_bytes()}, read)


READERS = tuple(map(_trace, sorted(DATA.iterdir())))
