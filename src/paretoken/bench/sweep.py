"""Run the levels of a benchmark one after another: a ladder, rates, or a search; each finished one on disk.

for level in sweep(setup, run_folder, watch): …
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from paretoken.bench.client.connection import tls_context
from paretoken.bench.client.counters import Progress
from paretoken.bench.client.level import LevelResult
from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.run import run_level
from paretoken.bench.config import OSL, BenchConfig
from paretoken.bench.plan import Closed, Load, PromptSource, Stop
from paretoken.bench.run_folder import LevelOnDisk, RunFolder
from paretoken.bench.schedule import LoadSchedule, load_schedule
from paretoken.bench.setup import Setup
from paretoken.bench.stats.level_summary import ErrorSummary, FleetRecord, LevelTimes
from paretoken.bench.stats.scrape import Scraper, ServerMetrics, fetch
from paretoken.bench.workload.bodies import Synthetic
from paretoken.bench.workload.conversation import Conversations, Talk
from paretoken.bench.workload.lengths import Fixed, RequestLengths
from paretoken.bench.workload.prompts import Correction
from paretoken.bench.workload.sessions.source import SessionSource
from paretoken.errors import EndpointFailed

JUDGE_EVERY_S = 3.0
PROBES = 4
PROBE_TURNS, PROBE_TOKENS = 2, 32
"""Of the conversations that show what a chat template adds to each turn."""


class Watch(Protocol):
    """An observer of a sweep: a live view, or a record of where it is."""

    def begins(self, number: int, load: Load, of: int | None, stop: Stop) -> None:
        """A level starts and will end by `stop`; `of` is the number of levels, None in a search."""

    def goes_on(self, progress: Progress) -> None:
        """Called some times a second while it runs."""

    def ends(self, level: LevelOnDisk) -> None:
        """A level is finished and on disk."""


Measure = Callable[[Setup, RunFolder, int, Load, Correction, Watch], LevelOnDisk]
"""Measures one level into a run: its number, its load, the correction of its prompts' lengths."""


def sweep(
    setup: Setup, folder: RunFolder, watch: Watch, steps: LoadSchedule | None = None, run_one: Measure | None = None
) -> Iterator[LevelOnDisk]:
    """Measure level after level; a level that is on disk already is not measured again.

    `run_one` measures a level in another way than `measure`, from this machine alone.

    A level with too many errors is kept, marked failed and left out of the points; the sweep then continues or
    stops as the configuration says. BadConfig while another process measures into the folder.
    """
    with folder.alone():
        if setup.sessions is not None and setup.block is not None:
            folder.keep_sessions(setup.sessions, setup.config, setup.block.tokens)
        yield from _levels(setup, folder, watch, steps or load_schedule(setup), run_one or measure)


def _levels(
    setup: Setup, folder: RunFolder, watch: Watch, steps: LoadSchedule, run_one: Measure
) -> Iterator[LevelOnDisk]:
    correction = None
    number = 0
    while (load := steps.next_load()) is not None:
        number += 1
        level = folder.finished(number)
        if level is None:
            if correction is None:
                correction = Correction() if setup.counts_itself else learn_correction(setup, folder)
            watch.begins(number, load, steps.levels, setup.stop(load))
            level = run_one(setup, folder, number, load, correction, watch)
        watch.ends(level)
        yield level
        if level.summary.failed and setup.config.on_error == "stop":
            break
        steps.observe(load, level)
    folder.refresh(steps.answer())


def measure(
    setup: Setup, folder: RunFolder, number: int, load: Load, correction: Correction, watch: Watch
) -> LevelOnDisk:
    """One level, from the first request to its files."""
    config, stop = setup.config, setup.stop(load)
    place = folder.clear(number)
    tls = tls_context(_path(config.cafile), config.insecure)
    scraper = Scraper([s.base_url for s in setup.servers], fetch=partial(fetch, tls=tls))
    with scraper if setup.servers else nullcontext():
        result = run_level(
            setup.endpoints,
            setup.api,
            setup.source_of(number, correction),
            load,
            stop,
            folder=place,
            client=ClientOptions(
                workers=min(config.workers, load.users) if isinstance(load, Closed) else config.workers,
                api_key=setup.api_key,
                headers=setup.headers,
                timeout_s=config.timeout_s,
                balance=config.spread,
                cafile=_path(config.cafile),
                insecure=config.insecure,
            ),
            on_progress=_Judge(setup, load, stop, place, watch),
        )
    return finish(setup, folder, number, load, result, scraper.result)


