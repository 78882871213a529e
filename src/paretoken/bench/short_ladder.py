"""A few load levels at a few pairs of lengths, each pair a run in a folder of its own, within a time budget.

    DIR/pace/            the highest load for a few seconds: how long a request takes
    DIR/1024-256/        the levels of one pair of lengths, a run like any of `paretoken bench`

All runs begin before the first level, so that the folder says what is left: measuring continues where it ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from paretoken.bench.access import Access
from paretoken.bench.begin import Restated, Run, begin_with, notes_of, prepare_with, resume
from paretoken.bench.config import BenchConfig
from paretoken.bench.keys import ApiKey
from paretoken.bench.run_folder import POINTS, RUN, RunFolder
from paretoken.bench.schedule import load_schedule
from paretoken.bench.server_url import host_root
from paretoken.bench.setup import Setup
from paretoken.bench.short_ladder_plan import LengthPair, RequestPace
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.sweep import Watch, sweep
from paretoken.catalog.loader import Catalog
from paretoken.emulated import unmarked
from paretoken.errors import BadConfig, EndpointFailed
from paretoken.foreign_text import visible

PACE = "pace"
PACE_SHARE = 0.04
"""Share of the time budget for measuring the pace of the highest load."""
SLOTS_AT = {"llamacpp": ("/props", "total_slots"), "sglang": ("/get_server_info", "max_running_requests")}
"""Where engines state the most requests that they batch: a path and its JSON key."""
DEPLOYED = ("accelerator", "catalog_model", "engine", "precision", "tp", "gpus")
"""Settings that all runs of a folder share."""
PACE_LOAD = ("isl", "osl", "concurrency")


@dataclass(frozen=True, slots=True)
class ShortLadder:
    """The runs of one folder, measured in part or not at all."""

    folder: Path
    runs: tuple[Run, ...]

    @property
    def levels(self) -> int:
        """Levels of all runs, finished or not."""
        return sum(run.schedule.levels or 0 for run in self.runs)

    @property
    def points(self) -> list[Path]:
        """The files of points measured so far, without that of the pace."""
        return sorted(p for p in self.folder.glob(f"*/{POINTS}") if p.parent.name != PACE)


def probed(config: BenchConfig, key: ApiKey, catalog: Catalog) -> Setup:
    """The setup of a run against the server."""
    setup = prepare_with(config, key, catalog)
    return replace(setup, notes=(*notes_of(key), *setup.notes))


def check_server(setup: Setup, speculative: str, catalog: Catalog) -> None:
    """BadConfig if the server reports another engine, model or speculative decoding than stated.

    Its model name is not compared if the settings state that name: servers may call a model anything.
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
    """The most requests that the server batches, if it states them."""
    server = setup.servers[0]
    if server.dialect not in SLOTS_AT:
        return None
    path, name = SLOTS_AT[server.dialect]
    document = Access.of(setup.config, setup.api_key).reader().try_get(host_root(server.base_url) + path)
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def length_text(tokens: int, ratio: float) -> str:
    """Lengths uniform in [ratio, 1] of nominal, as `--isl` takes them."""
    return f"uniform:{tokens}:{ratio:g}" if ratio < 1 else str(tokens)


def measure_pace(setup: Setup, users: int, folder: Path, minutes: float, watch: Watch) -> RequestPace:
    """Median TTFT and TPOT of the setup's load of `users`, from a few seconds. EndpointFailed without any."""
    setup = replace(setup, until=replace(setup.until, seconds=max(60 * minutes * PACE_SHARE, 1.0)))
    run = _pace_run(setup, folder)
    (level,) = sweep(setup, run.folder, watch, run.schedule)
    latency, failed = level.summary.latency, level.summary.failed
    if failed or latency.ttft_s.p50 is None or latency.tpot_s.p50 is None:
        held_back = level.summary.in_one_piece
        why = failed or ("answers arrive in one piece" if held_back else "no answer of two tokens or more")
        do = "measure the server directly, not through a proxy" if held_back else "check the server's log"
        raise EndpointFailed(f"{setup.config.urls[0]} gives no pace to plan with: {why}; {do}")
    return RequestPace(users=users, ttft_s=latency.ttft_s.p50, tpot_s=latency.tpot_s.p50)


def _pace_run(setup: Setup, folder: Path) -> Run:
    """The run of the pace, begun or continued. BadConfig if the folder holds the pace of another load."""
    place = folder / PACE
    if not (place / RUN).is_file():
        return begin_with(setup, place)
    _check_same(setup.config, place, (*DEPLOYED, *PACE_LOAD))
    return Run(setup, RunFolder(place), load_schedule(setup))


def begin_ladder(
    config: BenchConfig, key: ApiKey, catalog: Catalog, folder: Path, pairs: Sequence[LengthPair], ratio: float = 1.0
) -> ShortLadder:
    """All runs of a ladder, none of them measured yet; lengths are uniform in [ratio, 1] of nominal."""
    setups = [
        probed(
            replace(
                config,
                isl=length_text(pair.isl, ratio),
                osl=length_text(pair.osl, ratio),
                concurrency=",".join(map(str, pair.users)),
                until=f"{pair.seconds:g}s",
            ),
            key,
            catalog,
        )
        for pair in pairs
    ]
    places = [folder / f"{pair.isl}-{pair.osl}" for pair in pairs]
    return ShortLadder(folder, tuple(begin_with(s, place) for s, place in zip(setups, places, strict=True)))


def begun_ladder(config: BenchConfig, folder: Path, key_file: Path | None = None) -> ShortLadder | None:
    """The ladder in a folder, None if there is none; BadConfig if it measured another deployment."""
    places = [p.parent for p in sorted(folder.glob(f"*/{RUN}")) if p.parent.name != PACE]
    for place in places:
        _check_same(config, place, DEPLOYED)
    restated = Restated(urls=config.urls, key_file=key_file, headers=config.headers)
    return ShortLadder(folder, tuple(resume(place, restated) for place in places)) if places else None


def _check_same(config: BenchConfig, place: Path, names: Sequence[str]) -> None:
    """BadConfig if the run at a place has other values of these settings."""
    begun = BenchConfig.of_dict(RunFolder(place).metadata().config, place / RUN)
    for name in names:
        if getattr(begun, name) != getattr(config, name):
            raise BadConfig(
                f"{place.parent} holds runs of {name.removeprefix('catalog_')} {getattr(begun, name)}, not "
                f"{getattr(config, name)}; give another --runs"
            )


def measure_ladder(ladder: ShortLadder, watch: Watch) -> Iterator[LevelSummary]:
    """Measure the levels left, and end early if the server fails. EndpointFailed if no level was ever finished."""
    for run in ladder.runs:
        try:
            for level in sweep(run.setup, run.folder, watch, run.schedule):
                yield level.summary
                if level.summary.failed:
                    return
        except EndpointFailed:
            if not ladder.points:
                raise
            return
