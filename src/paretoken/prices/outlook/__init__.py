"""Trends of dated runs, and scenarios projected to cost and break-even."""
