"""Accelerators, models, engines, workloads and TCO sets, as data with a source and a date."""

from paretoken.lazy import lazy

_WHERE = {
    "Accelerator": "entries",
    "Catalog": "loader",
    "Engine": "entries",
    "Entry": "entries",
    "KINDS": "entries",
    "Model": "entries",
    "Shelf": "loader",
    "TcoSet": "entries",
    "Tier": "entries",
    "Workload": "entries",
    "explain": "loader",
    "load_catalog": "loader",
    "read_toml": "loader",
}

__all__ = list(_WHERE)

__getattr__, __dir__ = lazy(__name__, _WHERE)
