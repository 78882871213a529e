"""The report of live runs: a page for one or several, and a table to paste into an issue."""
