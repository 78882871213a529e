"""The error of predictions on points that were held out of the fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from paretoken.answers.bundles import BundlesQuestion
from paretoken.answers.learning import points_data
from paretoken.answers.points import Data
from paretoken.answers.takes import takes
from paretoken.errors import BadConfig, nearest
from paretoken.predict.calibration.make import Scoreboard, cross_validate
from paretoken.predict.calibration.splits import SPLITS
from paretoken.predict.pools.splits import SPLITS as POOL_SPLITS

MODELS = ("targets", "all")


@dataclass(frozen=True, kw_only=True)
class ValidateQuestion(BundlesQuestion):
    """How far are predictions from measured points that were held out of their calibration?

    `splits` say by what points are held out: at random, by model, by accelerator. It takes minutes.
    """

    points: Annotated[tuple[Path, ...], Field(description="Files of operating points; the shipped ones if empty")] = ()
    splits: Annotated[tuple[str, ...], Field(description="Splits to hold out points by; all if empty")] = ()
    models: Annotated[str, Field(description="Score the target models, or all: targets, all")] = "targets"
    workers: Annotated[int, Field(description="Processes", ge=1)] = 2
    catalog: Annotated[tuple[Path, ...], Field(description="Folders that overlay the shipped catalog")] = ()


ValidateAnswer = Scoreboard
"""The answer is the scoreboard itself."""


@takes(ValidateQuestion)
def validate(
    question: ValidateQuestion, data: Data | None = None, on_progress: Callable[[str], None] = lambda text: None
) -> ValidateAnswer:
    """Cross-validate."""
    names = list(dict.fromkeys((*SPLITS, *POOL_SPLITS)))
    for name in question.splits:
        if name not in names:
            near = nearest(name, names) or sorted(names)
            raise BadConfig(f"no split {name!r}; did you mean {near[0]!r}? Splits: {', '.join(names)}")
    if question.models not in MODELS:
        raise BadConfig(f"--models is {question.models!r}; use {' or '.join(MODELS)}")
    data = data or points_data(
        question, question.points, question.catalog, published=not question.points or bool(question.bundles)
    )
    return cross_validate(
        data.points,
        question.splits or tuple(names),
        everything=question.models == "all",
        workers=question.workers,
        catalog=data.catalog,
        on_progress=on_progress,
    )
