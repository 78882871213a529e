"""Debian's Firefox over Marionette, its own protocol: lines of `LENGTH:JSON` on a local socket."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_S = 120.0
"""Long, because a busy machine is no failure."""

PREFERENCES = """
user_pref("marionette.port", %d);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
"""


class Firefox:
    """One tab; `run` calls a function body in the page and returns its value."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.rest = b""
        self.last = 0
        self._message()
        self._command("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"webSocketUrl": False}}})

    def open(self, url: str) -> None:
        self._command("WebDriver:Navigate", {"url": url})

    def run(self, body: str, *args: object) -> object:
        script = {"script": body, "args": list(args), "sandbox": None}
        return self._command("WebDriver:ExecuteScript", script)["value"]

    def until(self, body: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not self.run(body):
            assert time.monotonic() < end, body
            time.sleep(0.05)

    def _command(self, name: str, parameters: dict) -> dict:
        self.last += 1
        text = json.dumps([0, self.last, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(text), text))
        _, number, error, result = self._message()
        assert number == self.last and error is None, (name, error)
        return result

    def _message(self) -> object:
        while b":" not in self.rest:
            self._receive()
        length, _, self.rest = self.rest.partition(b":")
        while len(self.rest) < int(length):
            self._receive()
        text, self.rest = self.rest[: int(length)], self.rest[int(length) :]
        return json.loads(text)

    def _receive(self) -> None:
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("Firefox closed the connection")
        self.rest += part


@contextmanager
def firefox(binary: str, profile: Path, port: int) -> Iterator[Firefox]:
    """A headless Firefox with a new profile; it ends with the block."""
    profile.mkdir()
    (profile / "user.js").write_text(PREFERENCES % port, encoding="utf-8")
    process = subprocess.Popen(
        [binary, "--headless", "--marionette", "--no-remote", "--profile", str(profile)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        browser = _connected(port, process)
        yield browser
        browser.socket.close()
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _connected(port: int, process: subprocess.Popen[bytes]) -> Firefox:
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return Firefox(port)
        except ConnectionError:
            assert process.poll() is None and time.monotonic() < end, "Firefox does not answer"
            time.sleep(0.2)
