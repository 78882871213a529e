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
    from rich.text import Text

    from paretoken.cli.output import console
    from paretoken.foreign_text import visible

    with console(stderr=True).status(Text(visible(title))) as status:
        yield lambda text: status.update(Text(visible(f"{title}: {text}")))
