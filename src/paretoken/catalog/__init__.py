"""Accelerators, models, engines, workloads and TCO sets, as data with a source and a date."""

from paretoken.catalog.entries import KINDS, Accelerator, Engine, Entry, Model, TcoSet, Tier, Workload
from paretoken.catalog.loader import Catalog, Shelf, explain, load_catalog

__all__ = [
    "KINDS",
    "Accelerator",
    "Catalog",
    "Engine",
    "Entry",
    "Model",
    "Shelf",
    "TcoSet",
    "Tier",
    "Workload",
    "explain",
    "load_catalog",
]
