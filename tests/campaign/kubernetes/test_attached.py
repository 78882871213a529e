"""The worker in the load's pod: it measures an engine that it did not start, and leaves counting its loss to others."""

from __future__ import annotations

import pytest

from paretoken.campaign import work as worker
from paretoken.campaign.kubernetes.attached import Attached, EngineAway
from paretoken.campaign.run import begin
from paretoken.campaign.work import work
from tests.campaign.kubernetes.test_drive import RECIPE, TEXT
from tests.support.emulators import emulated

NAME = "emulated/m"
WITH_NAME = TEXT + f'[engines.emulator]\nset = {{ served_name = "{NAME}" }}\n'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "emulator.toml").write_text(RECIPE + 'served_name = ["--name", "{}"]\n')
    (tmp_path / "c.toml").write_text(WITH_NAME.replace('tokenizer = "tokenizer.json"\n', ""))
    return begin(tmp_path / "c.toml", tmp_path / "out", here=False)


def statuses(folder) -> list[str]:
    (job,) = folder.jobs()
    return [folder.of(job).cell(cell)["status"] for cell in job.cells]


@pytest.mark.slow
def test_it_measures_the_engine_of_another_host(folder, monkeypatch):
    with emulated() as server:
        monkeypatch.setattr(worker, "PORT", server.port)
        work(folder.folder, 1, "127.0.0.1")
    assert statuses(folder) == ["done", "done"]
    (job,) = folder.jobs()
    (start,) = folder.of(job).status()["starts"]
    assert (start["image"], start["installed_version"]) == ("registry/emulator:1", None)


def test_an_engine_that_never_answers_is_not_counted_here(folder, monkeypatch):
    clock = iter(range(0, 1_000, 3))
    monkeypatch.setattr(worker, "Attached", lambda *a, **k: Attached(*a, **k, clock=lambda: next(clock), sleep=id))
    with pytest.raises(EngineAway, match="Emulator was not ready after 5 s"):
        work(folder.folder, 1, "127.0.0.1")
    (job,) = folder.jobs()
    assert statuses(folder) == ["pending"] * 2 and not folder.of(job).cell(job.cells[0])["attempts"]
    (start,) = folder.of(job).status()["starts"]
    assert (start["kind"], start["failed"]) == ("slow start", "Emulator was not ready after 5 s")


def test_an_engine_that_is_lost_is_not_counted_here(folder, monkeypatch):
    def lost(*_: object) -> None:
        server.stop()
        raise EngineAway("gone", "hang")

    monkeypatch.setattr(worker, "measure", lost)
    with emulated() as server, pytest.raises(EngineAway, match="gone"):
        monkeypatch.setattr(worker, "PORT", server.port)
        work(folder.folder, 1, "127.0.0.1")
    (job,) = folder.jobs()
    assert not folder.of(job).cell(job.cells[0])["attempts"]
