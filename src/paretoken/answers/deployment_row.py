"""Which deployment a predicted row is about: the fields that all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from paretoken.answers.prediction import (
    PredictionData,
    SettingValue,
    assumptions,
    network_assumptions,
    setting_values,
)
from paretoken.predict.acceptance import SpeculationInForce, speculation_in_force
from paretoken.predict.deployment import Deployment
from paretoken.predict.settings import EngineSettings


@dataclass(frozen=True, kw_only=True)
class DeploymentRow:
    """Which deployment a row is about; `n_gpus` are those of all replicas.

    `settings` are those of its engine in force; `speculation` says how it drafts, None if it does not. `assumed` lists
    what was assumed about its model, its drafts, and a network between nodes.
    """

    accelerator: str
    n_gpus: int
    model: str
    precision: str
    engine: str
    tp: int
    ep: int
    pp: int
    replicas: int
    settings: dict[str, SettingValue]
    speculation: SpeculationInForce | None
    assumed: tuple[str, ...]

    @property
    def size(self) -> str:
        """GPUs as a table shows them: TP, or TP x PP, with the replicas or attention groups."""
        gpus = self.n_gpus // self.replicas
        size = str(gpus) if self.pp == 1 else f"{gpus // self.pp}x{self.pp}"
        if self.replicas > 1:
            return f"{size}, {self.replicas} replicas"
        return size if gpus // self.pp // self.tp == 1 else f"{self.tp} of {size} GPUs"


class DeploymentFields(TypedDict):
    """The fields of a `DeploymentRow`."""

    accelerator: str
    n_gpus: int
    model: str
    precision: str
    engine: str
    tp: int
    ep: int
    pp: int
    replicas: int
    settings: dict[str, SettingValue]
    speculation: SpeculationInForce | None
    assumed: tuple[str, ...]


def deployment_fields(d: Deployment, replicas: int, stated: EngineSettings, data: PredictionData) -> DeploymentFields:
    """The deployment of a row, with the settings in force."""
    speculation = speculation_in_force(d, data.calibration, data.catalog)
    return {
        "accelerator": d.accelerator,
        "n_gpus": d.gpus * replicas,
        "model": d.model,
        "precision": d.precision,
        "engine": d.engine,
        "tp": d.tp,
        "ep": d.ep,
        "pp": d.pp,
        "replicas": replicas,
        "settings": setting_values(d, stated, data.catalog),
        "speculation": speculation,
        "assumed": (
            *assumptions(data.catalog.models[d.model]),
            *(speculation.notes if speculation else ()),
            *network_assumptions(d, data.catalog),
        ),
    }
