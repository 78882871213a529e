"""Campaigns: a matrix of what to serve and measure, run to the end on one machine or a cluster."""
