"""The part that all questions about predictions share: a deployment, and the calibration that predicts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field

from paretoken.answers.seam import Question
from paretoken.catalog.entries import Model
from paretoken.catalog.hf.lookup import catalog_with_model
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.catalog.names import agreed_precision
from paretoken.errors import BadConfig
from paretoken.predict.calibration.file import Calibration, read_calibration, shipped_calibration
from paretoken.predict.calibration.levels import MIDDLE_AGE_DAYS
from paretoken.predict.capacity import context_parallel_counts
from paretoken.predict.configure import AUTO_TP_SIZES, Replicas, configured, replicated, sizes_that_fit
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.engine_defaults import setting_rows
from paretoken.predict.request import LENGTH_RANGE_RATIO, DeploymentRequest
from paretoken.predict.settings import EngineSettings
from paretoken.predict.topology import network_notes


@dataclass(frozen=True, kw_only=True)
class CalibratedQuestion(Question):
    """A question that is answered with a calibration; None is the shipped one."""

    calibration: Annotated[Path | None, Field(description="Calibration file; by default the shipped one")] = None
    catalog: Annotated[tuple[Path, ...], Field(description="Folders that overlay the shipped catalog")] = ()


@dataclass(frozen=True, kw_only=True)
class ServedQuestion(DeploymentRequest, CalibratedQuestion):
    """A model served by an engine on accelerators."""

    def deployments_for(self, lengths: Lengths, catalog: Catalog) -> list[Replicas]:
        """The deployment, or without a TP size each size that fits requests of the lengths; with their replicas."""
        deployment = configured(replace(self, tp=1 if self.tp is None else self.tp), catalog)
        if self.tp is not None:
            return [replicated(deployment, catalog)]
        # an EP size above every TP size that is tried determines the GPUs
        gpus = deployment.gpus if self.ep > max(AUTO_TP_SIZES) else self.gpus
        sizes = sizes_that_fit(deployment, catalog, lengths=lengths, gpus=gpus)
        return [replicated(d, catalog) for d in sizes]


@dataclass(frozen=True, kw_only=True)
class DeploymentQuestion(ServedQuestion):
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
        """The deployment, or without a TP size each size that fits; with their replicas."""
        return self.deployments_for(self.lengths, catalog)


@dataclass(frozen=True, kw_only=True)
class SettingValue:
    """A setting of the engine in force, and its origin: "stated", or whose default it is; or that it has no effect."""

    value: str
    origin: str


def setting_values(d: Deployment, stated: EngineSettings, catalog: Catalog) -> dict[str, SettingValue]:
    """The settings that a deployment is predicted with, by name: those in force, and others stated or implied."""
    settings = {row.name: SettingValue(value=row.value, origin=row.origin) for row in setting_rows(d, catalog)}
    if (cp := settings.get("context_parallel")) and not context_parallel_counts(d, catalog):
        settings["context_parallel"] = replace(cp, origin=f"{cp.origin}, without effect here")
    if (redundant := d.settings.redundant_experts) != stated.redundant_experts:
        settings["redundant_experts"] = SettingValue(value=str(redundant), origin=f"implied by ep {d.ep}")
    if (tokens := d.settings.max_batched_tokens) != stated.max_batched_tokens and tokens:
        settings["max_batched_tokens"] = SettingValue(value=f"{tokens:,}", origin="most public recipes")
    return settings


def network_assumptions(d: Deployment, catalog: Catalog) -> tuple[str, ...]:
    """What crosses the network between nodes, and what was assumed of it, in words."""
    return tuple(network_notes(d, catalog.accelerators[d.accelerator]))


def assumptions(model: Model) -> tuple[str, ...]:
    """What was assumed about a model, and which keys of its config.json were ignored, in words."""
    age = f"its release date is unknown; assumed: engines have supported it for {MIDDLE_AGE_DAYS} days"
    ignored = (f"{key} in config.json is unknown and was ignored" for key in model.unknown)
    return tuple(f"{model.name}: {line}" for line in (*model.assumed, *(() if model.date else (age,)), *ignored))


def require_loads(concurrency: Sequence[int]) -> None:
    """BadConfig for a closed loop without any level."""
    if not concurrency:
        raise BadConfig("--concurrency is empty; give at least one level, such as 16")


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


D = TypeVar("D", bound=ServedQuestion)


def prepared(question: D, data: PredictionData | None) -> tuple[D, PredictionData]:
    """The question with the model's catalog id, and data whose catalog has that model, even one of a config.json.

    A model's name that ends in its precision states it, unless a config.json does.
    """
    data = data or PredictionData.of(question)
    catalog, model = catalog_with_model(data.catalog, question.model)
    named = "" if catalog is not data.catalog else question.model
    precision = agreed_precision(named, question.precision)
    return replace(question, model=model, precision=precision), replace(data, catalog=catalog)
