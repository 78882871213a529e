"""A deployment in a user's words, before its names are looked up in the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

from paretoken.catalog.description import Description
from paretoken.predict.settings import DEFAULT, EngineSettings, setting_fields

LENGTH_RANGE_RATIO = 0.8
"""The usual spread of lengths in public benchmarks: uniform in [ratio, 1] of nominal."""


@dataclass(frozen=True, kw_only=True)
class DeploymentRequest:
    """A model served by an engine on accelerators, under any names of the catalog; None is left to `configured`."""

    accelerator: Annotated[str, Description("Accelerator, by any name in the catalog")]
    model: Annotated[str, Description("Model, by any name in the catalog, or org/name, a folder, or a config.json")]
    engine: Annotated[str, Description("Engine, by any name in the catalog")]
    precision: Annotated[
        str | None, Description("Precision of the weights, in any engine's spelling; by default the model's own")
    ] = None
    tp: Annotated[int | None, Description("Tensor-parallel size; by default every size that fits")] = None
    pp: Annotated[int, Description("Pipeline stages of tp GPUs each")] = 1
    ep: Annotated[int, Description("Expert-parallel size")] = 1
    gpus: Annotated[int | None, Description("Total GPUs, if more than tp x pp")] = None
    dp_attention: Annotated[bool, Description("Attention data parallelism")] = False
    speculative: Annotated[
        str, Description("Speculative decoding: none, or a method with the tokens drafted a step, as in mtp:3")
    ] = "none"
    speculative_tokens: Annotated[
        int | None, Description("Tokens drafted a step; by default what recipes or the engine draft")
    ] = None
    acceptance_length: Annotated[
        float | None, Description("Mean tokens that a step yields, 1 to 1 + drafted; by default the calibrated length")
    ] = None
    draft_model: Annotated[str, Description("Draft model: a name in the catalog, or its size, as in 1.5b")] = ""
    date: Annotated[
        str | None, Description("Date of the engine, YYYY-MM-DD; by default that of the published period")
    ] = None
    settings: Annotated[EngineSettings, Description("Settings of the engine; its own defaults if left out")] = DEFAULT


SETTINGS = tuple(s.name for s in setting_fields())
FIELDS = (*(f.name for f in fields(DeploymentRequest) if f.name != "settings"), *SETTINGS)
"""Every field of a deployment, with each of its settings."""


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the names in `FIELDS` as the fields of a request, with the settings in one field."""
    settings = {name: value for name, value in values.items() if name in SETTINGS}
    own = {name: value for name, value in values.items() if name not in SETTINGS}
    return own | {"settings": EngineSettings(**settings)}
