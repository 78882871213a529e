"""A campaign file that tests change, and its plan."""

from __future__ import annotations

from pathlib import Path

from paretoken.campaign.config import Campaign
from paretoken.campaign.load import load_campaign
from paretoken.campaign.plan import make_plan
from paretoken.catalog.loader import load_catalog

BASE = """
name = "base"
[matrix]
accelerator = ["H200", "MI300X"]
engine = ["vllm", "sglang"]
model = ["llama-3-70b"]
precision = ["fp8"]
tp = [2, 4]
workload = ["chat", "4k/1k"]
concurrency = "1:8:x2"
[models.llama-3-70b]
path = "meta/llama-fp8"
[bench]
until = "30s"
"""


def campaign(tmp_path: Path, text: str = BASE) -> Campaign:
    file = tmp_path / "c.toml"
    file.write_text(text)
    return load_campaign(file)


def plan(tmp_path: Path, text: str = BASE):
    return make_plan(campaign(tmp_path, text), load_catalog())
