"""The points that a calibration learns from, or is scored on."""

from __future__ import annotations

from pathlib import Path

from paretoken.answers.bundles import BundlesQuestion
from paretoken.answers.points import Data
from paretoken.catalog.loader import load_catalog
from paretoken.points.load import load_points


def points_data(
    question: BundlesQuestion, files: tuple[Path, ...], folders: tuple[Path, ...], *, published: bool
) -> Data:
    """The points of files and, if `published`, of the question's bundles."""
    catalog = load_catalog(*folders)
    points = load_points(files, published=published, bundles=question.bundles, as_of=question.as_of, catalog=catalog)
    return Data(catalog, points)
