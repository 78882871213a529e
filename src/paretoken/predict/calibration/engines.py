"""Engines with calibrated data of a deployment."""

from __future__ import annotations

from paretoken.catalog.loader import Catalog
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.deployment import Deployment


def calibrated_engines(one: Deployment, calibration: Calibration, catalog: Catalog) -> list[str]:
    """The engines of one pool with calibrated data of the deployment's model, precision and accelerator; else its own.

    Drafting is the engine's own, so a deployment that drafts keeps its engine.
    """
    cell = (one.accelerator, one.model, one.precision)
    engines = {x.engine for x in calibration.seen if (x.accelerator, x.model, x.precision) == cell}
    engines = {name for name in engines if name in catalog.engines and not catalog.engines[name].disaggregated}
    return [one.engine] if one.drafting or not engines else sorted(engines)
