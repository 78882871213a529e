"""The HTTP API answers as the Python functions do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from paretoken.answers.ask import ask
from paretoken.answers.registry import VERBS
from paretoken.answers.seam import to_json
from paretoken.serve.app import create_app
from paretoken.serve.settings import ServeSettings

QUESTION = {"model": "llama-3-70b", "precision": "fp8", "workload": "chat", "e2e_s": 15.0}
BASE = "http://localhost:8210"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with TestClient(create_app(ServeSettings(folder=tmp_path_factory.mktemp("runs"))), base_url=BASE) as client:
        yield client


def test_it_lists_its_verbs(client):
    verbs = client.get("/api/v1/").json()["verbs"]
    assert set(VERBS) - set(verbs) == {"study"}


@pytest.mark.slow
def test_an_answer_is_that_of_the_function(client):
    reply = client.post("/api/v1/compare", json=QUESTION)
    assert reply.status_code == 200
    assert reply.json() == to_json(ask("compare", QUESTION))


@pytest.mark.slow
def test_what_cannot_be_answered_is_a_problem(client):
    reply = client.post("/api/v1/compare", json=QUESTION | {"modell": "x"})
    assert (reply.status_code, reply.headers["content-type"]) == (400, "application/problem+json")
    assert reply.json()["detail"] == "CompareQuestion: unknown key 'modell'; did you mean 'model'?"
    assert client.post("/api/v1/compar", json=QUESTION).status_code == 404
    assert client.get("/api/v1/compare").status_code == 405
