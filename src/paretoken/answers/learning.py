"""The points that a calibration learns from, or is scored on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from paretoken.answers.bundles import BundlesQuestion
from paretoken.answers.points import Data
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import BadConfig
from paretoken.plural import counted
from paretoken.points.derived import PREDICTED
from paretoken.points.load import load_points


def points_data(
    question: BundlesQuestion, files: tuple[Path, ...], folders: tuple[Path, ...], *, published: bool
) -> Data:
    """The points of files and, if `published`, of the question's bundles; BadConfig for predicted points in a file."""
    catalog = load_catalog(*folders)
    points = load_points(files, published=published, bundles=question.bundles, as_of=question.as_of, catalog=catalog)
    if files and PREDICTED in points["origin"]:
        _refuse_predicted(files, catalog)
    return Data(catalog, points)


def _refuse_predicted(files: Iterable[Path], catalog: Catalog) -> None:
    """BadConfig for the first file with predicted points: a calibration would learn from itself."""
    for file in files:
        origins = load_points([file], published=False, catalog=catalog)["origin"]
        if predicted := int((origins == PREDICTED).sum()):
            raise BadConfig(
                f"{file}: {predicted:,} of {counted(len(origins), 'point')} {'is' if predicted == 1 else 'are'} "
                "predicted, and a calibration learns from measured and published points alone; leave out those with "
                "origin=predicted"
            )
