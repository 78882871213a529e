"""No question over HTTP reads outside the served folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretoken.answers.registry import VERBS
from paretoken.answers.seam import json_schema, question_from_json
from paretoken.errors import BadConfig
from paretoken.serve.access import confine
from paretoken.serve.access.confine import names_files, require_inside

CACHE = "cache_write_share"
"""A share of tokens, not a file."""
DEPLOYED = {"accelerator": "H200", "model": "llama-3-70b", "engine": "vllm", "isl": 1000, "osl": 500}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/points.csv").write_text("a secret\n")
    served = tmp_path / "served"
    (served / "run").mkdir(parents=True)
    (served / "run/points.csv").write_text("no secret\n")
    (served / "link.csv").symlink_to(tmp_path / "secret/points.csv")
    (served / "linked").symlink_to(tmp_path / "secret")
    (served / "hostile").mkdir()
    (served / "hostile/inner.csv").symlink_to(tmp_path / "secret/points.csv")
    (served / "circle").symlink_to(served / "circle")
    (served / "inside").symlink_to(served / "run")
    (served / "study.toml").write_text('points = ["../secret/points.csv"]\n')
    (served / "own.toml").write_text('points = ["run/points.csv"]\n')
    (served / "outer.toml").write_text('study = "study.toml"\nsource = "https://example.org/a?b=c"\n')
    (served / "circle.toml").write_text('other = "circle.toml"\nsource = "https://example.org/a?b=c"\n')
    return served.resolve()


def question(verb: str, **keys: object):
    return question_from_json(VERBS[verb].question, keys)


OUTSIDE = {
    "absolute": ("compare", {"points": ["/etc/passwd"]}),
    "above": ("compare", {"points": ["../secret/points.csv"]}),
    "above in the middle": ("compare", {"points": ["run/../../secret/points.csv"]}),
    "missing file outside": ("compare", {"points": ["/no/such/file"]}),
    "home": ("compare", {"points": ["~/x.csv"]}),
    "link to a file": ("compare", {"points": ["link.csv"]}),
    "below a linked folder": ("compare", {"points": ["linked/points.csv"]}),
    "linked folder": ("compare", {"catalog": ["linked"]}),
    "link inside a folder": ("compare", {"catalog": ["hostile"]}),
    "model as a path": ("predict", DEPLOYED | {"model": "/etc"}),
    "calibration": ("predict", DEPLOYED | {"calibration": "../secret/points.csv"}),
    "set without its ending": ("tco", {"sets": ["/etc/x"]}),
    "study that names a file outside": ("data-diff", {"before": "a", "after": "b", "study": "study.toml"}),
    "study behind a study": ("data-diff", {"before": "a", "after": "b", "study": "outer.toml"}),
    "behind a second mark": ("compare", {"points": ["a=b:../secret/points.csv"]}),
    "behind a comma": ("compare", {"points": ["run/points.csv,/etc/passwd"]}),
    "before a comma": ("compare", {"points": ["x=../secret/points.csv, y"]}),
    "state": ("data-diff", {"before": "../secret/points.csv", "after": "b"}),
    "lengths of a file": ("plan", {"model": "m", "slo": "tpot=1s", "rate": "1/s", "isl": "empirical:/etc/passwd"}),
    "folder of metrics": ("plan", {"model": "m", "slo": "tpot=1s", "metrics": "linked"}),
    "with space before it": ("compare", {"points": ["  /etc/passwd"]}),
    "key of a table": ("compare", {"price_usd_per_gpu_h": {"/etc/passwd": 1.0}}),
}


@pytest.mark.parametrize(("verb", "keys"), OUTSIDE.values(), ids=OUTSIDE)
def test_what_leads_out_is_refused(folder, verb, keys):
    base = {"model": "llama-3-70b"} if verb == "compare" else {}
    with pytest.raises(BadConfig, match=r"leads out of the served folder; copy the file into it$"):
        require_inside(question(verb, **base, **keys), folder)


@pytest.mark.parametrize("points", ["run/points.csv", "run", "inside/points.csv", "./run/../run/points.csv", "no.csv"])
def test_what_is_inside_passes(folder, points):
    compared = question("compare", model="llama-3-70b", workload="3k/700", slo="tpot_p99=50ms", points=[points])
    require_inside(compared, folder)
    assert names_files(compared, folder) == (points != "no.csv")


def test_an_absolute_path_inside_passes(folder):
    require_inside(question("compare", model="m", points=[str(folder / "run/points.csv")]), folder)
    require_inside(question("data-diff", before="a", after="b", study="own.toml"), folder)


def test_files_that_name_themselves_end(folder):
    require_inside(question("data-diff", before="a", after="b", study="circle.toml"), folder)


def test_what_a_question_leads_to_is_bounded(folder, monkeypatch):
    monkeypatch.setattr(confine, "MOST_TOML", 3)
    for n in range(5):
        (folder / f"{n}.toml").write_text(f'next = "{n + 1}.toml"\n')
    require_inside(question("data-diff", before="a", after="b", study="2.toml"), folder)
    with pytest.raises(BadConfig, match="more than 3 TOML files"):
        require_inside(question("data-diff", before="a", after="b", study="0.toml"), folder)
    monkeypatch.setattr(confine, "MOST_ENTRIES", 3)
    with pytest.raises(BadConfig, match="has more than 3 entries"):
        require_inside(question("compare", model="m", points=["."]), folder)
    with pytest.raises(BadConfig, match="has more than 1,000 commas"):
        require_inside(question("compare", model="m", points=["," * 1001]), folder)


@pytest.mark.parametrize("verb", ["predict", "predict-trace", "predict-disaggregated"])
def test_no_file_is_written(folder, verb):
    more = {"predict-trace": {"trace": "t.jsonl"}, "predict-disaggregated": {"layout": "1xDEP8+1xDEP8"}}
    keys = {key: value for key, value in DEPLOYED.items() if verb != "predict-trace" or key not in ("isl", "osl")}
    with pytest.raises(BadConfig, match="out writes a file"):
        require_inside(question(verb, **keys, **more.get(verb, {}), concurrency=[1], out="points.csv"), folder)


def test_an_address_is_refused(folder):
    with pytest.raises(BadConfig, match="is an address, which this server does not fetch"):
        require_inside(question("plan", model="m", slo="tpot=1s", metrics="http://127.0.0.1:9090"), folder)


@pytest.mark.parametrize("text", ["a\0b", "\0"])
def test_null_characters_are_refused(folder, text):
    with pytest.raises(BadConfig, match="null character"):
        require_inside(question("compare", model=text, points=[text]), folder)


@pytest.mark.parametrize("name", ["circle", "circle/x", "x" * 5000, "x" * 300, "run/points.csv/x", ""])
def test_odd_names_end_in_no_defect(folder, name):
    try:
        require_inside(question("compare", model=name or "m", points=[name]), folder)
    except BadConfig as e:
        assert "leads out" in str(e)


@pytest.mark.parametrize("name", [name for name, verb in VERBS.items() if not verb.writes_files])
def test_only_out_names_a_file_to_write(name):
    fields = json_schema(VERBS[name].question)["properties"]
    assert {key for key, field in fields.items() if "write" in field.get("description", "").lower()} <= {"out", CACHE}
