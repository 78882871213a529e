"""How far a long computation is, on stderr: one moving line for people, nothing on a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

SHORT_S = 2.0
"""A computation that takes no longer shows no bar."""


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


@contextmanager
def bar_on_stderr(title: str, unit: str, *, after_s: float = SHORT_S) -> Iterator[Callable[[int, int], None]]:
    """A function that takes how many are done, of how many; a bar shows it from `after_s` after its first call on."""
    if not sys.stderr.isatty():
        yield lambda done, of: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from paretoken.cli.output import console

    columns = (
        TextColumn(title, markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit, markup=False),
        TimeElapsedColumn(),
    )
    bar = Progress(*columns, console=console(stderr=True), transient=True)
    task = bar.add_task(title, total=None)
    timer = Timer(after_s, bar.start)
    timer.daemon = True

    def show(done: int, of: int) -> None:
        bar.update(task, completed=done, total=of)
        if timer.ident is None:
            timer.start()

    try:
        yield show
    finally:
        if timer.ident is not None:
            timer.cancel()
            timer.join()
        bar.stop()
