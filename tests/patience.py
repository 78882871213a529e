"""Settings for property tests whose inputs are large: a busy machine is no failure."""

from hypothesis import HealthCheck, settings

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
