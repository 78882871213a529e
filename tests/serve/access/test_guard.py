"""What every request passes: host, origin, token and size; and what every response carries."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from paretoken.errors import BadConfig
from paretoken.serve.access.guard import COOKIE, cookie_of
from paretoken.serve.access.headers import HEADERS
from paretoken.serve.app import create_app
from paretoken.serve.running import token_of
from paretoken.serve.settings import ServeSettings

TOKEN = "0123456789abcdef0123"
BASE = "http://127.0.0.1:8210"


def client(folder: Path, base: str = BASE, **settings: object) -> TestClient:
    """A client of an app without workers: nothing here is answered."""
    app = create_app(ServeSettings(folder=folder, **settings))
    return TestClient(app, base_url=base, raise_server_exceptions=False, follow_redirects=False)


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/api/v1/", "/api/v1/compar"])
def test_every_response_carries_the_headers(tmp_path, path):
    reply = client(tmp_path).get(path)  # /api/v1/ fails for want of workers: a defect has them, too
    assert {name: reply.headers[name] for name in HEADERS} == HEADERS
    assert "unsafe" not in reply.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8210", 200),
        ("localhost", 200),
        ("[::1]:8210", 200),
        ("10.0.0.7:1", 200),
        ("bench.example.org", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
        ("[", 421),
        ("a@localhost", 421),
    ],
)
def test_only_own_hosts_are_served(tmp_path, host, status):
    served = client(tmp_path, origins=("https://bench.example.org",))
    assert served.get("/healthz", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (BASE, 404),
        ("https://bench.example.org", 404),
        ("http://127.0.0.1:9999", 403),
        ("https://127.0.0.1:8210", 403),
        ("http://evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_only_own_pages_may_ask(tmp_path, origin, status):
    served = client(tmp_path, origins=("https://bench.example.org",))
    assert served.post("/api/v1/compar", json={}, headers={"Origin": origin}).status_code == status


NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize(
    ("site", "more", "status"),
    [
        ("cross-site", {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403),
        ("same-site", {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, 403),  # another port of this machine
        ("cross-site", {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403),
        ("cross-site", {}, 403),
        ("cross-site", NAVIGATION, 404),
        ("same-origin", {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, 404),
        ("none", NAVIGATION, 404),
    ],
)
def test_a_page_of_another_site_may_only_link(tmp_path, site, more, status):
    served = client(tmp_path)
    assert served.get("/nothing", headers={"Sec-Fetch-Site": site, **more}).status_code == status
    if more is NAVIGATION and site == "cross-site":  # a form of another page
        assert served.post("/nothing", headers={"Sec-Fetch-Site": site, **more}).status_code == 403


def test_no_socket_opens(tmp_path):
    with pytest.raises(WebSocketDisconnect) as refused, client(tmp_path).websocket_connect("/nothing"):
        pass
    assert refused.value.code == 1008


def test_a_token_is_needed_where_there_is_one(tmp_path):
    served = client(tmp_path, host="0.0.0.0", token=TOKEN)
    assert served.get("/healthz").status_code == 200
    refused = served.post("/api/v1/compar", json={})
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert refused.headers["content-type"] == "application/problem+json"
    for wrong in (TOKEN[:-1], TOKEN + "0", "", "é"):
        headers = {"Authorization": f"Bearer {wrong}".encode()}
        assert served.post("/api/v1/compar", json={}, headers=headers).status_code == 401
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert served.post("/api/v1/compar", json={}, headers=right).status_code == 404


def test_a_browser_logs_in_once(tmp_path):
    served = client(tmp_path, token=TOKEN)
    assert served.get("/", headers={"Accept": "text/html"}).headers["location"] == "/login"
    assert "password" in served.get("/login").text
    assert served.post("/login", data={"token": "wrong"}).status_code == 401
    reply = served.post("/login", data={"token": TOKEN})
    cookie = reply.headers["set-cookie"]
    assert reply.status_code == 303 and "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
    assert served.post("/api/v1/compar", json={}).status_code == 404
    served.cookies.set(COOKIE, cookie_of(TOKEN)[:-1] + "g")
    assert served.post("/api/v1/compar", json={}, headers={"Cookie": f"{COOKIE}=x"}).status_code == 401


def test_bodies_are_bounded(tmp_path):
    served = client(tmp_path, question_bytes=1000)
    assert served.post("/api/v1/fit", content=b"x" * 1001).status_code == 413

    def parts():
        for _ in range(11):
            yield b"x" * 100

    reply = served.post("/api/v1/fit", content=parts(), headers={"Content-Type": "application/json"})
    assert reply.status_code == 413 and "larger than 1,000 bytes" in reply.json()["detail"]


def test_only_json_is_a_question(tmp_path):
    reply = client(tmp_path).post("/api/v1/fit", content=b"{}", headers={"Content-Type": "text/plain"})
    assert reply.status_code == 415


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"host": "0.0.0.0"}, "0.0.0.0 is reachable by others; give a token"),
        ({"host": "bench.example.org"}, "give a token with --token-file"),
        ({"token": "short"}, "the token has 5 characters; use at least 16"),
        ({"origins": ("bench.example.org",)}, "is not an origin"),
        ({"origins": ("https://a/b",)}, "is not an origin"),
    ],
)
def test_settings_that_are_not_safe_are_refused(tmp_path, settings, words):
    with pytest.raises(BadConfig, match=words):
        ServeSettings(folder=tmp_path, **settings)


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(BadConfig, match="is not a folder"):
        ServeSettings(folder=tmp_path / "no")


def test_the_token_comes_from_a_file_or_the_environment(tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert token_of(file, {}) == TOKEN == token_of(None, {"PARETOKEN_SERVE_TOKEN": TOKEN})
    assert token_of(None, {}) is None
    for bad in ("", "two words", "line\nbreak", "é" * 20):
        file.write_text(bad)
        with pytest.raises(BadConfig, match="must hold one line of ASCII"):
            token_of(file, {})
