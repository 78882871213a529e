"""The `paretoken predict` command that repeats a predicted point of sessions."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields
from pathlib import Path

from paretoken.predict.deployment import Deployment
from paretoken.predict.request import SETTINGS, DeploymentRequest
from paretoken.predict.settings import DEFAULT, shown_name

_ALWAYS = ("accelerator", "model", "precision", "engine", "tp")


def predict_command(
    deployment: Deployment,
    workload: str,
    users: float,
    *,
    catalog: Sequence[Path] = (),
    usd_per_gpu_h: float | None = None,
) -> str:
    """The command, with `usd_per_gpu_h` where that is not the listed price."""
    price = [] if usd_per_gpu_h is None else ["--price", f"{deployment.accelerator}={usd_per_gpu_h!r}"]
    folders = [part for folder in catalog for part in ("--catalog", str(folder))]
    load = ["--workload", workload, "--concurrency", f"{users:.0f}"]
    return shlex.join(["paretoken", "predict", *_options(deployment), *load, *price, *folders])


def stated_settings(deployment: Deployment) -> dict[str, str]:
    """The settings that differ from the engine's defaults, by the names that options have."""
    values = {name: getattr(deployment.settings, name) for name in SETTINGS}
    return {shown_name(name): f"{value}" for name, value in values.items() if value != getattr(DEFAULT, name)}


def _options(d: Deployment) -> Iterator[str]:
    """Names of the deployment, its parallelism where it is not the default, and the stated settings."""
    defaults = {f.name: f.default for f in fields(DeploymentRequest) if f.name != "settings"}
    for name in (*_ALWAYS, *(name for name in defaults if name not in _ALWAYS)):
        value = getattr(d, name)
        default = d.tp * d.pp if name == "gpus" else defaults[name]
        if default is MISSING or name in _ALWAYS or value != default:
            yield from _option(name, value)
    for name, text in stated_settings(d).items():
        yield from _option(name, text == "True" or text)


def _option(name: str, value: object) -> Iterator[str]:
    yield f"--{name.replace('_', '-')}"
    if value is not True:
        yield str(value)
