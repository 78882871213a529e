"""The report: one self-contained HTML file made from a study's result."""
