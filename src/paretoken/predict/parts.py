"""The parts of a deployment, looked up once: catalog entries, operations and settings."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.catalog.engine_files import DatedDefaults
from paretoken.catalog.entries import Accelerator, Checkpoint, Model
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict.deployment import Deployment
from paretoken.predict.drafting import Draft, draft_of
from paretoken.predict.engine_defaults import SettingsInForce, engine_rules, settings_in_force
from paretoken.predict.operations import BYTES, Operations, dense_precision, operations, weight_bytes_by_part
from paretoken.predict.settings import recipe_kv_dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentParts:
    """Catalog entries of a deployment, its model's operations in its stages, and its engine's settings and rules.

    `weights` has the bytes of one weight, for each part of the model; `draft` is what drafts tokens, if anything does.
    """

    accelerator: Accelerator
    model: Model
    operations: Operations
    dense_precision: str
    weights: Checkpoint
    kv_bytes: float
    kv_read_bytes: float
    core: str
    settings: SettingsInForce
    rules: DatedDefaults
    draft: Draft | None


def deployment_parts(deployment: Deployment, catalog: Catalog | None = None) -> DeploymentParts:
    """The parts of a deployment, whose names are catalog ids."""
    catalog = catalog or load_catalog()
    model = catalog.models[deployment.model]
    dense, settings = dense_precision(model, deployment.precision), settings_in_force(deployment, catalog)
    core = catalog.engines[deployment.engine].core
    return DeploymentParts(
        accelerator=catalog.accelerators[deployment.accelerator],
        model=model,
        operations=operations(model).in_stages(deployment.pp),
        dense_precision=dense,
        weights=weight_bytes_by_part(model, deployment.precision),
        kv_bytes=BYTES[settings.kv_dtype],
        kv_read_bytes=BYTES[recipe_kv_dtype(deployment.precision)],
        core=core,
        settings=settings,
        rules=engine_rules(core, deployment.date).defaults,
        draft=draft_of(deployment, model, catalog),
    )
