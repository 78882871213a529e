"""Campaign files and records that are wrong: one sentence each, before anything is built or started."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from paretoken.bench.config import BenchConfig
from paretoken.bench.probe import ProbedServer
from paretoken.bench.setup import prepare
from paretoken.campaign.estimate import RuleEstimate
from paretoken.campaign.load import load_campaign
from paretoken.campaign.matrix import MatrixCell, ServingConfig, cells
from paretoken.campaign.plan import make_plan
from paretoken.campaign.state import CampaignFolder
from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig, BadFile, ParetokenError
from tests.campaign.test_campaign_plan import BASE, campaign

OWN = '[mine]\nname = "Mine"\nisl = 100\nosl = 20\ntask = "chat"\nsource = "me"\ndate = "2026-11-01"\n'


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "base"', 'name = ""', "name = ''"),
        ("[models", "include = [{ accelerator = 5 }]\n[models", r"matrix\.include\.0\.accelerator = 5"),
        ("[models", "include = [{ tp = 0 }]\n[models", r"matrix\.include\.0\.tp = 0"),
        ("[models", 'include = [{ tp = "2" }]\n[models', r"matrix\.include\.0\.tp = '2'"),
        ("[models", "exclude = [{ tp = [1, []] }]\n[models", r"matrix\.exclude\.0\.tp"),
        ("[models", 'include = [{ dp_attention = "yes" }]\n[models', r"matrix\.include\.0\.dp_attention = 'yes'"),
        ("tp = [2, 4]", "tp = [true]", r"matrix\.tp\.0 = True"),
        ('until = "30s"', "until = true", r"\[bench\]: until: input should be a valid string"),
        ('until = "30s"', "workers = []", r"\[bench\]: workers"),
        ('until = "30s"', 'until = "soon"', "'soon' is not a duration"),
        ('until = "30s"', 'slo = "speed=1"', "unknown SLO metric"),
        ('until = "30s"', "extra_body = '{'", "not JSON"),
        ("[models", "[run]\nrepeat = 1000000000\n[models", r"run\.repeat = 1000000000"),
        ("[models", "[run]\npoint_timeout_s = inf\n[models", "point_timeout_s: inf is out of range"),
    ],
)
def test_a_wrong_value_is_named_by_its_key(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(ParetokenError, match=says):
        campaign(tmp_path, BASE.replace(old, new, 1))


def test_a_matrix_too_large_to_be_built_is_refused(tmp_path: Path) -> None:
    text = BASE.replace("tp = [2, 4]", f"tp = {list(range(1, 3000))}").replace(
        '["fp8"]', str([f"p{n}" for n in range(999)])
    )
    with pytest.raises(BadConfig, match="cells, and 5,000 are the most"):
        cells(campaign(tmp_path, text), load_catalog())


@pytest.mark.parametrize(
    ("one", "other"), [("x y", "x-y"), ("a_b", "a b"), ("1024/1024", "1024-1024"), ("é", "è"), ("..", ".")]
)
def test_two_workloads_never_share_a_folder(one: str, other: str) -> None:
    serving = ServingConfig(accelerator="CPU", engine="vllm", model="m", precision="", tp=1, ep=1, dp_attention=False)
    first, second = MatrixCell(serving, one).slug, MatrixCell(serving, other).slug
    assert first != second
    for slug in (first, second):
        assert not set(slug) - set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_folders_of_shipped_workloads_stay() -> None:
    serving = ServingConfig(accelerator="CPU", engine="vllm", model="m", precision="", tp=1, ep=1, dp_attention=False)
    assert [MatrixCell(serving, w).slug for w in ("chat", "1024/512")] == ["chat", "1024-512"]


def test_a_workload_of_the_campaigns_own_catalog_is_measured_with_its_lengths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/workloads.toml").write_text(OWN)
    catalog = load_catalog(tmp_path / "own")
    server = ProbedServer(
        base_url="http://127.0.0.1:1/v1", models=("m",), dialect="openai", version=None, max_context=None
    )
    monkeypatch.setattr("paretoken.bench.access.probe", lambda *_, **__: server)
    monkeypatch.setattr("paretoken.bench.setup.reported", lambda *_: {})
    config = BenchConfig(urls=("http://127.0.0.1:1/v1",), workload="mine", vocab_size=1000, prompt_unit="words")
    columns = prepare(config, catalog=catalog).columns()
    assert (columns["isl"], columns["osl"]) == (100, 20)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"jobs": [{"number": "x"}]}, r"jobs\.0\.number"),
        ({"jobs": 5}, "jobs"),
        ({"points_per_cell": -1}, "points_per_cell"),
        ({"campaign": {"matrix": 5}}, "campaign"),
        ({"schema_version": 2**70}, "schema_version"),
    ],
)
def test_an_edited_record_is_one_sentence(tmp_path: Path, change: dict[str, object], says: str) -> None:
    loaded = campaign(tmp_path)
    folder, catalog = CampaignFolder(tmp_path / "out"), load_catalog()
    folder.create(loaded, make_plan(loaded, catalog, RuleEstimate(loaded, catalog)), tmp_path / "c.toml")
    file = tmp_path / "out/campaign.json"
    file.write_bytes(
        orjson.dumps({**orjson.loads(file.read_bytes()), **change})
        if change.get("schema_version") is None
        else b'{"schema_version": 1180591620717411303424}'
    )
    with pytest.raises(BadFile, match=says):
        folder.jobs()
        folder.campaign()


def test_a_campaign_reads_back_as_it_was(tmp_path: Path) -> None:
    text = BASE.replace("[models", 'include = [{ tp = [8], accelerator = "B200" }]\n[models', 1)
    loaded = campaign(tmp_path, text)
    folder, catalog = CampaignFolder(tmp_path / "out"), load_catalog()
    folder.create(loaded, make_plan(loaded, catalog, RuleEstimate(loaded, catalog)), tmp_path / "c.toml")
    assert folder.campaign() == loaded == load_campaign(tmp_path / "c.toml")
