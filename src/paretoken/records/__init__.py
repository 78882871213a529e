"""Operating points: schema, strict readers and writers, derived columns, suspicious rows, importers."""

from paretoken.records.check import checked
from paretoken.records.derive import ErrorBand, derive, little_error
from paretoken.records.files import read_points, write_points
from paretoken.records.published import PUBLISHED, prepare, published_points
from paretoken.records.schema import COLUMNS, ORIGINS, SCHEMA_VERSION, STORED, Column, conform, empty
from paretoken.records.suspicious import RULES, flag

__all__ = [
    "COLUMNS",
    "ORIGINS",
    "PUBLISHED",
    "RULES",
    "SCHEMA_VERSION",
    "STORED",
    "Column",
    "ErrorBand",
    "checked",
    "conform",
    "derive",
    "empty",
    "flag",
    "little_error",
    "prepare",
    "published_points",
    "read_points",
    "write_points",
]
