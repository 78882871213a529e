"""CI coverage over time: the file of a series, the shipped one, and the command that shows it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import orjson
import pytest

from paretoken.errors import BadFile
from paretoken.parity.history import history, read_history, shipped_history, write_history
from paretoken.parity.scan import scan
from tests.support.trees import DATE, VLLM, write_tree


@pytest.fixture
def vllm(tmp_path):
    return scan("vllm", write_tree(tmp_path / "vllm", VLLM), date=DATE)


def test_history_is_ordered_and_comes_back(tmp_path, vllm):
    older = replace(vllm, snapshot=replace(vllm.snapshot, date="2025-01-01", version="1.0"))
    found = history([vllm, older], made="2026-11-24", source="here")
    assert [e.version for e in found.entries] == ["1.0", "1.2.3"]
    write_history(found, tmp_path / "h.json")
    assert read_history(tmp_path / "h.json") == found
    assert (tmp_path / "h.json").read_text().count("\n") == len(found.entries) + 2
    (tmp_path / "h.json").write_text("{}")
    with pytest.raises(BadFile, match="is not a history"):
        read_history(tmp_path / "h.json")


def test_the_shipped_history_adds_up():
    shipped = shipped_history()
    versions = [e.version for e in shipped.entries if e.engine == "vllm"]
    assert {"0.9.0", "0.14.0", "0.20.0", "0.26.0", "0.33.0"} <= set(versions)
    assert [(e.engine, e.date) for e in shipped.entries] == sorted((e.engine, e.date) for e in shipped.entries)
    assert [s.engine for s in shipped.sources] == list(shipped.engines) == ["sglang", "vllm"]
    assert all(s.licence == "Apache-2.0" for s in shipped.sources)
    for e in shipped.entries:
        assert e.total.any == e.total.files_both / e.total.files_nvidia
        assert e.total.gating_parity == e.total.gate_steps_paired / e.total.gate_steps_nvidia
        assert e.total.gate_steps_paired <= e.total.gate_steps_nvidia
        assert e.name
        assert sum(p.files_nvidia for p in e.subjects) == e.total.files_nvidia
        assert sum(p.functions_both for p in e.subjects) == e.total.functions_both
        assert len(e.disabled) == e.total.disabled


def test_the_shipped_history_of_sglang():
    """The report that started the project published 6 of 87 for this day: 6.9 %."""
    entries = {e.date: e for e in shipped_history().of("sglang").entries}
    assert len(entries) == 12
    assert all(re.fullmatch("[0-9a-f]{40}", e.commit) for e in entries.values())
    may = entries["2025-05-23"].total
    assert (may.gate_steps_paired, may.gate_steps_nvidia, may.files_amd, may.files_nvidia) == (6, 87, 7, 88)
    assert [d for d, e in entries.items() if e.moving] == ["2025-11-30", "2026-01-31"]
    assert entries["2025-11-30"].total.gate_steps_nvidia > entries["2025-09-30"].total.gate_steps_nvidia


def test_history_of_one_engine(call):
    code, out, _ = call("parity history --engine sglang --json")
    document = json.loads(out)
    assert code == 0
    assert {e["engine"] for e in document["entries"]} == {s["engine"] for s in document["sources"]} == {"sglang"}
    assert document["entries"][2]["total"]["gating_parity"] == 6 / 87
    code, _, err = call("parity history --engine sglnag")
    assert (code, "did you mean sglang?" in err) == (2, True)


def test_history_shows_unknown_steps_moves_and_sources(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    _, out, _ = call("parity history")
    assert "788 / 381+37?" in out
    assert "sglang c72f0756d2 of 2025-11-30: two layouts: 23 NVIDIA" in out
    assert "source distributions of vLLM on the Python package index (Apache-2.0)" in out


def test_a_history_of_the_first_schema_is_read(tmp_path, vllm):
    found = history([vllm], made="2026-11-24", source="here")
    first = {"schema_version": 1, **asdict(found)}
    del first["sources"]
    for counts in (first["entries"][0]["total"], *first["entries"][0]["subjects"]):
        del counts["steps_nvidia_unknown"], counts["steps_amd_unknown"]
    (tmp_path / "h.json").write_bytes(orjson.dumps(first))
    assert read_history(tmp_path / "h.json") == found


@pytest.mark.parametrize(
    ("change", "message"), [({"schema_version": 3}, "reads 1 and 2"), ({"columns": ["area"]}, "files_both is missing")]
)
def test_a_history_that_is_newer_or_cut_short_is_refused(tmp_path, vllm, change, message):
    write_history(history([vllm], made="2026-11-24", source="here"), tmp_path / "h.json")
    raw = orjson.loads((tmp_path / "h.json").read_bytes())
    (tmp_path / "h.json").write_bytes(orjson.dumps({**raw, **change}))
    with pytest.raises(BadFile, match=message):
        read_history(tmp_path / "h.json")


def test_the_documents_show_the_shipped_figures():
    root = Path(__file__).parents[2]
    page, readme = (root / "docs/ecosystem.md").read_text(), (root / "README.md").read_text()
    rows = {
        m[0]: m[1:] for m in re.findall(r"^\| (\d{4}-\d\d-\d\d) \| (\w{10}) \| .*? \| (\d+) of (\d+) \(", page, re.M)
    }
    sglang = {e.date: e for e in shipped_history().of("sglang").entries}
    assert rows == {
        d: (e.name, str(e.total.gate_steps_paired), str(e.total.gate_steps_nvidia)) for d, e in sglang.items()
    }
    first, best, last = (sglang[d].total for d in ("2025-05-23", "2026-01-31", "2026-08-18"))
    assert f"{first.gate_steps_paired} in May 2025 to {last.gate_steps_paired} in August 2026" in readme
    assert f"from {first.gate_steps_nvidia} to {last.gate_steps_nvidia}" in readme
    assert f"from {best.gating_parity:.0%} in January 2026 to {last.gating_parity:.0%}".replace("%", " %") in readme
    newest = shipped_history().of("vllm").entries[-1].total
    assert f"{newest.gate_steps_paired} of NVIDIA's {newest.gate_steps_nvidia} merge-blocking steps" in readme
