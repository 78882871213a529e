"""A few load levels at a few pairs of lengths, each pair a run in a folder of its own, within a budget of time.

    DIR/pace/            the highest load for a few seconds: how long a request takes
    DIR/1024-256/        the levels of one pair of lengths, a run like any of `paretoken bench`

All runs are begun before the first level, so the folder holds what is still to do: measuring goes on where it ended.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from paretoken.bench.access import Access
from paretoken.bench.begin import Restated, Run, resume
from paretoken.bench.config import BenchConfig
from paretoken.bench.keys import ApiKey
from paretoken.bench.run_folder import POINTS, RUN, RunFolder
from paretoken.bench.schedule import load_schedule
from paretoken.bench.secrets import shown_command
from paretoken.bench.server_url import host_root
from paretoken.bench.setup import Setup, prepare
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.sweep import Watch, sweep
from paretoken.catalog.loader import Catalog
from paretoken.emulated import unmarked
from paretoken.errors import BadConfig, EndpointFailed, ParetokenError
from paretoken.foreign_text import visible

PACE = "pace"
PACE_SHARE = 0.04
"""Share of the budget in which the pace of the highest load is found."""
SLOTS_AT = {"llamacpp": ("/props", "total_slots"), "sglang": ("/get_server_info", "max_running_requests")}
"""Where engines state how many requests they compute at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The loads of one pair of lengths (in the grammar of `--isl`), each for so many seconds."""

    name: str
    isl: str
    osl: str
    users: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class ShortLadder:
    """The runs of one folder: begun, and measured as far as `sweep` has come."""

    folder: Path
    runs: tuple[Run, ...]

    @property
    def levels(self) -> int:
        """Levels of all runs, finished or not."""
        return sum(run.schedule.levels or 0 for run in self.runs)

    @property
    def points(self) -> list[Path]:
        """The files of points measured so far, without those of the pace."""
        return sorted(p for p in self.folder.glob(f"*/{POINTS}") if p.parent.name != PACE)


def probed(config: BenchConfig, key: ApiKey, catalog: Catalog) -> Setup:
    """The setup of a run against the server; errors are one sentence each."""
    setup = prepare(config, api_key=key.value, catalog=catalog)
    return replace(setup, notes=(*((key.note,) if key.note else ()), *setup.notes))


def check_server(setup: Setup, speculative: str, catalog: Catalog) -> None:
    """BadConfig where the server says that it is another engine, serves another model or drafts, unlike what is stated.

    A name of a model counts only where the settings do not name it: servers may call a model anything.
    """
    server, config = setup.servers[0], setup.config
    stated = config.engine or ""
    if server.dialect in catalog.engines and not server.emulated:
        engine = catalog.engines.id_of(server.dialect)
        if engine not in (stated, catalog.engines[stated].core):
            raise BadConfig(f"{server.base_url} is {engine}, but --engine {stated} was given; use --engine {engine}")
    name = unmarked(setup.endpoints[0].model)
    model = catalog.models.find(name)
    if config.model is None and model is not None and model != config.catalog_model:
        raise BadConfig(
            f"{server.base_url} serves {visible(name)}, but --model {config.catalog_model} was given; use --model "
            f"{model}, or add --served-model {visible(name)} if the server only calls it so"
        )
    drafting = setup.columns().get("speculative")
    if drafting is not None and (drafting == "none") != (speculative == "none"):
        raise BadConfig(f"{server.base_url} says speculative is {drafting}; add --speculative {drafting}")


def slots(setup: Setup) -> int | None:
    """Requests that the server computes at once, where it states that."""
    server = setup.servers[0]
    if server.dialect not in SLOTS_AT:
        return None
    path, name = SLOTS_AT[server.dialect]
    document = Access.of(setup.config, setup.api_key).reader().try_get(host_root(server.base_url) + path)
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def measure_pace(setup: Setup, folder: Path, minutes: float, watch: Watch) -> tuple[float, float]:
    """Median TTFT and TPOT in seconds, from a few seconds of the setup's load. EndpointFailed if there is none."""
    setup = replace(setup, until=replace(setup.until, seconds=max(60 * minutes * PACE_SHARE, 1.0)))
    run = _begun(setup, folder / PACE)
    (level,) = sweep(setup, run.folder, watch, load_schedule(setup))
    latency, failed = level.summary.latency, level.summary.failed
    if failed or latency.ttft_s.p50 is None or latency.tpot_s.p50 is None:
        why = failed or "no answer of two tokens or more"
        raise EndpointFailed(f"{setup.config.urls[0]} gives no pace to plan with: {why}; check the server's log")
    return latency.ttft_s.p50, latency.tpot_s.p50


def begin_ladder(
    config: BenchConfig, key: ApiKey, catalog: Catalog, folder: Path, levels: Sequence[Levels]
) -> ShortLadder:
    """All runs of a ladder, none of them measured yet."""
    setups = []
    for pair in levels:
        users = ",".join(map(str, pair.users))
        own = replace(config, isl=pair.isl, osl=pair.osl, concurrency=users, until=f"{pair.seconds:g}s")
        setups.append(probed(own, key, catalog))
    return ShortLadder(folder, tuple(_begun(s, folder / pair.name) for s, pair in zip(setups, levels, strict=True)))


def begun_ladder(config: BenchConfig, folder: Path) -> ShortLadder | None:
    """The ladder that a folder holds, None where it holds none; BadConfig where it is of another deployment."""
    places = [p.parent for p in sorted(folder.glob(f"*/{RUN}")) if p.parent.name != PACE]
    for place in places:
        theirs = BenchConfig.of_dict(RunFolder(place).metadata().config, place / RUN)
        for name in ("accelerator", "catalog_model", "engine", "precision", "tp", "gpus"):
            if getattr(theirs, name) != getattr(config, name):
                raise BadConfig(
                    f"{folder} holds runs of {name.removeprefix('catalog_')} {getattr(theirs, name)}, not "
                    f"{getattr(config, name)}; give another --runs"
                )
    restated = Restated(urls=config.urls)
    return ShortLadder(folder, tuple(resume(place, restated) for place in places)) if places else None


def measure_ladder(ladder: ShortLadder, watch: Watch) -> Iterator[LevelSummary]:
    """Measure what is not finished; ends early where the server fails. EndpointFailed if it answered nothing at all."""
    for run in ladder.runs:
        try:
            for level in sweep(run.setup, run.folder, watch, run.schedule):
                yield level.summary
                if level.summary.failed:
                    return
        except ParetokenError as error:
            if not ladder.points:
                raise EndpointFailed(str(error)) from error
            return


def _begun(setup: Setup, folder: Path) -> Run:
    place = RunFolder(folder)
    if not (folder / RUN).is_file():
        place.create(setup.metadata(shlex.join(["paretoken", *shown_command(sys.argv[1:])])))
    return Run(setup, place, load_schedule(setup))
