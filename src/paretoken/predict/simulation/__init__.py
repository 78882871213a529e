"""Continuous batching simulated from event to event: users or arrivals in, request records out."""
