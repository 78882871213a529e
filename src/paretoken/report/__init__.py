"""The report: one self-contained HTML file made from a study's result."""

from paretoken.report.html import render

__all__ = ["render"]
