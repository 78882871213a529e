"""A campaign file, read and checked: names, settings of the benchmark, secrets, paths."""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ValidationError

from paretoken.bench.config import BenchConfig
from paretoken.bench.workload.bodies import parse_extra
from paretoken.bench.workload.ladder import parse_until
from paretoken.campaign.cluster_settings import KubernetesSettings, SlurmSettings
from paretoken.campaign.config import (
    AXES,
    BENCH_FILES,
    SET_BY_MATRIX,
    Campaign,
    CampaignMatrix,
    CellOverride,
    ClimbRule,
    ModelWeights,
    RunSettings,
)
from paretoken.catalog.loader import explain
from paretoken.engines.recipes import Override
from paretoken.errors import BadConfig, UnknownName
from paretoken.plain_files import as_type, read_toml
from paretoken.secret_names import is_secret, secret_in_fields, secret_in_words
from paretoken.slo import MEASURED, parse_slos


def load_campaign(path: Path) -> Campaign:
    """The campaign in a file; relative paths start at the file's folder."""
    table = read_toml(path, "campaign")
    try:
        campaign = Campaign.model_validate(table)
    except ValidationError as e:
        raise BadConfig(f"campaign {path}: {explain(e, _keys_at(e))}") from e
    _check(campaign, path)
    return _with_paths(path.parent.resolve(), campaign)


def _check(campaign: Campaign, path: Path) -> None:
    matrix = campaign.matrix
    for table in (*matrix.include, *matrix.exclude, *(override.when for override in campaign.override)):
        for key in table:
            if key not in AXES:
                raise UnknownName(f"axis in campaign {path}", key, list(AXES))
    settings = [f.name for f in fields(BenchConfig) if f.name not in SET_BY_MATRIX]
    for key in campaign.bench:
        if key in SET_BY_MATRIX:
            raise BadConfig(f"campaign {path}: bench.{key} is set by the matrix; remove it from [bench]")
        if key not in settings:
            raise UnknownName(f"key of [bench] in campaign {path}", key, settings)
    _check_bench(campaign, f"campaign {path}: [bench]")
    _check_secrets(campaign, path)
    if matrix.concurrency and matrix.rate:
        raise BadConfig(f"campaign {path}: give matrix.concurrency or matrix.rate, not both")


def _check_bench(campaign: Campaign, where: str) -> None:
    """BadFile or BadConfig where a benchmark would refuse a setting; the server's address is not known yet."""
    values: dict[str, object] = {"urls": ("http://127.0.0.1:8000/v1",), **campaign.bench}
    config = as_type(BenchConfig, values, where, "correct it")
    if config.until:
        parse_until(config.until)
    if config.extra_body:
        parse_extra(config.extra_body)
    parse_slos(config.slo, MEASURED)


def _check_secrets(campaign: Campaign, path: Path) -> None:
    """BadConfig for a secret: the campaign's folder keeps the file, and others may read its scripts and processes."""
    overrides = (*campaign.engines.values(), *campaign.override)
    for variable, value in (item for override in overrides for item in override.env.items()):
        if value and is_secret(variable):
            raise BadConfig(
                f"campaign {path}: env.{variable} looks like a secret, and the folder may be shared; "
                f'set it in the environment and write {variable} = "" here, which passes it on'
            )
    words = [
        *(word for override in overrides for word in (*override.program, *override.extra, *override.volumes)),
        *campaign.slurm.setup,
        *campaign.slurm.lines,
    ]
    fields = {"set": [override.set for override in overrides], "bench": campaign.bench}
    values = (value if isinstance(value, list) else [value] for value in campaign.bench.values())
    texts = [str(text) for value in values for text in value]  # headers, among others
    if name := secret_in_words(words) or secret_in_fields(fields) or secret_in_words(texts):
        raise BadConfig(
            f"campaign {path}: {name} holds a secret, and the folder may be shared; set it in the environment, "
            "which engines inherit"
        )


def _keys_at(error: ValidationError) -> list[str]:
    """The keys allowed where the first error is."""
    kinds: dict[str, type[BaseModel]] = {
        "matrix": CampaignMatrix,
        "run": RunSettings,
        "slurm": SlurmSettings,
        "kubernetes": KubernetesSettings,
        "models": ModelWeights,
        "engines": Override,
        "override": CellOverride,
    }
    where = error.errors()[0]["loc"]
    if "climb" in where[:-1]:
        return list(ClimbRule.model_fields)
    kind = kinds.get(str(where[0]), Campaign) if len(where) > 1 else Campaign
    return list(kind.model_fields)


def _with_paths(folder: Path, campaign: Campaign) -> Campaign:
    """The campaign with its relative paths made absolute."""
    resolved = partial(_resolved, folder)
    models = {
        name: m.model_copy(
            update={
                "path": {k: resolved(v) for k, v in m.path.items()} if isinstance(m.path, dict) else resolved(m.path),
                "tokenizer": resolved(m.tokenizer),
            }
        )
        for name, m in campaign.models.items()
    }
    return campaign.model_copy(
        update={
            "models": models,
            "recipes": {k: folder / v for k, v in campaign.recipes.items()},
            "catalog": [folder / c for c in campaign.catalog],
            "bench": with_bench_files(folder, campaign).bench,
        }
    )


def with_bench_files(folder: Path, campaign: Campaign) -> Campaign:
    """The campaign with the relative paths of [bench] made absolute."""
    files = {key: _resolved(folder, str(campaign.bench[key])) for key in BENCH_FILES if campaign.bench.get(key)}
    return campaign.model_copy(update={"bench": campaign.bench | files})


def _resolved(folder: Path, path: str) -> str:
    """A path that exists in the folder is made absolute; a hub name or an absolute path stays."""
    return str(folder / path) if path and (folder / path).exists() else path
