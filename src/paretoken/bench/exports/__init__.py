"""Results in the forms of other tools: one module for each, and one line in FORMATS.

A form is a function from the summary and the operating point of a level to an object ready for JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from paretoken.bench.exports.inferencex import inferencex
from paretoken.bench.exports.vllm import vllm
from paretoken.errors import UnknownName

__all__ = ["FORMATS", "Export", "export"]


class Export(Protocol):
    """A form: `over` is `window` (the headline) or `whole_run` (as the other tool itself would measure)."""

    def __call__(self, summary: Mapping[str, Any], point: Mapping[str, Any], over: str = "window") -> dict[str, Any]:
        """The object of one load level."""
        ...


FORMATS: dict[str, Export] = {"inferencex": inferencex, "vllm": vllm}


def export(form: str, summary: Mapping[str, Any], point: Mapping[str, Any], over: str = "window") -> dict[str, Any]:
    """One level in the form named; UnknownName lists the nearest names."""
    if form not in FORMATS:
        raise UnknownName("export format", form, sorted(FORMATS))
    return FORMATS[form](summary, point, over)
