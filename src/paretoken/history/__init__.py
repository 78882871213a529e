"""Throughput over time, its steps, and whether a new run is a regression against a baseline."""
