"""A calibration fitted to load levels measured on one server, and how it changes the predictions for that server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import polars as pl
from pydantic import Field

from paretoken.answers.calibrate import save
from paretoken.answers.prediction import DeploymentQuestion
from paretoken.catalog.loader import Catalog
from paretoken.emulated import EMULATED
from paretoken.errors import BadConfig, NoData
from paretoken.points.load import load_points
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.file import Calibration, shipped_calibration
from paretoken.predict.calibration.make import FEWEST_POINTS, calibrate
from paretoken.predict.calibration.sample import CalibrationSample, sample
from paretoken.predict.configure import case
from paretoken.predict.deployment import Case, Deployment
from paretoken.predict.predictor import Predictions, predict_cases

FIGURES = {"tpot": 1e3, "ttft": 1e3, "tput": 1.0}
"""The figures of an answer, and the factor from SI units to those shown: ms, tok/s/GPU."""
MEASURED = {"tpot": "central_tpot_s", "ttft": "central_ttft_s", "tput": "total_tput_per_gpu_tok_s"}
"""The column of operating points that holds each figure."""


@dataclass(frozen=True, kw_only=True)
class CalibrateUrlQuestion(DeploymentQuestion):
    """The deployment that a URL serves, the loads that matter, and the file for its calibration."""

    out: Annotated[Path, Field(description="The calibration file to write")]
    concurrency: Annotated[tuple[int, ...], Field(description="Concurrent requests that matter")] = (1, 4, 16)
    minutes: Annotated[float, Field(description="Time of all load together", gt=0)] = 5.0

    def checked_deployment(self, catalog: Catalog) -> Deployment:
        """The deployment of one server. BadConfig or UnknownName if it is incomplete or cannot be predicted."""
        if self.tp is None:
            raise BadConfig("--tp is missing; state how many GPUs share each layer of the server, such as --tp 1")
        deployment, replicas = self.deployments(catalog)[0]
        if replicas > 1:
            raise BadConfig(f"--gpus {self.gpus} are {replicas} replicas; give the URL and the GPUs of one of them")
        return self.cases(deployment, catalog)[0].deployment

    def cases(self, deployment: Deployment, catalog: Catalog) -> list[Case]:
        """The question's lengths at each of its loads."""
        return [case(deployment, self.lengths, users, catalog=catalog) for users in self.concurrency]


