"""Run the levels of a benchmark one after another: a ladder, rates, or a search; each finished one on disk.

for level in sweep(setup, run_folder, watch): …
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from paretoken.bench.client.counters import Progress
from paretoken.bench.client.run import LevelResult, run_level
from paretoken.bench.plan import Closed, Load, Stop
from paretoken.bench.run_folder import LevelOnDisk, RunFolder
from paretoken.bench.schedule import LoadSchedule, course
from paretoken.bench.setup import Setup
from paretoken.bench.stats.doubts import TOO_MANY_ERRORS
from paretoken.bench.stats.scrape import Scraper
from paretoken.bench.workload.bodies import Synthetic
from paretoken.bench.workload.lengths import Fixed, Shape
from paretoken.bench.workload.prompts import Correction
from paretoken.errors import ParetokenError

if TYPE_CHECKING:
    import polars as pl

    from paretoken.bench.stats.metrics import Samples

JUDGE_EVERY_S = 3.0
PROBES = 4


class Watch(Protocol):
    """Who looks on: a live view, or nobody."""

    def begins(self, number: int, load: Load, of: int | None, stop: Stop) -> None:
        """A level starts and will end by `stop`; `of` is how many there will be, None in a search."""

    def goes_on(self, progress: Progress) -> None:
        """Some times a second while it runs."""

    def ends(self, level: LevelOnDisk) -> None:
        """A level is finished and on disk."""


Measure = Callable[[Setup, RunFolder, int, Load, Correction, Watch], LevelOnDisk]
"""Measures one level into a run: its number, its load, the correction of its prompts' lengths."""


def sweep(
    setup: Setup, folder: RunFolder, watch: Watch, steps: LoadSchedule | None = None, run_one: Measure | None = None
) -> Iterator[LevelOnDisk]:
    """Measure level after level; a level that is on disk already is not measured again.

    `run_one` measures a level in another way than `measure`, which this machine does alone.

    A level with too many errors is kept, marked failed and left out of the points; the sweep goes on or
    stops as the configuration says.
    """
    steps = steps or course(setup)
    correction = None
    number = 0
    while (load := steps.next_load()) is not None:
        number += 1
        level = folder.finished(number)
        if level is None:
            if correction is None:
                correction = Correction() if setup.counts_itself else learn_correction(setup, folder)
            watch.begins(number, load, steps.levels, setup.stop(load))
            level = (run_one or measure)(setup, folder, number, load, correction, watch)
        watch.ends(level)
        yield level
        if TOO_MANY_ERRORS in level.summary and setup.config.on_error == "stop":
            break
        steps.observe(load, level)
    folder.refresh(steps.answer())


def measure(
    setup: Setup, folder: RunFolder, number: int, load: Load, correction: Correction, watch: Watch
) -> LevelOnDisk:
    """One level, from the first request to its files."""
    config, stop = setup.config, setup.stop(load)
    place = folder.clear(number)
    scraper = Scraper([s.base_url for s in setup.servers]) if setup.servers else nullcontext()
    with scraper:
        result = run_level(
            setup.endpoints,
            config.api,
            setup.source_of(number, correction),
            load,
            stop,
            folder=place,
            workers=min(config.workers, load.users) if isinstance(load, Closed) else config.workers,
            api_key=setup.api_key,
            timeout_s=config.timeout_s,
            balance=config.balance,
            cafile=_path(config.cafile),
            insecure=config.insecure,
            on_progress=_Judge(setup, load, stop, place, watch),
        )
    scraped = scraper.result if isinstance(scraper, Scraper) else None
    return finish(setup, folder, number, load, result, scraped.as_dict() if scraped else None)


def finish(
    setup: Setup,
    folder: RunFolder,
    number: int,
    load: Load,
    result: LevelResult,
    scraped: dict[str, Any] | None,
    **more: Any,
) -> LevelOnDisk:
    """The files of a level that was measured; `more` goes into its summary."""
    from paretoken.bench.stats.metrics import sample  # not before the load: it takes a while

    samples, told = sample(result.requests), result.requests.select("status", "detail", "due_ns")
    folder.keep_requests(number, result.requests)
    result = replace(result, requests=None)  # before the figures are worked out: a long level is large
    summary, point = _summarise(setup, load, setup.stop(load), samples, told, result, scraped)
    return folder.keep(number, summary | more, point)


