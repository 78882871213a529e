"""The live view of a benchmark: load, users running, tok/s, TTFT and TPOT now, errors."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from paretoken.cli.output import console, echo

if TYPE_CHECKING:
    from paretoken.bench.client.counters import Progress
    from paretoken.bench.plan import Load, Stop
    from paretoken.bench.run_folder import LevelOnDisk

WINDOW_S = 3.0


class Quiet:
    """No live view: one line on stderr for each finished level."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begins(self, number: int, load: Load, of: int | None, stop: Stop) -> None:
        pass

    def goes_on(self, progress: Progress) -> None:
        pass

    def ends(self, level: LevelOnDisk) -> None:
        from paretoken.cli.measure.levels import one_line

        echo(one_line(level.summary), err=True)


class LiveView:
    """Two lines that change while a level runs, and a line for each finished level."""

    def __init__(self) -> None:
        self.live = Live(console=console(stderr=True), refresh_per_second=4, transient=True)
        self.number, self.load = 0, ""
        self.of: int | None = None
        self.stop: Stop | None = None
        self.recent: deque[Progress] = deque()

    def __enter__(self) -> Self:
        self.live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.live.__exit__(kind, error, traceback)

    def begins(self, number: int, load: Load, of: int | None, stop: Stop) -> None:
        from paretoken.bench.plan import describe_load

        self.number, self.of = number, of
        self.load = describe_load(load).name
        self.stop = stop
        self.recent.clear()

    def goes_on(self, progress: Progress) -> None:
        self.recent.append(progress)
        while len(self.recent) > 2 and progress.elapsed_s - self.recent[0].elapsed_s > WINDOW_S:
            self.recent.popleft()
        self.live.update(self._picture(progress))

    def ends(self, level: LevelOnDisk) -> None:
        from paretoken.cli.measure.levels import one_line

        self.live.console.print(one_line(level.summary))

    def _picture(self, now: Progress) -> Group:
        before = self.recent[0]
        span = max(now.elapsed_s - before.elapsed_s, 1e-9)
        ttft = _mean(now.ttft_sum_s - before.ttft_sum_s, now.ttft_count - before.ttft_count)
        tpot = _mean(now.tpot_sum_s - before.tpot_sum_s, now.tpot_count - before.tpot_count)
        of = f"/{self.of}" if self.of else ""
        head = Text(f"level {self.number}{of}: {self.load}", style="bold")
        left = seconds_left(self.stop, now) if self.stop else None
        head.append(
            f"   {now.elapsed_s:.0f} s" + (f", about {left:.0f} s left" if left and left >= 1 else ""), style="dim"
        )
        running = f"running {now.running}"
        if now.sessions_begun:
            sessions = now.sessions_begun - now.sessions_ended
            running = f"sessions {sessions}   requests in flight {now.running}"
        figures = (
            f"{running}   {(now.tokens - before.tokens) / span:,.0f} tok/s   "
            f"TTFT {ttft}   TPOT {tpot}   finished {now.finished}"
        )
        line = Text(figures)
        if now.errors:
            line.append(f"   errors {now.errors}", style="bold red")
        if now.sessions_failed:
            line.append(f"   failed sessions {now.sessions_failed}", style="bold red")
        if not now.sending:
            line.append("   waiting for the last responses", style="dim")
        rows: list[Text | ProgressBar] = [head, line]
        if self.of:
            rows.append(ProgressBar(total=self.of, completed=self.number - 1, width=40))
        return Group(*rows)


def seconds_left(stop: Stop, now: Progress) -> float | None:
    """Seconds until the first limit of the level is reached at the pace so far; None before there is a pace."""
    ends = []
    if stop.seconds is not None:
        ends.append(stop.seconds + stop.warmup_s - now.elapsed_s)
    of = ((stop.requests, now.finished), (stop.tokens, now.tokens), (stop.sessions, now.sessions_ended))
    for limit, done in of:
        if limit is not None and done:
            extra = stop.warmup_requests if limit is stop.requests else 0
            ends.append((limit + extra - done) * now.elapsed_s / done)
    return max(0.0, min(ends)) if ends else None


def _mean(total_s: float, count: int) -> str:
    return f"{total_s / count * 1000:,.0f} ms" if count > 0 else "–"