def finish(
    setup: Setup,
    folder: RunFolder,
    number: int,
    load: Load,
    result: LevelResult,
    server: ServerMetrics | None,
    fleet: FleetRecord | None = None,
) -> LevelOnDisk:
    """The files of a level that was measured: its requests, its summary, the tables of the run."""
    from paretoken.bench.stats.metrics import sample  # not before the load: it takes a while
    from paretoken.bench.stats.sessions.table import read_traced
    from paretoken.bench.stats.summary import LevelContext, summarise_samples

    requests, config = result.requests, setup.config
    if setup.possible is not None and setup.block is not None:
        requests = setup.possible.added(requests, setup.block.tokens)
    samples, outcomes = sample(requests), requests.select("status", "detail", "due_ns")
    folder.keep_requests(number, requests)
    # The records of a long level are large, so they go before the figures are computed.
    requests = requests.clear()
    result = replace(result, requests=requests)
    context = LevelContext(
        columns=({"workload": setup.workload} if setup.workload else {}) | setup.columns(),
        config=_compared(config),
        times=LevelTimes(
            t0_unix_s=result.t0_unix_s,
            t0_monotonic_s=result.t0_monotonic_ns / 1e9,
            sending_s=result.sending_s,
            elapsed_s=result.elapsed_s,
        ),
        seed=setup.seed,
        n_gpus=config.gpus,
        slos=setup.slos,
        implied_hit_rate=setup.implied_hit_rate,
        traced=read_traced(folder.folder),
        beyond_context=setup.sessions.beyond_context if setup.sessions else 0,
        context_tokens=setup.sessions.context_tokens if setup.sessions else None,
    )
    summary = summarise_samples(
        samples, outcomes, load, context, stop=setup.stop(load), fidelity=result.fidelity, server=server
    )
    failed = _why_failed(summary.errors, config.max_error_rate, setup.until.seconds) or None
    return folder.keep(number, replace(summary, fleet=fleet, failed=failed))


def learn_correction(setup: Setup, folder: RunFolder) -> Correction:
    """The tokens that the server counts beyond ours (BOS, chat template), from the usage of a few short requests."""
    short = _short(setup.source_of(0, Correction()))
    place = folder.clear(0)
    result = run_level(
        setup.endpoints[:1],
        setup.api,
        short,
        Closed(1),
        Stop(requests=PROBES),
        folder=place,
        client=ClientOptions(
            api_key=setup.api_key,
            headers=setup.headers,
            timeout_s=setup.config.timeout_s,
            cafile=_path(setup.config.cafile),
            insecure=setup.config.insecure,
        ),
    )
    requests = result.requests
    counted = requests.filter(
        (requests["status"] == "ok") & (requests["planned_input"] >= 0) & (requests["input_tokens"] > 0)
    )
    for file in place.iterdir():
        file.unlink()
    place.rmdir()
    if requests.height and (requests["status"] != "ok").all():
        details = requests["detail"].drop_nulls()
        raise EndpointFailed(
            f"{setup.endpoints[0].base_url} answers no requests ({requests['status'][0]}"
            + (f": {details[0]}" if len(details) else "")
            + "); check --api, --model and the server's log"
        )
    rows = counted.select("turn", "planned_input", "input_tokens").rows()
    return Correction.learn([((turn or 0) + 1, ours, served) for turn, ours, served in rows])


def _short(base: PromptSource) -> PromptSource:
    """Requests for one token each, with prompts as the run has them: alone, or as turns of a conversation."""
    if isinstance(base, Synthetic):
        lengths = RequestLengths(base.lengths.isl, Fixed(1))
        return Synthetic(plan=base.plan, lengths=lengths, bodies=base.bodies, total=PROBES)
    if isinstance(base, SessionSource):
        turns = Talk(Fixed(PROBE_TURNS), Fixed(PROBE_TOKENS), Fixed(1))
        return SessionSource(plan=base.plan, sessions=Conversations(base.plan, turns), bodies=base.bodies)
    return base


class _Judge:
    """Passes progress on, and ends a level once it is precise enough."""

    def __init__(self, setup: Setup, load: Load, stop: Stop, place: Path, watch: Watch) -> None:
        self.load, self.stop, self.place, self.watch = load, stop, place, watch
        self.target, self.seed = setup.until.precision, setup.seed
        self.next_s = time.monotonic() + JUDGE_EVERY_S

    def __call__(self, progress: Progress) -> bool:
        self.watch.goes_on(progress)
        if self.target is None or time.monotonic() < self.next_s:
            return False
        from paretoken.bench.client.journal import SUFFIX, merge_journals
        from paretoken.bench.stats.metrics import sample
        from paretoken.bench.stats.precision import Precision

        started = time.monotonic()
        requests = merge_journals(sorted(self.place.glob(f"*{SUFFIX}")))
        rule = Precision(self.target, self.seed)
        met = bool(requests.height) and rule.judge(sample(requests), self.load, self.stop).stop
        self.next_s = time.monotonic() + max(JUDGE_EVERY_S, 5 * (time.monotonic() - started))
        return met


def _why_failed(errors: ErrorSummary, max_error_rate: float, seconds: float | None) -> str:
    """Why a level does not count, empty where it does."""
    if not errors.requests:
        return "no request was due" + (f" within {seconds:g} s" if seconds else "")
    if errors.rate > max_error_rate:
        return f"{errors.rate:.1%} of requests failed, more than --max-error-rate {max_error_rate:.1%}"
    return "" if errors.ok else f"no request of {errors.requests} was answered completely"


def _compared(config: BenchConfig) -> dict[str, object]:
    """The settings that must be equal for two runs to be compared."""
    settings = {k: v for k, v in config.as_dict().items() if k in _COMPARED} | {"osl": config.osl or OSL}
    # Runs before there was a choice had the answers of the trace.
    return settings | ({"answers": config.answers} if config.answers != "trace" else {})


def _path(text: str | None) -> Path | None:
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
    "idle_cap_s",
)
