"""Verbs that answer over HTTP, for agents and for scripts."""
