"""The fixture that begins a campaign on a cluster of the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from paretoken.campaign.kubernetes import drive
from paretoken.campaign.run import begin
from paretoken.campaign.state import CampaignFolder
from tests.support import kubectl_here
from tests.support.cluster_campaigns import RECIPE, TEXT


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """Begin a campaign on a cluster whose pods are given; its folder and the state of the program."""
    for name in ("LOOK_S", "SETTLE_S", "PULL_S"):
        monkeypatch.setattr(drive, name, 0.01)
    monkeypatch.setenv("PATH", os.environ["PATH"])

    def begin_with(*pods, text: str = TEXT) -> tuple[CampaignFolder, Path]:
        place = kubectl_here.install(tmp_path, list(pods))
        (tmp_path / "emulator.toml").write_text(RECIPE)
        (tmp_path / "tokenizer.json").write_text("{}")
        (tmp_path / "c.toml").write_text(text)
        return begin(tmp_path / "c.toml", tmp_path / "out", here=False), place

    return begin_with
