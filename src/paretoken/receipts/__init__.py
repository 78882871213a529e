"""Receipts of runs: what a site states of a run so that another site can check its figures."""
