"""The first steps: commented input files, and what this machine can measure."""
