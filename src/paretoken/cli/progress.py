"""What a long computation is at, on stderr: one moving line for people, nothing on a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def told_on_stderr(title: str) -> Iterator[Callable[[str], None]]:
    """A function that shows where the work is, while it lasts."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console

    with Console(stderr=True).status(title) as status:
        yield lambda text: status.update(f"{title}: {text}")
