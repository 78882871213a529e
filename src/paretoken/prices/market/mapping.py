"""The mapping file of a foreign price list.

It holds `[columns]` (ours = theirs), `[constants]`, `[terms]` and `[statistics]` (their word
to ours), and `[rates]` (USD per unit of a currency). Without one the file's header must be ours.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from paretoken.catalog.loader import explain
from paretoken.errors import BadConfig
from paretoken.plain_files import read_toml


class ColumnMapping(BaseModel):
    """A mapping file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="our column = the file's",
        examples=[{"accelerator": "gpu", "price": "eur_per_gpu_hour", "term": "plan"}],
    )
    constants: dict[str, str | float | int] = Field(
        default_factory=dict,
        description="our column = one value for all rows",
        examples=[{"provider": "example-cloud", "currency": "EUR"}],
    )
    terms: dict[str, str] = Field(
        default_factory=dict, description="the file's word = our rental term", examples=[{"12 mo prepaid": "1-year"}]
    )
    statistics: dict[str, str] = Field(
        default_factory=dict, description="the file's word = our statistic", examples=[{"average": "mean"}]
    )
    rates: dict[str, float] = Field(
        default_factory=dict, description="USD per unit of the currency", examples=[{"EUR": 1.09}]
    )


def read_mapping(path: Path) -> ColumnMapping:
    try:
        return ColumnMapping.model_validate(read_toml(path, "mapping"))
    except ValidationError as e:
        raise BadConfig(f"mapping {path}: {explain(e, list(ColumnMapping.model_fields))}") from e
