"""The campaign file: a matrix of what to serve and measure, in TOML. Unknown keys are refused with the nearest one."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

from paretoken.bench.config import BenchConfig
from paretoken.catalog.loader import explain
from paretoken.engines.recipes import Override
from paretoken.engines.telemetry.snapshot import is_secret
from paretoken.errors import BadConfig, BadFile, UnknownName

AXES = ("accelerator", "engine", "model", "precision", "tp", "ep", "dp_attention", "workload")
OURS = {
    "urls",
    "model",
    "dialect",
    "tokenizer",
    "workload",
    "isl",
    "osl",
    "concurrency",
    "rate",
    "gpus",
    "accelerator",
    "precision",
    "tp",
    "engine",
    "catalog_model",
    "seed",
    "repeat",
}
"""Settings of a benchmark that the matrix gives."""
When = dict[str, str | int | bool | list[str | int]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Matrix(_Strict):
    """Every combination is a cell; the loads of a cell are one ladder."""

    accelerator: list[str] = Field(default_factory=lambda: ["CPU"])
    engine: list[str] = Field(default_factory=list)
    model: list[str] = Field(default_factory=list)
    precision: list[str] = Field(default_factory=lambda: [""])
    tp: list[PositiveInt] = Field(default_factory=lambda: [1])
    ep: list[PositiveInt] = Field(default_factory=lambda: [1])
    dp_attention: list[bool] = Field(default_factory=lambda: [False])
    workload: list[str] = Field(default_factory=list)
    concurrency: str = ""
    rate: str = ""
    include: list[When] = Field(default_factory=list, description="further cells; axes not named are the matrix's")
    exclude: list[When] = Field(default_factory=list, description="cells to leave out: all keys given match")


class ModelPlace(_Strict):
    """Where weights are: `path` a folder, file or hub name, or one for each precision, engine, or form (hf, gguf).

    `random` makes a small model of that size with random weights, in the form each engine reads.
    """

    path: str | dict[str, str] = ""
    random: str = ""
    tokenizer: str = ""


class Laid(Override):
    """What is laid over the recipes of the cells that match `when`; an empty `when` is all."""

    when: When = Field(default_factory=dict)


class Climb(_Strict):
    """A ladder ends once throughput grows by less than `growth` and the median E2E latency exceeds `e2e_s`."""

    growth: PositiveFloat = 0.02
    e2e_s: PositiveFloat = 60.0


class Running(_Strict):
    """How the campaign is run."""

    order: Literal["given", "random", "interleaved"] = "given"
    seed: int = 0
    repeat: PositiveInt = 1
    retries: NonNegativeInt = 1
    point_timeout_s: PositiveFloat = 3600.0
    warmup_requests: NonNegativeInt = 4
    port: NonNegativeInt = Field(0, le=65535, description="0 for a free one at each start")
    restart: bool = Field(False, description="a fresh server for each workload")
    accuracy: bool = Field(True, description="probe the answers after each start, where a probe is there")
    telemetry_s: PositiveFloat = Field(1.0, description="time between samples")
    climb: Climb | None = None


class Slurm(_Strict):
    """How jobs are asked of Slurm; `lines` are further options of sbatch, `setup` shell lines before each job."""

    partition: str | dict[str, str] = ""
    account: str = ""
    time: str = ""
    gres: str = Field("gpu:{gpus}", description="for jobs that need GPUs")
    most_at_once: PositiveInt | None = None
    requeue: bool = True
    lines: list[str] = Field(default_factory=list)
    setup: list[str] = Field(default_factory=list)


class Campaign(_Strict):
    """A campaign as written."""

    name: str = "campaign"
    title: str = ""
    matrix: Matrix
    models: dict[str, ModelPlace] = Field(default_factory=dict)
    engines: dict[str, Override] = Field(default_factory=dict)
    override: list[Laid] = Field(default_factory=list)
    recipes: dict[str, Path] = Field(default_factory=dict, description="recipe files of the user's own, by engine")
    bench: dict[str, Any] = Field(default_factory=dict)
    run: Running = Field(default_factory=Running)
    slurm: Slurm = Field(default_factory=Slurm)
    catalog: list[Path] = Field(default_factory=list)

    def digest(self) -> str:
        """A hash of what the campaign says; comments and the order of keys do not count."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:16]


def load_campaign(path: Path) -> Campaign:
    """The campaign in a file; its paths are relative to it."""
    try:
        found = Campaign.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as e:
        raise BadFile(f"campaign {path} does not exist; check the path") from e
    except OSError as e:
        raise BadFile(f"campaign {path} cannot be read: {e.strerror}") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise BadFile(f"campaign {path} is not valid TOML: {e}") from e
    except ValidationError as e:
        raise BadConfig(f"campaign {path}: {explain(e, _keys_at(e))}") from e
    _check(found, path)
    return _beside(path.parent.resolve(), found)


def _check(found: Campaign, path: Path) -> None:
    for table in (*found.matrix.include, *found.matrix.exclude, *(laid.when for laid in found.override)):
        for key in table:
            if key not in AXES:
                raise UnknownName(f"axis in campaign {path}", key, list(AXES))
    known = [f.name for f in fields(BenchConfig) if f.name not in OURS]
    for key in found.bench:
        if key in OURS:
            raise BadConfig(f"campaign {path}: bench.{key} is set by the matrix; take it out of [bench]")
        if key not in known:
            raise UnknownName(f"key of [bench] in campaign {path}", key, known)
    for laid in (*found.engines.values(), *found.override):
        for name, value in laid.env.items():
            if value and is_secret(name):
                raise BadConfig(
                    f"campaign {path}: env.{name} looks like a secret, and results are shared; "
                    f'set it in the environment and write {name} = "" here, which passes it on'
                )
    if found.matrix.concurrency and found.matrix.rate:
        raise BadConfig(f"campaign {path}: give matrix.concurrency or matrix.rate, not both")


def _keys_at(error: ValidationError) -> list[str]:
    """The keys known at the place of the first finding."""
    kinds: dict[str, type[BaseModel]] = {
        "matrix": Matrix,
        "run": Running,
        "slurm": Slurm,
        "models": ModelPlace,
        "engines": Override,
        "override": Laid,
    }
    place = error.errors()[0]["loc"]
    if "climb" in place[:-1]:
        return list(Climb.model_fields)
    kind = kinds.get(str(place[0]), Campaign) if len(place) > 1 else Campaign
    return list(kind.model_fields)


def _beside(folder: Path, found: Campaign) -> Campaign:
    def place(path: str) -> str:
        """A path that exists beside the file is meant; all else (a hub name, an absolute path) stays."""
        return str(folder / path) if path and (folder / path).exists() else path

    models = {
        name: m.model_copy(
            update={
                "path": {k: place(v) for k, v in m.path.items()} if isinstance(m.path, dict) else place(m.path),
                "tokenizer": place(m.tokenizer),
            }
        )
        for name, m in found.models.items()
    }
    return found.model_copy(
        update={
            "models": models,
            "recipes": {k: folder / v for k, v in found.recipes.items()},
            "catalog": [folder / c for c in found.catalog],
        }
    )
