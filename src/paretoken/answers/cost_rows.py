"""Pareto points in money as a table: the columns that the command line and the web pages share."""

from __future__ import annotations

COST_HEADS = {
    "tier": "tier",
    "accelerator": "accelerator",
    "engine": "engine",
    "tp": "TP",
    "concurrency": "concurrency",
    "e2e_s": "E2E s",
    "interactivity_tok_s": "tok/s/user",
    "tput_per_gpu": "tok/s/GPU",
    "usd_per_gpu_h": "$/GPU-h",
    "usd_per_mtok_total": "$/M total",
    "usd_per_mtok_output": "$/M output",
    "usd_per_mtok_input": "$/M input",
    "tok_s_per_mw": "tok/s/MW",
    "joules_per_token": "J/token",
    "origin": "origin",
}
"""The fields of a point with their heads."""
