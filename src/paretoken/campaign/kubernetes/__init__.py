"""A campaign on Kubernetes: for each server start one Job of the engine and one of the load."""
