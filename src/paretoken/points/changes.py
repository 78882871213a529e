"""The change log of the shipped points: what was added, corrected or flagged, and when."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class DataChange:
    """One change; `date` is YYYY-MM-DD, `release` that of paretoken, `kind` added, corrected or flagged."""

    date: str
    release: str
    kind: str
    text: str


def data_changes() -> tuple[DataChange, ...]:
    """All changes, newest first."""
    text = files("paretoken.points").joinpath("data/changes.toml").read_text(encoding="utf-8")
    return tuple(DataChange(**entry) for entry in tomllib.loads(text)["changes"])
