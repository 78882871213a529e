"""Predictions for configurations without measurements: operations, terms of a step, calibration, simulation."""
