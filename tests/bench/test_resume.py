"""A run continued: its folder does not choose who gets a key, and holds none; what is secret is asked for again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paretoken.bench.run_folder import RUN
from tests.support.odd_server import odd_server

KEY = "sk-of-the-user-0123456789"
SHAPE = "--isl 8 --osl 4 --prompt-unit words --concurrency 1,2 --until 0.5s"


@pytest.fixture
def with_key(monkeypatch):
    monkeypatch.setenv("PARETOKEN_API_KEY", KEY)


def cut(run: Path) -> None:
    """The run as if its second level had not been measured."""
    (run / "levels" / "0002" / "summary.json").unlink()


def written(run: Path) -> bytes:
    return b"".join(p.read_bytes() for p in run.rglob("*") if p.is_file())


def test_a_folder_does_not_choose_who_gets_the_key(call, tmp_path, with_key):
    with odd_server() as server, odd_server() as other:
        assert call(f"bench {server.url} {SHAPE} --out run")[0] == 0
        assert server.saw(KEY) and KEY.encode() not in written(tmp_path / "run")
        cut(tmp_path / "run")
        document = json.loads((tmp_path / "run" / RUN).read_text())
        document["config"]["urls"] = [other.url]
        (tmp_path / "run" / RUN).write_text(json.dumps(document))
        code, _, err = call("bench --resume run --force")
        assert code == 0 and other.asks and not other.saw(KEY)
        assert "no API key is sent" in err and f"paretoken bench {other.url} --resume run" in err
        code, _, err = call(f"bench {server.url} --resume run")
        assert code == 2 and "name the same servers" in err


def test_the_key_goes_to_the_server_that_the_user_names(call, tmp_path, with_key):
    def answer(ask):
        return None if ask.headers.get("authorization") == f"Bearer {KEY}" else (401, {"error": "no key"})

    with odd_server(answer) as server:
        assert call(f"bench {server.url} {SHAPE} --out run")[0] == 0
        cut(tmp_path / "run")
        code, _, err = call("bench --resume run")
        assert code == 2 and f"paretoken bench {server.url} --resume run" in err.strip().splitlines()[-1]
        assert call(f"bench {server.url} --resume run")[0] == 0
    assert (tmp_path / "run" / "levels" / "0002" / "summary.json").exists()


def test_headers_and_secrets_in_the_body_are_asked_for_again(call, tmp_path, monkeypatch):
    monkeypatch.setenv("TEAM", "blue-team-of-the-user")
    body = '{"password":"hunter2-of-the-user","top_k":1}'
    more = f"--header X-Team:$TEAM --query api-version=1 --extra-body {body}"
    with odd_server() as server:
        assert call(f"bench {server.url} {SHAPE} {more} --out run")[0] == 0
        last = server.posts[-1]
        assert last.headers["x-team"] == "blue-team-of-the-user" and last.path == "/v1/completions?api-version=1"
        assert last.body["password"] == "hunter2-of-the-user"
        run = tmp_path / "run"
        assert b"of-the-user" not in written(run)
        cut(run)
        for line, says in {
            "--resume run": "--header 'X-Team: $VARIABLE'",
            "--resume run --header X-Team:$TEAM": "name the servers",
            f"{server.url} --resume run --header X-Team:$TEAM": "add the same --extra-body again",
            f"{server.url} --resume run --header X-Team:$TEAM --extra-body {{}}": "differs from that of run",
        }.items():
            code, _, err = call(f"bench {line}")
            assert code == 2 and says in err.strip().splitlines()[-1], err
        code, _, err = call(f"bench {server.url} --resume run --header X-Team:$TEAM --extra-body {body}")
        assert code == 0, err
        assert server.posts[-1].body["password"] == "hunter2-of-the-user" and b"of-the-user" not in written(run)


def test_a_secret_in_an_answer_is_in_no_file(call, tmp_path, monkeypatch):
    monkeypatch.setenv("TEAM", "blue-team-of-the-user")

    def answer(ask):
        return (500, {"error": f"team {ask.headers.get('x-team')} has no quota"}) if ask.method == "POST" else None

    with odd_server(answer) as server:
        code, out, err = call(
            f"bench {server.url} {SHAPE} --vocab-size 99 --dialect vllm --header X-Team:$TEAM --out run"
        )
    assert "blue-team" not in out + err and b"blue-team-of" not in written(tmp_path / "run") and code in (1, 2)


def test_the_key_of_other_programs_is_not_sent_over_plain_http(call, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("paretoken.bench.keys.is_loopback", lambda url: False)
    with odd_server() as server:
        code, _, err = call(f"bench {server.url} {SHAPE} --out run")
        assert code == 0 and not server.saw(KEY)
        assert err.count("OPENAI_API_KEY is not sent") == 1 and KEY not in err
