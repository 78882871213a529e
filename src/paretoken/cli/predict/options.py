"""The options that the verbs of prediction share."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict, TypeVar

import rich_click as click

from paretoken.cli.names import ACCELERATOR, ENGINE, MODEL, PRECISION
from paretoken.cli.options import Finite, catalog_folders, stack
from paretoken.errors import BadConfig

deployment = stack(
    click.option("--accelerator", type=ACCELERATOR, help="Accelerator, by any name in the catalog."),
    click.option("--model", type=MODEL, help="Model, by any name in the catalog."),
    click.option(
        "--precision",
        type=PRECISION,
        metavar="TEXT",
        help="Precision of the weights: bf16, fp8, fp4, int4 (default: the model's own).",
    ),
    click.option("--engine", type=ENGINE, help="Engine: vllm, sglang, trtllm, …"),
    click.option("--tp", default="auto", show_default=True, help="Tensor-parallel size, or auto for all that fit."),
    click.option(
        "--pp", type=click.IntRange(1), default=1, show_default=True, help="Pipeline stages of --tp GPUs each."
    ),
    click.option(
        "--gpus",
        type=click.IntRange(1),
        help="Total GPUs, if more than tp x pp (replicas, attention-DP groups).",
    ),
    click.option("--ep", type=click.IntRange(1), default=1, show_default=True, help="Expert-parallel size."),
    click.option("--dp-attention", is_flag=True, help="Use attention data parallelism."),
    click.option("--speculative", default="none", show_default=True, help="Speculative decoding: none, mtp, eagle, …"),
    click.option("--date", help="Date of the engine, YYYY-MM-DD (default: that of the published points)."),
    catalog_folders,
)
lengths = stack(
    click.option("--isl", type=int, help="Input length, tokens."),
    click.option("--osl", type=int, help="Output length, tokens."),
    click.option(
        "--length-range-ratio",
        "length_range_ratio",
        type=Finite(),
        default=0.8,
        show_default=True,
        help="Draw lengths uniformly from [ratio, 1] of nominal; 1 for equal lengths.",
    ),
)
calibration = click.option(
    "--calibration", type=click.Path(path_type=Path), help="Calibration file (default: the shipped one)."
)


class DeploymentOptions(TypedDict):
    """The values of the options above, under their names."""

    accelerator: str | None
    model: str | None
    precision: str | None
    engine: str | None
    tp: str
    pp: int
    gpus: int | None
    ep: int
    dp_attention: bool
    speculative: str
    date: str | None
    catalog_folders: tuple[Path, ...]
    isl: int | None
    osl: int | None
    length_range_ratio: float
    calibration: Path | None


class DeploymentFields(TypedDict):
    """The fields of a `DeploymentQuestion`."""

    accelerator: str
    model: str
    precision: str | None
    engine: str
    tp: int | None
    pp: int
    gpus: int | None
    ep: int
    dp_attention: bool
    speculative: str
    date: str | None
    catalog: tuple[Path, ...]
    isl: int
    osl: int
    length_range_ratio: float
    calibration: Path | None


def deployment_fields(options: DeploymentOptions) -> DeploymentFields:
    """The options as the fields of a question; BadConfig names the first one that is missing."""
    return {
        "accelerator": _required("accelerator", options["accelerator"]),
        "model": _required("model", options["model"]),
        "engine": _required("engine", options["engine"]),
        "isl": _required("isl", options["isl"]),
        "osl": _required("osl", options["osl"]),
        "tp": _tensor_parallel_size(options["tp"]),
        "precision": options["precision"],
        "pp": options["pp"],
        "gpus": options["gpus"],
        "ep": options["ep"],
        "dp_attention": options["dp_attention"],
        "speculative": options["speculative"],
        "date": options["date"],
        "catalog": options["catalog_folders"],
        "length_range_ratio": options["length_range_ratio"],
        "calibration": options["calibration"],
    }


T = TypeVar("T")


def _required(name: str, value: T | None) -> T:
    if value is None:
        raise BadConfig(f"--{name} is missing; add it, or predict a file with --in")
    return value


def _tensor_parallel_size(text: str) -> int | None:
    """None for auto."""
    if text == "auto":
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 7):
        raise BadConfig(f"--tp is {text!r}; use a whole number or auto")
    return int(text)
