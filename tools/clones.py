"""Files of a clone of a repository, as they were on a commit or on a day."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType


class Clone:
    """A clone, read through one process of git until it is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader = subprocess.Popen(
            ["git", "-C", str(path), "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.show, self.on_day = cache(self._show), cache(self._on_day)

    def __enter__(self) -> Clone:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._reader.communicate()

    def git(self, *words: str, check: bool = True) -> str:
        """What git prints."""
        command = ["git", "-C", str(self.path), *words]
        return subprocess.run(command, capture_output=True, text=True, check=check).stdout

    def _show(self, commit: str, path: str) -> str | None:
        """The text of a file of a commit, None where it has none."""
        requests, replies = self._reader.stdin, self._reader.stdout
        if requests is None or replies is None:
            return None
        requests.write(f"{commit}:{path}\n".encode())
        requests.flush()
        kind, _, size = replies.readline().rstrip().rpartition(b" ")
        return replies.read(int(size) + 1).decode() if kind.endswith(b" blob") else None

    def _on_day(self, path: str, day: str, branches: Sequence[str]) -> str | None:
        """The last version up to a day on the first branch that has one, else the first version after it."""
        for branch in branches:
            log = self.git("log", branch, "--format=%cs %H", "--no-renames", "--", path, check=False)
            versions = sorted(line.split() for line in log.splitlines())
            before = [c for d, c in reversed(versions) if d <= day]
            for commit in [*before, *(c for d, c in versions if d > day)]:
                if text := self.show(commit, path):
                    return text
        return None
