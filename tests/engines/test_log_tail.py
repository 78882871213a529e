"""The last lines of a server's log in an error: visible, and without the secrets of its environment."""

from __future__ import annotations

from paretoken.engines.process import ServerProcess

KEY = "q7/Lm2+x9w4Zk1v8"


def test_secrets_and_controls_of_a_log_are_not_repeated(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY[::-1])
    log = tmp_path / "server.log"
    log.write_text(
        f"token {KEY}\nwandb {KEY[::-1]}\nargs --api-key abc123def --port 1\n\tmodel \x1b]0;x\x07\u202e\n"
        f"part {KEY[3:13]}\nurl http://user:word@host/ max_tokens=5\n"
    )
    tail = ServerProcess("x", ["x"], log, env={"HF_TOKEN": KEY, "PORT_OF_KEY_VALUE": "max_tokens=5"}).tail()
    lines = [line.strip() for line in tail.splitlines()[1:]]
    assert lines == [
        "token ***",
        "wandb ***",
        "args --api-key … --port 1",
        r"\tmodel \x1b]0;x\x07\u202e",
        "part ***",
        "url http://…@host/ max_tokens=5",
    ]
