"""Prediction of what nobody has measured: operations, terms of a step, calibration, simulation."""
