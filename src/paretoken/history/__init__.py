"""Results over time: series of one configuration with their steps, and whether a new result is a regression."""
