"""How to repeat a run or a level of one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paretoken.bench.config import BenchConfig
from paretoken.bench.metadata import RunMetadata
from paretoken.bench.run_folder import RUN, LevelOnDisk, RunFolder
from paretoken.errors import BadFile
from paretoken.receipts.bench_line import bench_words
from paretoken.receipts.environment import clients, server_record
from paretoken.receipts.launches import launch_of, other_version
from paretoken.receipts.recipe import ReproductionRecipe, ServerLaunch

_STATED = (
    *("accelerator", "n_gpus", "model", "model_variant", "precision", "engine", "engine_version", "tp", "ep"),
    *("speculative", "speculative_tokens", "kv_cache_dtype", "date"),
)


def recipe_of_run(run: Path, name: str, level: str | None = None) -> ReproductionRecipe:
    """The recipe of a run, or of one of its levels; BadFile for one that it does not have."""
    folder = RunFolder(run)
    metadata, levels = folder.metadata(), folder.levels()
    if not levels:
        raise BadFile(f"{name} has no finished level; finish it, then ask again")
    if level is not None:
        levels = [one for one in levels if one.folder.name == level]
        if not levels:
            raise BadFile(f"{name} has no finished level {level}")
    config = BenchConfig.of_dict(metadata.config, run / RUN)
    point = levels[0].point
    launch = _launch(run, point)
    words, recorded = _bench(metadata, config, levels[0] if level else None)
    return ReproductionRecipe(
        of=f"level {level} of {name}" if level else name,
        kind="level" if level else "run",
        stated={n: v for n in _STATED if (v := point.get(n)) is not None} | _servers(metadata),
        launch=launch,
        bench=tuple(words),
        bench_recorded=recorded,
        clients=tuple(
            f"paretoken {w.tool}{f' ({w.commit})' if w.commit else ''}, Python {w.python}, {w.system}, {w.cpu or 'CPU'}"
            for w in clients(run, levels)
        ),
        unknown=tuple(_unknown(launch, point, level)),
    )


def _servers(metadata: RunMetadata) -> dict[str, object]:
    servers = [
        f"{s.base_url} ({s.dialect or 'unknown'} {s.version or ''})".replace(" )", ")") for s in metadata.run.servers
    ]
    return {"started": metadata.run.started, "servers": ", ".join(servers)}


def _bench(metadata: RunMetadata, config: BenchConfig, level: LevelOnDisk | None) -> tuple[list[str], bool]:
    """The words of the benchmark, and whether they are those that were run."""
    if level is not None:
        return bench_words(config, level.summary.load), False
    words = _words(metadata.run.command)
    if words[:2] == ["paretoken", "bench"]:
        seeded = "--seed" in words or any(word.startswith("--seed=") for word in words)
        return (words if seeded or config.seed is None else [*words, "--seed", str(config.seed)]), True
    return bench_words(config), False


def _launch(run: Path, point: Mapping[str, Any]) -> ServerLaunch:
    """The server of a campaign as it was started; else the command that fits the labels."""
    record = server_record(run)
    if (start := record.start) is None:
        return launch_of(point)
    env = start.get("env")
    digest = (record.machine or {}).get("image_digest")
    return ServerLaunch(
        basis="as started",
        words=tuple(_words(str(start["command"]))),
        env={str(k): str(v) for k, v in env.items()} if isinstance(env, Mapping) else {},
        image=str(start["image"]) if start.get("image") else None,
        digest=str(digest) if digest else None,
        version=str(start["installed_version"]) if start.get("installed_version") else None,
    )


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _unknown(launch: ServerLaunch, point: Mapping[str, Any], level: str | None) -> Iterator[str]:
    """What the run does not hold."""
    if launch.basis != "as started":
        yield "how the server was started: the run was measured against a server that was there already"
    if other := other_version(launch, point):
        yield other
    if launch.image and not launch.digest:
        yield f"the digest of the image {launch.image}; a tag may have moved"
    if not launch.image:
        yield "the container image of the server, if it ran in one"
    if not (launch.version or point.get("engine_version")):
        yield "the version of the engine"
    yield "the revision of the weights: servers do not report it"
    if level not in (None, "0001"):
        yield "the very prompts of this level: alone it is the first of its run, and prompts are drawn by level"