def learn_correction(setup: Setup, folder: RunFolder) -> Correction:
    """What the server counts beyond our own count (BOS, chat template), from the usage of a few short requests."""
    base = setup.source_of(0, Correction())
    short = (
        Synthetic(base.plan, Shape(base.shape.isl, Fixed(1)), base.bodies, total=PROBES)
        if isinstance(base, Synthetic)
        else base
    )
    place = folder.clear(0)
    result = run_level(
        setup.endpoints[:1],
        setup.config.api,
        short,
        Closed(1),
        Stop(requests=PROBES),
        folder=place,
        api_key=setup.api_key,
        timeout_s=setup.config.timeout_s,
        cafile=_path(setup.config.cafile),
        insecure=setup.config.insecure,
    )
    seen = result.requests.filter(
        (result.requests["status"] == "ok")
        & (result.requests["planned_input"] >= 0)
        & (result.requests["input_tokens"] > 0)
    )
    for file in place.iterdir():
        file.unlink()
    place.rmdir()
    if result.requests.height and seen.is_empty():
        words = result.requests["detail"].drop_nulls()
        if (result.requests["status"] != "ok").all():
            raise ParetokenError(
                f"{setup.endpoints[0].base_url} answers no request ({result.requests['status'][0]}"
                + (f": {words[0]}" if len(words) else "")
                + "); check --api, --model and the server's log"
            )
    return Correction.learn([(1, ours, served) for ours, served in seen.select("planned_input", "input_tokens").rows()])


class _Judge:
    """Passes progress on, and ends a level once it is precise enough."""

    def __init__(self, setup: Setup, load: Load, stop: Stop, place: Any, watch: Watch) -> None:
        self.load, self.stop, self.place, self.watch = load, stop, place, watch
        target = setup.until.precision
        self.precision = _precision(target, setup.seed) if target else None
        self.next_s = time.monotonic() + JUDGE_EVERY_S

    def __call__(self, progress: Progress) -> bool:
        self.watch.goes_on(progress)
        if self.precision is None or time.monotonic() < self.next_s:
            return False
        from paretoken.bench.client.journal import SUFFIX, merge_journals
        from paretoken.bench.stats.metrics import sample

        started = time.monotonic()
        requests = merge_journals(sorted(self.place.glob(f"*{SUFFIX}")))
        met = bool(requests.height) and self.precision.judge(sample(requests), self.load, self.stop).stop
        self.next_s = time.monotonic() + max(JUDGE_EVERY_S, 5 * (time.monotonic() - started))
        return met


def _precision(target: float, seed: int):
    from paretoken.bench.stats.precision import Precision

    return Precision(target, seed)


def _summarise(
    setup: Setup,
    load: Load,
    stop: Stop,
    samples: Samples,
    told: pl.DataFrame,
    result: LevelResult,
    scraped: dict[str, Any] | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    from paretoken.bench.stats.summary import About, summarise_samples

    config = setup.config
    kept = {k: v for k, v in config.as_dict().items() if k in _COMPARED}
    run = {
        "t0_unix_s": result.t0_unix_s,
        "t0_monotonic_s": result.t0_monotonic_ns / 1e9,
        "sending_s": result.sending_s,
        "elapsed_s": result.elapsed_s,
    }
    about = About(setup.columns(), kept, run, setup.seed, config.gpus, setup.slos, setup.implied_hit_rate)
    summary, point = summarise_samples(
        samples, told, load, about, stop=stop, fidelity=result.fidelity.to_dict(), scrape=scraped
    )
    if why := _failed(summary["errors"], config.max_error_rate, setup.until.seconds):
        summary[TOO_MANY_ERRORS] = why
    return summary, point


def _failed(errors: Mapping[str, Any], most: float, seconds: float | None) -> str:
    """Why a level does not count, empty where it does."""
    if not errors["requests"]:
        return "no request was due" + (f" within {seconds:g} s" if seconds else "")
    if errors["rate"] > most:
        return f"{errors['rate']:.1%} of requests failed, more than --max-error-rate {most:.1%}"
    return "" if errors["ok"] else f"none of {errors['requests']} requests was answered in full"


def _path(text: str | None):
    from pathlib import Path

    return Path(text) if text else None


_COMPARED = (
    "api",
    "stream",
    "workload",
    "isl",
    "osl",
    "prefix_share",
    "prefixes",
    "trace",
    "ignore_eos",
    "min_tokens",
    "temperature",
    "prompt_unit",
    "gpus",
    "turns",
    "arrivals",
)
