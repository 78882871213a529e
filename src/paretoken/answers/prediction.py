"""The part that all questions of prediction share: a deployment, and the calibration it is predicted by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from paretoken.answers.seam import Question
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict.calibration.file import Calibration, read_calibration, shipped_calibration
from paretoken.predict.configure import DeploymentRequest, Replicas, configured, replicated, sizes_that_fit
from paretoken.predict.deployment import Lengths


@dataclass(frozen=True, kw_only=True)
class CalibratedQuestion(Question):
    """A question that a calibration answers; None is the shipped one."""

    calibration: Annotated[Path | None, Field(description="Calibration file; None for the shipped one")] = None
    catalog: Annotated[tuple[Path, ...], Field(description="Folders that overlay the shipped catalog")] = ()


@dataclass(frozen=True, kw_only=True)
class DeploymentQuestion(CalibratedQuestion):
    """A model served by an engine on accelerators, under requests of nominal lengths."""

    accelerator: Annotated[str, Field(description="Accelerator, by any name in the catalog")]
    model: Annotated[str, Field(description="Model, by any name in the catalog")]
    engine: Annotated[str, Field(description="Engine, by any name in the catalog")]
    isl: Annotated[int, Field(description="Nominal input length, tokens")]
    osl: Annotated[int, Field(description="Nominal output length, tokens")]
    precision: Annotated[str | None, Field(description="fp4, fp8, bf16, int4; None for the model's own")] = None
    tp: Annotated[int | None, Field(description="Tensor-parallel size; None for every size that fits")] = None
    pp: Annotated[int, Field(description="Pipeline stages of tp GPUs each")] = 1
    ep: Annotated[int, Field(description="Expert-parallel size")] = 1
    gpus: Annotated[int | None, Field(description="Total GPUs, if more than tp x pp")] = None
    dp_attention: Annotated[bool, Field(description="Attention data parallelism")] = False
    speculative: Annotated[str, Field(description="Speculative decoding: none, mtp, eagle, …")] = "none"
    date: Annotated[str | None, Field(description="Date of the engine, YYYY-MM-DD; None for the published period")] = (
        None
    )
    length_range_ratio: Annotated[float, Field(description="Lengths are uniform in [ratio, 1] of nominal")] = 0.8

    @property
    def lengths(self) -> Lengths:
        return Lengths(self.isl, self.osl, self.length_range_ratio)

    def deployments(self, catalog: Catalog) -> list[Replicas]:
        """The deployment, or without a TP every size of it that fits, each with its replicas."""
        deployment = configured(
            DeploymentRequest(
                accelerator=self.accelerator,
                model=self.model,
                engine=self.engine,
                precision=self.precision,
                gpus=self.gpus,
                tp=1 if self.tp is None else self.tp,
                ep=self.ep,
                pp=self.pp,
                dp_attention=self.dp_attention,
                speculative=self.speculative,
                date=self.date,
            ),
            catalog,
        )
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
