"""The part that all questions of prediction share: a deployment, and the calibration it is predicted by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from paretoken.answers.seam import Question
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict.calibration.file import Calibration, read_calibration, shipped_calibration
from paretoken.predict.configure import Replicas, configured, replicated, sizes_that_fit
from paretoken.predict.deployment import Lengths
from paretoken.predict.request import LENGTH_RANGE_RATIO, DeploymentRequest


@dataclass(frozen=True, kw_only=True)
class CalibratedQuestion(Question):
    """A question that a calibration answers; None is the shipped one."""

    calibration: Annotated[Path | None, Field(description="Calibration file; None for the shipped one")] = None
    catalog: Annotated[tuple[Path, ...], Field(description="Folders that overlay the shipped catalog")] = ()


@dataclass(frozen=True, kw_only=True)
class DeploymentQuestion(DeploymentRequest, CalibratedQuestion):
    """A model served by an engine on accelerators, under requests of nominal lengths."""

    isl: Annotated[int, Field(description="Nominal input length, tokens")]
    osl: Annotated[int, Field(description="Nominal output length, tokens")]
    length_range_ratio: Annotated[float, Field(description="Lengths are uniform in [ratio, 1] of nominal")] = (
        LENGTH_RANGE_RATIO
    )

    @property
    def lengths(self) -> Lengths:
        return Lengths(self.isl, self.osl, self.length_range_ratio)

    def deployments(self, catalog: Catalog) -> list[Replicas]:
        """The deployment, or without a TP every size of it that fits, each with its replicas."""
        deployment = configured(replace(self, tp=1 if self.tp is None else self.tp), catalog)
        if self.tp is not None:
            return [replicated(deployment, catalog)]
        sizes = sizes_that_fit(deployment, catalog, lengths=self.lengths, gpus=self.gpus)
        return [replicated(d, catalog) for d in sizes]


@dataclass(frozen=True, eq=False)
class PredictionData:
    """What predictions are made from: a catalog and a calibration."""

    catalog: Catalog
    calibration: Calibration

    @classmethod
    def of(cls, question: CalibratedQuestion) -> PredictionData:
        """The data that a question names."""
        path = question.calibration
        return cls(load_catalog(*question.catalog), read_calibration(path) if path else shipped_calibration())
