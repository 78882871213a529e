"""Accelerators, models, engines, workloads and TCO sets, as data with a source and a date."""
