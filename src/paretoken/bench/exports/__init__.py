"""Results in the forms of other tools: one module for each, and one line in FORMATS.

A form is a function from the summary of a level to an object ready for JSON.
"""

from __future__ import annotations

from typing import Protocol

from paretoken.bench.documents import write_json
from paretoken.bench.exports.inferencex import inferencex
from paretoken.bench.exports.shared import Span
from paretoken.bench.exports.vllm import vllm
from paretoken.bench.run_folder import LevelOnDisk
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.errors import CannotWrite, UnknownName


class Export(Protocol):
    """A form: `over` is `window` (the headline) or `whole_run` (as the other tool itself would measure)."""

    def __call__(self, summary: LevelSummary, over: Span = "window") -> dict[str, object]:
        """The object of one load level."""
        ...


FORMATS: dict[str, Export] = {"inferencex": inferencex, "vllm": vllm}


def export(form: str, summary: LevelSummary, over: Span = "window") -> dict[str, object]:
    """One level in that form; UnknownName lists the nearest names."""
    if form not in FORMATS:
        raise UnknownName("export format", form, sorted(FORMATS))
    return FORMATS[form](summary, over)


def write_export(form: str, level: LevelOnDisk) -> None:
    """Write a level in that form into its folder."""
    path = level.folder / f"{form}.json"
    try:
        write_json(path, export(form, level.summary))
    except OSError as e:
        raise CannotWrite(f"{path} cannot be written: {e.strerror}") from e
