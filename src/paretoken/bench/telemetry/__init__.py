"""What other programs see of a benchmark: Prometheus while it runs, OpenTelemetry after each level, MLflow after it."""
