"""Forms of recorded sessions, one module each."""
