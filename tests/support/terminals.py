"""Terminals of a chosen width: one in this process, and a pseudo-terminal for a command."""

from __future__ import annotations

import fcntl
import io
import os
import re
import struct
import subprocess
import sys
import termios

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class FakeTerminal(io.StringIO):
    """A stdout that says it is a terminal; its width is COLUMNS."""

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        """What it shows, without styles."""
        return _ESCAPE.sub("", self.getvalue())


def in_terminal(width: int, *command: str) -> str:
    """What `paretoken COMMAND` shows in a real terminal of this width; its stderr too."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    line = [sys.executable, "-m", "paretoken", *command]
    with subprocess.Popen(line, stdin=slave, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        shown = b"".join(iter(lambda: _read(master), b""))
        process.wait()
    os.close(master)
    return _ESCAPE.sub("", shown.decode()).replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux answers EIO once the other side is closed
        return b""
