"""Bundles from addresses: downloaded whole or refused, without their secrets."""

from __future__ import annotations

import hashlib

import pytest

from paretoken.errors import BadConfig, BadFile
from paretoken.points import download
from tests.support.bundles import DASHBOARD
from tests.support.web import served


def test_an_address_is_downloaded_whole(add):
    seen: list[tuple[int, int | None]] = []
    body = DASHBOARD.read_bytes()
    with served({"/data.js": {"body": body}}) as web:
        m = add(f"{web}/data.js?token=abc&model=x#top", on_progress=lambda *at: seen.append(at)).manifest
    assert m.input_sha256 == hashlib.sha256(body).hexdigest() and m.rows == 3
    assert m.location == f"{web}/data.js?token=…&model=x"
    assert seen[-1] == (len(body), len(body))


def test_a_redirect_within_http_is_followed(add):
    moved = {"status": 302, "headers": {"Location": "/b"}, "body": b""}
    with served({"/a": moved, "/b": {"body": DASHBOARD.read_bytes()}}) as web:
        assert add(f"{web}/a").manifest.rows == 3


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"body": b"x" * 100, "length": 200}, "stopped after 100 of 200 bytes"),
        ({"body": b"gone", "status": 410}, "answers 410"),
        ({"body": b"", "status": 302, "headers": {"Location": "file:///etc/passwd"}}, "redirect|answers 302"),
        ({"body": b"x" * 10, "length": 3_000_000_000}, "larger than 2 GB"),
    ],
)
def test_half_a_file_or_none_is_one_sentence(add, data_folder, answer, says):
    with served({"/f": answer}) as web, pytest.raises(BadFile, match=says):
        add(f"{web}/f")
    assert not list(data_folder.iterdir())


def test_an_error_does_not_show_the_key_of_an_address(add):
    with served({}) as web, pytest.raises(BadFile) as e:
        add(f"{web}/f?model=x&api_key=hunter2")
    assert "hunter2" not in str(e.value) and "model=x&api_key=…" in str(e.value)


def test_a_body_without_end_stops_at_the_limit(add, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", 1000)
    with served({"/f": {"body": b"x" * 5000, "length": None}}) as web, pytest.raises(BadFile, match="larger than"):
        add(f"{web}/f")


def test_a_download_that_does_not_end_is_given_up(add, monkeypatch):
    monkeypatch.setattr(download, "LONGEST_S", -1.0)
    with served({"/f": {"body": b"x" * 10}}) as web, pytest.raises(BadFile, match="takes longer than"):
        add(f"{web}/f")


def test_a_server_that_is_not_there(add):
    with served({}) as web:
        pass
    with pytest.raises(BadFile, match="cannot be reached"):
        add(f"{web}/f")


@pytest.mark.parametrize("url", ["ftp://example.com/x", "file:///etc/passwd", "data://x"])
def test_other_schemes_are_refused(add, url):
    with pytest.raises(BadConfig, match="not an address of http or https"):
        add(url)


def test_credentials_in_an_address_are_refused_and_not_shown(add):
    with pytest.raises(BadConfig) as e:
        add("https://me:hunter2@example.com/x")
    assert "hunter2" not in str(e.value)
