"""The traffic of a service: requests over time, from logs, metrics, traces or a mix."""
