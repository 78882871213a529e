"""A server on Kubernetes: its manifests as text."""
