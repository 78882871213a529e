"""Points kept in the user's cache: what was written is read again, and what is damaged is made again."""

from __future__ import annotations

import pytest

from paretoken.answers.kept_points import KeptPoints, key_of
from paretoken.answers.session_points import SessionCell, session_set
from paretoken.catalog.loader import load_catalog
from paretoken.errors import NoData
from paretoken.predict.configure import checked
from paretoken.predict.deployment import Deployment
from paretoken.predict.session_points import session_points
from paretoken.sessions.generate import generated
from tests.support.session_predictions import predict_sessions, simulate_here

CATALOG = load_catalog()
CELLS = (SessionCell(model="llama-3-70b", precision="fp8", accelerator="H200", engine="vllm"),)


@pytest.fixture(scope="module")
def points():
    one = Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=4, tp=4)
    sessions = generated(CATALOG.session_workloads["rag"], 8, context_tokens=8192)
    return session_points([predict_sessions(checked(one, CATALOG), sessions, 2, CATALOG)], "rag", CATALOG)


def test_what_is_written_is_read(tmp_path, points):
    kept = KeptPoints(tmp_path / "cache" / "points")
    assert kept.read("k") is None
    kept.write("k", points)
    assert kept.read("k").equals(points) and kept.read("other") is None
    assert [f.name for f in kept.folder.iterdir()] == ["k.points"]


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: d[:40] + b"?" + d[41:], lambda d: b"", lambda d: b"x"])
def test_damage_is_no_points(tmp_path, points, damage):
    kept = KeptPoints(tmp_path / "cache" / "points")
    kept.write("k", points)
    file = kept.folder / "k.points"
    file.write_bytes(damage(file.read_bytes()))
    assert kept.read("k") is None


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path, points):
    (tmp_path / "file").write_text("")
    kept = KeptPoints(tmp_path / "file" / "points")
    kept.write("k", points)
    assert kept.read("k") is None


def test_keys_differ_by_question_and_own_catalog(tmp_path):
    (tmp_path / "models.toml").write_text("[llama-3-70b]\nmax_context = 4096\n")
    own = load_catalog(tmp_path)
    keys = {key_of(("rag", 1)), key_of(("rag", 2)), key_of(("rag", 1), own), key_of(("rag", 1), CATALOG)}
    assert len(keys) == 4 and key_of(("rag", 1)) in keys


def test_kept_deployments_are_not_simulated(tmp_path, monkeypatch):
    simulate_here(monkeypatch, users=(1,))
    kept = KeptPoints(tmp_path / "cache" / "points")
    with pytest.raises(NoData):
        session_set("rag", (), CATALOG, kept=kept)
    made = session_set("rag", CELLS, CATALOG, kept=kept)
    assert len(list(kept.folder.iterdir())) == len(made.deployments) > 2
    monkeypatch.setattr("paretoken.answers.session_points.climb", None)
    assert session_set("rag", CELLS, CATALOG, kept=kept).points.equals(made.points)


def test_an_interrupt_keeps_the_deployments_that_are_done(tmp_path, monkeypatch):
    simulate_here(monkeypatch, users=(1,))
    kept = KeptPoints(tmp_path / "cache" / "points")

    def interrupt(done: int, of: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session_set("rag", CELLS, CATALOG, kept=kept, on_progress=interrupt)
    assert len(list(kept.folder.iterdir())) == 2
    left = []
    made = session_set("rag", CELLS, CATALOG, kept=kept, on_progress=lambda done, of: left.append((done, of)))
    missing = len(made.deployments) - 2
    assert left == [(done, missing) for done in range(missing + 1)]
