"""Folders of runs for the web app: sound ones, and ones that a stranger made."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from paretoken.bench.run_folder import RunFolder
from paretoken.campaign.state import CampaignFolder
from paretoken.points.schema import conform
from tests.support.campaign_files import campaign, plan
from tests.support.runs import METADATA, ladder, slower

MARKUP = '<img src=x onerror="document.title=1">'


def two_runs(root: Path) -> Path:
    """A run and a later one that is slower, in a folder each."""
    users = (1, 2, 4, 8)
    ladder(root / "2026-11" / "before", users)
    slower(root / "2026-11" / "after", users, 1.2)
    return root


def bare_run(folder: Path, **settings: object) -> Path:
    """A run without a finished level."""
    RunFolder(folder).create(METADATA)
    document = json.loads((folder / "run.json").read_bytes())
    document["config"] |= settings
    (folder / "run.json").write_text(json.dumps(document))
    return folder


def hostile(root: Path, outside: Path) -> Path:
    """What a folder of a stranger may hold; `outside` is a sound run elsewhere."""
    bare_run(root / "sound", model="m")
    bare_run(root / f"{MARKUP.replace('/', '')}", model=MARKUP, engine=MARKUP)
    bare_run(root / "a*[b]?c 'd", model="glob")
    for name, content in {
        "huge": "[" + "0," * 2_200_000 + "0]",
        "deep": "[" * 5_000 + "]" * 5_000,
        "cut": '{"schema": "paretoken.run", "con',
        "other": '{"schema": "something else"}',
        "odd": '{"schema": "paretoken.run", "config": [1], "run": 7, "origin": {"a": 1}}',
    }.items():
        (root / name).mkdir()
        (root / name / "run.json").write_text(content)
    (bare_run(root / "broken-points") / "points.parquet").write_bytes(b"PAR1" + bytes(200) + b"PAR1")
    pl.DataFrame({"x": [1]}).write_parquet(root / "foreign.parquet")
    summary = {"levels": [{"failed": "x", "warnings": [{"code": 7, "text": None}], "columns": 3}] * 5_000}
    (bare_run(root / "many-levels") / "summary.json").write_text(json.dumps(summary))
    (root / "link").symlink_to(outside)
    (root / "linked-file").mkdir()
    (root / "linked-file" / "run.json").symlink_to(outside / "run.json")
    inner = bare_run(root / "linked-levels")
    (inner / "levels" / "0001").symlink_to(outside / "levels" / "0001")
    (root / "loop").symlink_to(root)
    return root


def bare_campaign(folder: Path) -> CampaignFolder:
    """A campaign of sixteen cells, none of which has begun."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    own = CampaignFolder(folder)
    own.create(campaign(folder.parent), plan(folder.parent), folder.parent / "c.toml")
    return own


def point_table(file: Path, **columns: list[object]) -> Path:
    """A Parquet file of operating points: these columns, the others as in any."""
    count = len(next(iter(columns.values())))
    common = {"origin": "measured", "source": "t", "engine": "vllm", "load_kind": "closed", "isl": 1024, "osl": 128}
    frame = pl.DataFrame({name: [value] * count for name, value in common.items()} | columns)
    file.parent.mkdir(parents=True, exist_ok=True)
    conform(frame).write_parquet(file)
    return file
