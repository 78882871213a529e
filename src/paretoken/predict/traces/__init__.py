"""Recorded sessions replayed against a predicted server: how long they last, and what its cache finds."""
