"""The bar of a long computation."""

from __future__ import annotations

import sys
from threading import Timer

import pytest

from paretoken.cli.progress import bar_on_stderr
from tests.support.terminals import FakeTerminal


class AtOnce(Timer):
    """A timer that has fired when `start` returns."""

    def start(self) -> None:
        self.interval = 0
        super().start()
        self.join()


@pytest.fixture
def open_terminal(monkeypatch):
    """A function that makes stderr a terminal, in the test itself: pytest sets stderr anew after the fixtures."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("paretoken.cli.progress.Timer", AtOnce)

    def terminal() -> FakeTerminal:
        shown = FakeTerminal()
        monkeypatch.setattr(sys, "stderr", shown)
        return shown

    return terminal


def test_a_bar_shows_what_is_done(open_terminal):
    terminal = open_terminal()
    with bar_on_stderr("simulating sessions on", "deployments") as show:
        show(0, 3)
        show(1, 3)
    assert "simulating sessions on" in terminal.text and "1/3 deployments" in terminal.text


def test_a_computation_that_reports_nothing_shows_no_bar(open_terminal):
    """A comparison of nominal lengths simulates no sessions, however long it takes."""
    terminal = open_terminal()
    with bar_on_stderr("simulating sessions on", "deployments"):
        pass
    assert not terminal.text
