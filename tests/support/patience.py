"""Settings for property tests whose inputs are large."""

from hypothesis import HealthCheck, settings

PATIENT = settings(suppress_health_check=[HealthCheck.too_slow])
