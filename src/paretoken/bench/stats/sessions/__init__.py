"""Metrics of a task: how long sessions take and why, and what of their prompts a server found in its cache."""