class Interval(NamedTuple):
    """A prediction and the ends of its 90 % interval."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class IntervalChange:
    """One figure at one load of the question before and after: `tpot` and `ttft` in ms, `tput` in tok/s/GPU."""

    concurrency: int
    figure: str
    before: Interval
    after: Interval


@dataclass(frozen=True, kw_only=True)
class MeasuredLevel:
    """One figure of a measured level, and its predictions by the shipped and by the fitted calibration.

    `left_out` is the prediction by a fit to all other levels; None if they are too few. Units are those of
    `IntervalChange`.
    """

    isl: int
    osl: int
    concurrency: float
    figure: str
    measured: float
    before: float
    after: float
    left_out: float | None


@dataclass(frozen=True, kw_only=True)
class CalibrateUrlAnswer:
    """The file, how the intervals of the question changed, and the levels that the calibration was fitted to."""

    out: Path
    points: int
    unusable: int
    emulated: bool
    intervals: tuple[IntervalChange, ...]
    levels: tuple[MeasuredLevel, ...]

    def error(self, figure: str) -> float | None:
        """Median relative error of a figure predicted by fits to the other levels; None without such fits."""
        errors = [
            abs(level.left_out / level.measured - 1)
            for level in self.levels
            if level.figure == figure and level.left_out is not None
        ]
        return float(np.median(errors)) if errors else None


def calibrate_url(question: CalibrateUrlQuestion, files: Sequence[Path], catalog: Catalog) -> CalibrateUrlAnswer:
    """Fit the points of a short ladder on top of the shipped calibration and write it. NoData if too few are usable.

    The prompts of a ladder share no prefix, whatever the question's own prompts do.
    """
    deployment = question.checked_deployment(catalog)
    measured = replace(deployment, settings=replace(deployment.settings, prefix_hits=0.0))
    points, emulated = _own_points(files, measured, catalog)
    calibrations = shipped_calibration(), _fitted(points, measured, catalog)
    save(calibrations[1], question.out)
    learned = sample(points, catalog)
    cases = question.cases(deployment, catalog)
    before, after = (predict_cases(cases, calibration=c, catalog=catalog) for c in calibrations)
    return CalibrateUrlAnswer(
        out=question.out,
        points=len(learned),
        unusable=len(points) - len(learned),
        emulated=emulated,
        intervals=tuple(_changes(question.concurrency, before, after)),
        levels=tuple(_levels(points, learned, measured, calibrations, catalog)),
    )


def _own_points(files: Sequence[Path], d: Deployment, catalog: Catalog) -> tuple[pl.DataFrame, bool]:
    """The measured points as those of the deployment, and whether the server was emulated."""
    if not files:
        raise NoData("no level was finished, so there is nothing to fit; check the server's log and measure again")
    points = load_points(files, published=False, catalog=catalog)
    emulated = bool((points["origin"] == EMULATED).any())
    stated: dict[str, int | str] = {"ep": d.ep, "pp": d.pp, "dp_attention": d.dp_attention}
    stated |= {"origin": "measured", "source": "an emulated server"} if emulated else {}
    return points.with_columns(pl.lit(value).alias(name) for name, value in stated.items()), emulated


def _fitted(points: pl.DataFrame, d: Deployment, catalog: Catalog, own_bands: bool = True) -> Calibration:
    base = shipped_calibration()
    return calibrate(points, base=base, splits=(), settings=d.settings, own_bands=own_bands, catalog=catalog)


def _changes(concurrency: Sequence[int], before: Predictions, after: Predictions) -> Iterator[IntervalChange]:
    for i, users in enumerate(concurrency):
        for figure in FIGURES:
            yield IntervalChange(
                concurrency=users,
                figure=figure,
                before=_interval(before, figure, i),
                after=_interval(after, figure, i),
            )


def _interval(p: Predictions, figure: str, index: int) -> Interval:
    low, high = p.band(figure)
    return Interval(*(float(x[index]) * FIGURES[figure] for x in (_middle(p, figure), low, high)))


def _middle(p: Predictions, figure: str) -> Floats:
    middle: Floats = p.total_tput_per_gpu if figure == "tput" else getattr(p, f"{figure}_s")
    return middle


def _levels(
    points: pl.DataFrame,
    learned: CalibrationSample,
    d: Deployment,
    calibrations: tuple[Calibration, Calibration],
    catalog: Catalog,
) -> Iterator[MeasuredLevel]:
    """Each level with its predictions: by both calibrations, and by a fit to all other levels."""
    cases = [replace(c, deployment=d) for c in learned.cases]
    before, after = (predict_cases(cases, calibration=c, catalog=catalog) for c in calibrations)
    for i, c in enumerate(cases):
        left_out = _left_out(points, learned, i, c, catalog)
        for figure, scale in FIGURES.items():
            measured = learned.table[MEASURED[figure]][i]
            if measured is None:
                continue
            yield MeasuredLevel(
                isl=c.lengths.isl,
                osl=c.lengths.osl,
                concurrency=c.concurrency,
                figure=figure,
                measured=measured * scale,
                before=float(_middle(before, figure)[i]) * scale,
                after=float(_middle(after, figure)[i]) * scale,
                left_out=None if left_out is None else float(_middle(left_out, figure)[0]) * scale,
            )


def _left_out(
    points: pl.DataFrame, learned: CalibrationSample, index: int, level: Case, catalog: Catalog
) -> Predictions | None:
    """A level predicted by a fit to all others; None if they are too few."""
    if len(learned) <= FEWEST_POINTS:
        return None
    row = learned.table.row(index, named=True)
    same = [pl.col(name) == row[name] for name in ("isl", "osl", "concurrency")]
    fitted = _fitted(points.filter(~pl.all_horizontal(same)), level.deployment, catalog, own_bands=False)
    return predict_cases([level], calibration=fitted, catalog=catalog)
