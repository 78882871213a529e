"""A slow job ends with its client, by each way to ask; a quick one goes on."""

from __future__ import annotations

import asyncio

import pytest

from paretoken.errors import NoData
from paretoken.serve.app import create_app
from paretoken.serve.settings import ServeSettings
from paretoken.serve.workers.lanes import Workers
from tests.support.loops import run_apart
from tests.support.runs import ladder


class EndlessWorkers(Workers):
    """Workers whose slow jobs never end, and which fail a quick one; they note whether a job was stopped."""

    def __init__(self, settings: ServeSettings) -> None:
        super().__init__(settings)
        self.stopped = False

    async def run(self, job: str, payload: bytes, *, slow: bool = False) -> bytes:
        try:
            await asyncio.sleep(60 if slow else 0.01)
        except asyncio.CancelledError:
            self.stopped = True
            raise
        raise NoData("e2e_s = 0.001 is met by nothing")


def asked_and_left(folder, path, method="POST", query=b""):
    """The workers and the status after a client sent a question and closed the connection."""
    settings = ServeSettings(folder=folder)
    app, workers = create_app(settings), EndlessWorkers(settings)
    app.state.workers = workers
    received = iter([{"type": "http.request", "body": b"{}", "more_body": False}])
    sent = []

    async def receive():
        return next(received, {"type": "http.disconnect"})

    async def send(message):
        sent.append(message)

    async def whole():
        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": query}
        await asyncio.wait_for(app({**scope, "scheme": "http", "server": ("localhost", 80)}, receive, send), 30)
        await asyncio.sleep(0)

    run_apart(whole)
    return workers, sent


@pytest.mark.parametrize("path", ["/api/v1/plan", "/ask/plan", "/ask/plan/file"])
def test_a_slow_job_ends_with_its_client(tmp_path, path):
    workers, _ = asked_and_left(tmp_path, path)
    assert workers.stopped


def test_a_report_of_many_levels_ends_with_its_browser(tmp_path, monkeypatch):
    monkeypatch.setattr("paretoken.serve.runs.pages.QUICK_LEVELS", 0)
    ladder(tmp_path / "one", (1,))
    workers, _ = asked_and_left(tmp_path, "/runs/report", "GET", b"run=one")
    assert workers.stopped


def test_a_small_report_takes_a_worker_that_has_loaded(tmp_path):
    ladder(tmp_path / "one", (1,))
    workers, _ = asked_and_left(tmp_path, "/runs/report", "GET", b"run=one")
    assert not workers.stopped


@pytest.mark.parametrize("path", ["/api/v1/compare", "/ask/compare", "/ask/compare/file"])
def test_a_quick_job_goes_on_and_its_problem_is_the_same_everywhere(tmp_path, path):
    workers, sent = asked_and_left(tmp_path, path)
    assert not workers.stopped
    assert sent[0]["status"] == 422
    body = b"".join(message.get("body", b"") for message in sent)
    assert b'"type":"about:blank","title":"Unprocessable' in body and b'"status":422' in body
    assert (b'"field":' in body) == path.startswith("/ask")
