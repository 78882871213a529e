"""Runs a command inside the test's own process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from paretoken.cli.main import main


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., Done]:
    def run_it(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["paretoken", *words])
        code = 0
        try:
            main()
        except SystemExit as e:
            code = int(e.code or 0)
        return Done(code, *capsys.readouterr())

    return run_it
