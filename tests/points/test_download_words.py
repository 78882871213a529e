"""The words of a server that a download fails at: one visible line, without the secrets of the address."""

from __future__ import annotations

import socket
import threading

import pytest

from paretoken.errors import BadFile
from paretoken.points.download import download


def test_a_reason_is_shown_and_not_obeyed(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.0 404 gone\x1b]0;x\x07\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/a?auth=q7Lm2x9w4Zk1&day=1"
        with pytest.raises(BadFile) as failure:
            download(address, tmp_path / "a")
        thread.join()
    assert r"answers 404 gone\x1b]0;x\x07" in str(failure.value)
    assert "auth=…&day=1" in str(failure.value)
    assert "q7Lm" not in str(failure.value)
