"""The pages of runs and their JSON, without a browser: what they answer, refuse and escape."""

from __future__ import annotations

import shutil

import pytest
from bs4 import BeautifulSoup
from starlette.testclient import TestClient

from paretoken.serve.api.openapi import ROOT
from paretoken.serve.app import create_app
from paretoken.serve.runs.index import RunIndex
from paretoken.serve.runs.pages import PAGES, RunPages
from paretoken.serve.runs.watches import RunWatches
from paretoken.serve.settings import ServeSettings
from paretoken.serve.web.frame import island, link
from tests.support.loops import run_apart
from tests.support.run_places import MARKUP, bare_campaign, bare_run, hostile, point_table
from tests.support.runs import ladder


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    root = tmp_path_factory.mktemp("served")
    hostile(root / "runs", ladder(root / "outside", (1,)))
    days = [f"2026-11-{day:02d}" for day in range(1, 13)]
    rates = [100.0] * 6 + [150.0] * 6
    point_table(
        root / "runs" / "kept.parquet",
        model=["a"] * 12,
        accelerator=["B200"] * 12,
        date=days,
        concurrency=[8.0] * 12,
        output_tput_per_gpu_tok_s=rates,
        total_tput_per_gpu_tok_s=rates,
    )
    # Without its lifespan: no worker starts, so what needs one is not asked here.
    client = TestClient(create_app(ServeSettings(folder=root / "runs")), base_url="http://localhost")
    while client.get(f"{ROOT}/runs").json()["reading"]:
        pass
    return client


def test_the_list_is_a_page_and_json(client):
    rows = client.get(f"{ROOT}/runs", params={"words": "sound"}).json()["rows"]
    assert [row["path"] for row in rows] == ["sound"]
    page = BeautifulSoup(client.get("/runs?words=sound").text, "html.parser")
    assert page.select_one("tbody th a")["href"] == "/runs/open?run=sound"
    assert "1 entry." in page.text


def test_a_place_that_cannot_be_read_has_its_reason_and_the_rest_works(client):
    page = BeautifulSoup(client.get("/runs").text, "html.parser")
    unread = [node.text for node in page.select(".unread")]
    assert len(unread) == 6
    assert all(text.startswith("cannot be read: ") for text in unread)
    assert len(page.select("input[type=checkbox]")) >= 5


@pytest.mark.parametrize("path", [path for path, _, _ in PAGES if path in ("/runs", "/points", "/live")])
def test_names_are_text_and_nothing_is_inline(client, path):
    reply = client.get(path)
    assert reply.status_code == 200
    page = BeautifulSoup(reply.text, "html.parser")
    assert not page.select("[onerror], img, style, [style]")
    assert all(script.get("src") for script in page.select("script"))
    if path == "/runs":
        assert MARKUP in page.text
    assert "unsafe-inline" not in reply.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("/runs?sort=nothing", 400, "There is no column 'nothing' to sort by"),
        ("/runs/open", 400, "Name one run; 0 are named"),
        ("/runs/open?run=../outside", 404, "The folder holds no run '../outside'"),
        ("/runs/open?run=link", 404, "The folder holds no run 'link'"),
        ("/runs/open?run=<script>", 404, "The folder holds no run '<script>'"),
        ("/runs/compare?run=sound", 400, "1 run chosen; choose two"),
        ("/runs/compare?run=sound&run=/etc", 404, "The folder holds no run '/etc'"),
        ("/runs/history", 400, "The model is missing"),
        ("/runs/history?model=nothing", 404, "No point of the folder has this configuration"),
        ("/runs/campaign?campaign=sound", 404, "The folder holds no campaign 'sound'"),
    ],
)
def test_a_wrong_address_is_one_sentence(client, address, status, sentence):
    reply = client.get(address)
    assert reply.status_code == status
    alert = BeautifulSoup(reply.text, "html.parser").select_one("[role=alert]")
    assert alert.text.startswith(sentence)
    plain = client.get(ROOT + address)
    assert plain.status_code == (422 if status == 404 else 400)  # as the API has it: asked rightly, no answer
    assert plain.json()["detail"][1:].startswith(sentence[1:40])


def test_reports_and_streams_take_places_of_the_list_alone(client):
    for address in ("/runs/report", "/runs/live"):
        assert client.get(address).status_code == 400
        assert client.get(f"{address}?run=../outside").status_code == 422
    assert client.get("/assets/runs/..%2f..%2fapp.py").status_code == 404


def test_the_stream_of_a_run_that_is_over_ends(client):
    with client.stream("GET", "/runs/live?run=sound") as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        text = "".join(reply.iter_text())
    assert 'data: {"state":"ended"' in text
    assert text.endswith("event: end\ndata: {}\n\n")


def test_a_new_run_is_seen_without_a_restart(client, tmp_path):
    root = client.app.state.settings.folder
    bare_run(root / "brand-new")
    for _ in range(400):  # the folder is looked at every two seconds
        if client.get(f"{ROOT}/runs?words=brand-new").json()["total"]:
            break
        client.get("/live")
    assert client.get(f"{ROOT}/runs?words=brand-new").json()["total"] == 1


def test_an_island_ends_no_script():
    assert "<" not in island({"name": "</script><!--"})


def test_a_link_leaves_out_what_is_empty():
    assert link("/runs", model="a b&c", engine="", page=None, words="ü/") == "/runs?model=a+b%26c&words=%C3%BC%2F"


def test_an_answer_about_a_campaign_is_kept_until_a_cell_changes(tmp_path, monkeypatch):
    campaign = bare_campaign(tmp_path / "matrix")
    job = campaign.of(campaign.jobs()[0])
    index = RunIndex(tmp_path)
    pages = RunPages(index, RunWatches(index))
    made = []

    async def made_now(self, request, name, payload, *, slow=False):
        made.append(name)
        return str(len(made)).encode()

    monkeypatch.setattr(RunPages, "_worker", made_now)

    def answer():
        pages.index.refresh()
        return run_apart(lambda: pages.job(None, "report", {"paths": ["matrix"]}, ["matrix"]))

    assert (answer(), answer()) == (b"1", b"1")
    ladder(job.cell_folder(job.job.cells[0]), (1,))
    assert (answer(), answer()) == (b"2", b"2")
    pages.index.close()


@pytest.mark.parametrize("path", ["/runs", "/points", "/live", "/runs/open?run=one", "/runs/report?run=one"])
def test_a_folder_that_was_removed_is_one_sentence(tmp_path, path):
    folder = tmp_path / "served"
    bare_run(folder / "one")
    gone = TestClient(create_app(ServeSettings(folder=folder)), base_url="http://localhost")
    shutil.rmtree(folder)
    reply = gone.get(path, headers={"accept": "text/html"})
    alert = BeautifulSoup(reply.text, "html.parser").select_one("[role=alert]")
    assert reply.status_code == 422
    assert alert.text == f"The served folder {folder} was removed; start the server again with a folder that exists."
