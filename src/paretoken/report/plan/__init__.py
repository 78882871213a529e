"""The page of a plan, its tables as CSV, and the answer as JSON."""
