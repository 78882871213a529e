"""Recorded sessions replayed against a predicted server: what it takes, how long they last, and what its cache finds."""
