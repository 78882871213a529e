"""Operating points: schema, strict readers and writers, derived columns, suspicious rows, importers."""

from paretoken.lazy import lazy

_WHERE = {
    "COLUMNS": "schema",
    "Column": "schema",
    "ErrorBand": "derived",
    "ORIGINS": "schema",
    "PUBLISHED": "published",
    "RULES": "suspicious",
    "SCHEMA_VERSION": "schema",
    "STORED": "schema",
    "checked": "check",
    "conform": "schema",
    "derive": "derived",
    "empty": "schema",
    "flag": "suspicious",
    "little_error": "derived",
    "prepare": "published",
    "published_points": "published",
    "read_points": "files",
    "write_points": "files",
}

__all__ = list(_WHERE)

__getattr__, __dir__ = lazy(__name__, _WHERE)
