"""A `paretoken serve` or `mcp --http` of its own process, until a test is done with it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OFFLINE = {"HF_HUB_OFFLINE": "1"}


@contextmanager
def serving(*words: str, folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address that the command says, and its process; it ends as by Ctrl-C."""
    command = [sys.executable, "-m", "paretoken", *words, str(folder), "--port", "0"]
    environment = {**os.environ, **OFFLINE}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment) as process:
        assert process.stdout is not None
        try:
            address = re.search(r"http://\S+", process.stdout.readline())
            assert address is not None, "the server said no address"
            yield address[0].rstrip(";"), process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)
