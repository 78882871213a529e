"""A server whose timing is known, and what this machine's client is good for when held against it."""
