"""Predicting what nobody has measured: step times, the scheduler, the simulation."""
