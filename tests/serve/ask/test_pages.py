"""The pages that ask, in a real browser with a real server: a form, its answer, an error at its field, a file."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from bs4 import BeautifulSoup
from starlette.testclient import TestClient

from paretoken.answers.ask import ask
from paretoken.answers.registry import VERBS
from paretoken.errors import ParetokenError
from paretoken.serve.app import create_app
from paretoken.serve.settings import ServeSettings
from tests.support.axe import violations
from tests.support.pages import until, watched

QUESTION = {"model": "deepseek-r1", "precision": "fp8", "workload": "chat", "e2e_s": 15}
ANSWERED = "!document.getElementById('answer').hidden && !document.getElementById('answer').matches('.stale')"
LEAD = "document.querySelector('#lead .lead').textContent"


@pytest.fixture
def app(server):
    return server[0].rstrip("/")


def link(question, verb="compare"):
    return f"/ask/{verb}#question={quote(json.dumps(question))}"


@pytest.mark.parametrize("verb", [name for name, verb in VERBS.items() if not verb.writes_files])
def test_a_page_has_nothing_inline_and_a_label_for_every_input(verb, tmp_path):
    reply = TestClient(create_app(ServeSettings(folder=tmp_path)), base_url="http://localhost").get(f"/ask/{verb}")
    assert reply.status_code == 200
    page = BeautifulSoup(reply.text, "html.parser")
    assert all(script.get("src") and not script.text for script in page.find_all("script"))
    assert not page.find_all("style")
    assert not [node for node in page.find_all(True) for name in node.attrs if name == "style" or name.startswith("on")]
    labels = {node["for"] for node in page.find_all("label") if node.get("for")}
    inputs = page.select("input, select, textarea")
    assert all(node.get("id") in labels or node.get("aria-label") or node.find_parent("label") for node in inputs)
    ids = [node["id"] for node in page.select("[id]")]
    assert len(ids) == len(set(ids))


def test_no_page_of_a_verb_that_is_none(tmp_path):
    client = TestClient(create_app(ServeSettings(folder=tmp_path)), base_url="http://localhost")
    assert client.get("/ask/compar").status_code == 404
    assert client.post("/ask/study", json={}).status_code == 404
    assert client.get("/assets/..%2fpages.py").status_code == 404


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("/nothing<b>", 404, "There is nothing at '/nothing<b>'; start at /."),
        ("/ask/compar", 404, "Unknown question 'compar'"),
        ("/runs/report", 400, "0 runs named; a report shows 1 to 8."),
    ],
)
def test_a_browser_gets_a_page_and_a_program_gets_problem_details(tmp_path, address, status, sentence):
    client = TestClient(create_app(ServeSettings(folder=tmp_path)), base_url="http://localhost")
    reply = client.get(address, headers={"Accept": "text/html,*/*;q=0.8"})
    page = BeautifulSoup(reply.text, "html.parser")
    assert reply.status_code == status and page.select_one("[role=alert]").text.startswith(sentence)
    assert [link["href"] for link in page.select("header nav a")] == ["/", "/runs", "/live"]
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")
    problem = client.get(address)
    assert problem.status_code == status and problem.json()["detail"][1:].startswith(sentence[1:].rstrip("."))
    browsed = client.get("/api/v1/nothing/more", headers={"Accept": "text/html"})
    assert browsed.headers["content-type"] == "application/problem+json"


@pytest.mark.slow
def test_a_change_of_the_form_changes_the_answer_and_its_link(browser, app):
    with watched(browser, app) as opened:
        page = opened()
        first = page.evaluate(LEAD)
        assert "at most 15 s end to end" in first
        page.fill("#field-e2e_s", "30")
        page.press("#field-e2e_s", "Enter")
        until(page, f"{LEAD}.includes('at most 30 s end to end')")
        other = opened(page.url.removeprefix(app))
        assert other.evaluate(LEAD) == page.evaluate(LEAD) != first
        assert other.input_value("#field-e2e_s") == "30"
        assert other.locator(".plots .host svg").count() == 4


@pytest.mark.slow
def test_a_wrong_value_shows_the_sentence_at_its_field(browser, app):
    with pytest.raises(ParetokenError) as refused:
        ask("compare", QUESTION | {"e2e_s": -1})
    with watched(browser, app, refused="400") as opened:
        page = opened(link(QUESTION | {"e2e_s": -1}))
        assert page.text_content("#field-e2e_s-error") == str(refused.value)
        assert page.get_attribute("#field-e2e_s", "aria-invalid") == "true"
        page.press("#field-e2e_s", "Enter")
        until(page, "document.activeElement.id === 'field-e2e_s'")
        page.fill("#field-e2e_s", "15")
        page.press("#field-e2e_s", "Enter")
        until(page, ANSWERED)
        assert page.is_hidden("#field-e2e_s-error")
        hostile = opened(link(QUESTION | {"model": "<img src=x onerror=alert(1)>"}))
        assert "<img src=x" in hostile.text_content("#field-model-error")
        assert hostile.locator("img").count() == 0


@pytest.mark.slow
def test_the_saved_file_shows_the_same_offline(browser, app, tmp_path):
    with watched(browser, app) as opened:
        page = opened(link(QUESTION), accept_downloads=True)
        with page.expect_download() as download:
            page.click("#save-file")
        words = page.inner_text("#lead"), page.inner_text("#tables"), page.inner_text("#command")
        download.value.save_as(tmp_path / "answer.html")
        with page.expect_download() as download:
            page.click("#save-json")
        saved = json.loads(download.value.path().read_bytes())
    assert saved["answer"] == ask("compare", QUESTION).answer
    with watched(browser, tmp_path / "answer.html") as opened:
        page = opened(offline=True)
        assert (page.inner_text("#lead"), page.inner_text("#tables"), page.inner_text("#command")) == words
        assert page.locator(".plots .host svg").count() == 4


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "width", "scheme"), [("compare", 1280, "light"), ("predict", 390, "dark")])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(browser, app, verb, width, scheme):
    with watched(browser, app) as opened:
        page = opened(f"/ask/{verb}", width=width, color_scheme=scheme, bypass_csp=True)
        until(page, ANSWERED)
        page.evaluate("for (const node of document.querySelectorAll('details')) node.open = true")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
