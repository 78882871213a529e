"""A server whose timing is known, and the test of this machine's client against it."""
