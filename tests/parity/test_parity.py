"""CI coverage: what engines' trees say of it, how it is measured, and the commands."""

from __future__ import annotations

import os
from dataclasses import replace

import orjson
import pytest

from paretoken.errors import BadConfig, BadFile
from paretoken.parity.diff import diff
from paretoken.parity.history import read_history
from paretoken.parity.measure import measure_coverage, subject
from paretoken.parity.rows import read_scan, write_scan
from paretoken.parity.scan import scan
from tests.support.trees import DATE, OLD_VLLM, PYTORCH, SGLANG, TRTLLM, VLLM, write_tree


@pytest.fixture
def vllm(tmp_path):
    return scan("vllm", write_tree(tmp_path / "vllm", VLLM), date=DATE)


def by_key(found, vendor):
    return {r.key: r for r in found.rows if r.vendor == vendor and r.live and "test_areas" in r.source_file}


# vLLM


def test_vllm_steps_and_mirrors(vllm):
    nvidia, amd = by_key(vllm, "nvidia"), by_key(vllm, "amd")
    assert set(nvidia) == {"attention", "quant", "scripts"}
    assert set(amd) == {"attention", "quant", "aiter"}
    assert vllm.snapshot.version == "1.2.3"
    assert vllm.snapshot.commit == "abc123def"
    first = nvidia["attention"]
    assert (first.gpu_model, first.gpus, first.shards, first.slice) == ("H200 18 GB slice", 1, 2, True)
    assert first.files == ("tests/kernels/attention/test_a.py",)
    assert nvidia["scripts"].gpu_model == "L4"
    assert nvidia["scripts"].unresolved == ("bash run_something.sh",)


def test_a_mirror_takes_over_what_it_does_not_change(vllm):
    amd = by_key(vllm, "amd")
    assert amd["attention"].files == ("tests/kernels/attention/test_a.py",)
    assert (amd["attention"].gpu_model, amd["attention"].gpus, amd["attention"].shards) == ("MI300", 1, 1)
    assert amd["attention"].gates
    assert (amd["quant"].trigger, amd["quant"].blocking) == ("gate", "soft")
    assert amd["quant"].files == ("tests/kernels/test_quant.py", "tests/kernels/test_rocm_only.py")
    assert amd["quant"].slice
    assert by_key(vllm, "nvidia")["quant"].trigger == "nightly"


def test_the_second_amd_list_never_gates(vllm):
    row = next(r for r in vllm.rows if r.source_file.endswith("test-amd.yaml"))
    assert (row.vendor, row.gpu_model, row.gpus, row.blocking, row.trigger) == ("amd", "MI325", 8, "soft", "nightly")


def test_commented_steps_carry_their_reason(vllm):
    off = [r for r in vllm.rows if not r.live]
    assert [(r.label, r.disabled_reason) for r in off] == [("Mixture kernels", "Disabled until the wheel is pinned")]
    assert off[0].files == ("tests/kernels/test_moe.py",)


def test_policy_has_dates(tmp_path):
    tree = write_tree(tmp_path / "vllm", VLLM)
    gates = {
        d: by_key(scan("vllm", tree, date=d), "amd")["attention"].gates
        for d in ("2026-07-09", "2026-07-10", "2026-07-26", "2026-07-27")
    }
    assert gates == {"2026-07-09": True, "2026-07-10": False, "2026-07-26": False, "2026-07-27": True}


def test_own_policy_wins(tmp_path):
    rule = '[[rule]]\nengine = "vllm"\nlist = "mirror"\nblocking = "soft"\nsource = "we said so"\n'
    (tmp_path / "policy.toml").write_text(rule)
    found = scan("vllm", write_tree(tmp_path / "vllm", VLLM), date=DATE, policy=tmp_path / "policy.toml")
    assert not by_key(found, "amd")["attention"].gates
    assert by_key(found, "amd")["aiter"].gates
    assert any("we said so" in p for p in found.snapshot.policy)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[rule]\n", "not valid TOML"),
        ('[[rule]]\nengine="vllm"\nlist="mirror"\nbloking="soft"\nsource="x"\n', "did you mean 'blocking'"),
        ('[[rule]]\nengine="vllm"\nlist="mirror"\nblocking="maybe"\nsource="x"\n', "blocking"),
    ],
)
def test_bad_policy(tmp_path, text, says):
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises((BadConfig, BadFile), match=says):
        scan("vllm", write_tree(tmp_path / "vllm", VLLM), date=DATE, policy=tmp_path / "p.toml")


def test_old_layout(tmp_path):
    found = scan("vllm", write_tree(tmp_path, OLD_VLLM), date="2025-05-28")
    assert found.snapshot.layout == "pipeline"
    amd = {r.key: r for r in found.of("amd")}
    assert {k: (r.trigger, r.blocking) for k, r in amd.items()} == {
        "core-test": ("gate", "unknown"),
        "kernels-test-n": ("optin", "unknown"),
    }
    nvidia = {r.key: r for r in found.of("nvidia")}
    assert (nvidia["entrypoints-test"].gpu_model, nvidia["entrypoints-test"].gpus) == ("A100", 4)
    total = measure_coverage(found)[-1]
    assert (total.any, total.gating_parity, total.gate_steps_amd_unknown) == (2 / 3, 0.0, 1)


def test_date_is_that_of_the_distribution(tmp_path):
    tree = write_tree(tmp_path, VLLM)
    os.utime(tree / "PKG-INFO", (1_780_000_000, 1_780_000_000))
    assert scan("vllm", tree).snapshot.date == "2026-05-28"
    (tree / "PKG-INFO").unlink()
    with pytest.raises(BadConfig, match="--date"):
        scan("vllm", tree)
    with pytest.raises(BadConfig, match="2026-11-02"):
        scan("vllm", tree, date="yesterday")


# Measures


def test_coverage_of_a_known_tree(vllm):
    total = measure_coverage(vllm)[-1]
    assert (total.steps_nvidia, total.steps_amd) == (3, 4)
    assert (total.files_nvidia, total.files_amd, total.files_both) == (2, 4, 2)
    assert total.any == 1.0
    assert (total.gate_files_nvidia, total.gate_files_both, total.gate) == (1, 1, 1.0)
    assert (total.gate_steps_nvidia, total.gate_steps_paired) == (2, 1)
    assert (total.functions_nvidia, total.functions_both) == (4, 3)
    assert set(total.amd_only) == {"tests/kernels/attention/test_slow.py", "tests/kernels/test_rocm_only.py"}
    assert (total.slots_nvidia.whole, total.slots_nvidia.slices) == (3, 2)
    assert (total.slots_amd.whole, total.slots_amd.slices) == (13, 1)
    assert (total.unresolved_nvidia, total.unresolved_amd) == (1, 0)
    assert [d[0] for d in total.disabled] == ["nvidia"]


def test_subjects_part_the_files(vllm):
    *parts, total = measure_coverage(vllm, "subject")
    assert sum(p.files_nvidia for p in parts) == total.files_nvidia
    assert sum(p.functions_both for p in parts) == total.functions_both
    assert {p.area: p.files_nvidia for p in parts if p.files_nvidia} == {"quantization": 1, "attention": 1}


def test_a_file_that_amd_runs_in_another_area_is_covered(vllm):
    rows = tuple(replace(r, area="Elsewhere") if r.vendor == "amd" else r for r in vllm.rows)
    kernels = next(c for c in measure_coverage(replace(vllm, rows=rows), "area") if c.area == "Kernels")
    assert (kernels.files_amd, kernels.any) == (0, 1.0)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests/kernels/moe/test_quant_moe.py", "quantization"),
        ("tests/kernels/moe/test_x.py", "MoE"),
        ("tests/v1/attention/test_x.py", "attention"),
        ("tests/kernels/core/test_x.py", "other kernels"),
        ("test/registered/disaggregation/test_x.py", "distributed"),
        ("tests/test_x.py", "everything else"),
    ],
)
def test_subject(path, expected):
    assert subject(path) == expected


def test_rows_come_back_as_written(vllm, tmp_path):
    write_scan(vllm, tmp_path / "rows.jsonl")
    assert read_scan(tmp_path / "rows.jsonl") == vllm
    lines = (tmp_path / "rows.jsonl").read_bytes().splitlines()
    row = next(r for r in map(orjson.loads, lines) if r["record"] == "row")
    assert list(row)[1:] == [
        "engine",
        "snapshot_commit",
        "snapshot_date",
        "source_file",
        "key",
        "label",
        "area",
        "vendor",
        "device_label",
        "gpu_model",
        "gpus",
        "shards",
        "est_s",
        "trigger",
        "blocking",
        "disabled_reason",
        "files",
        "unresolved",
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.replace(b'"record":"row"', b'"record":"rox"', 1), "line 2"),
        (lambda t: t.replace(b'"trigger"', b'"triger"', 1), "lacks or adds triger, trigger"),
        (lambda t: t[t.index(b"\n") + 1 :], "is not a scan"),
        (lambda t: t.replace(b'"schema_version":1', b'"schema_version":9'), "schema version 9"),
        (lambda t: b"\xff\xfe\n" + t, "line 1"),
        (lambda t: b"", "is not a scan"),
    ],
)
def test_broken_rows(vllm, tmp_path, change, says):
    path = tmp_path / "rows.jsonl"
    write_scan(vllm, path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(BadFile, match=says):
        read_scan(path)


def test_diff_names_what_changed(tmp_path, vllm):
    fewer = {
        **VLLM,
        ".buildkite/test_areas/kernels.yaml": VLLM[".buildkite/test_areas/kernels.yaml"].replace(
            "      device: mi300_1\n", "      device: mi300_1\n      optional: true\n"
        ),
    }
    del fewer["tests/kernels/attention/test_slow.py"]
    found = diff(vllm, scan("vllm", write_tree(tmp_path / "later", fewer), date=DATE))
    assert found.amd_files_lost == ("tests/kernels/attention/test_slow.py",)
    assert found.amd_steps_no_longer_gating == ((".buildkite/test_areas/kernels.yaml", "attention"),)
    assert (found.before.total.gate_steps_paired, found.after.total.gate_steps_paired) == (1, 0)
    assert not found.newly_disabled


def test_diff_of_two_engines_is_refused(tmp_path, vllm):
    other = scan("sglang", write_tree(tmp_path / "s", SGLANG), date=DATE)
    with pytest.raises(BadConfig, match="vllm and sglang"):
        diff(vllm, other)


# TensorRT-LLM, PyTorch


def test_trtllm_lists(tmp_path):
    found = scan("trtllm", write_tree(tmp_path, TRTLLM), date=DATE)
    assert [(r.trigger, r.area, r.gpus, r.files) for r in found.rows] == [
        ("gate", "pytorch", 2, ("tests/unittest/_torch/test_m.py",)),
        ("gate", "pytorch", 2, ("tests/integration/defs/accuracy/test_api.py",)),
        ("nightly", "cpp", 1, ()),
    ]
    assert found.rows[2].unresolved == ("gone/test_gone.py::test_it",)
    assert measure_coverage(found)[-1].any == 0.0


def test_pytorch_shards(tmp_path):
    found = scan("pytorch", write_tree(tmp_path, PYTORCH), date=DATE)
    live = [(r.vendor, r.gpu_model, r.gpus, r.trigger) for r in found.rows if r.live]
    assert live == [("nvidia", "A10G", 1, "gate")] * 2 + [("amd", "AMD, model not said", 2, "nightly")]
    assert [r.label for r in found.rows if not r.live] == ["test_jit_legacy", "distributed/rpc/test_x"]


# The commands


def test_commands_end_to_end(call, tmp_path):
    write_tree(tmp_path / "vllm", VLLM)
    code, out, _ = call(f"parity scan --engine vllm --path vllm --date {DATE} --out rows.jsonl")
    assert code == 0
    assert "rows.jsonl" in out
    code, out, _ = call("parity table rows.jsonl --by area --json")
    assert code == 0
    found = orjson.loads(out)
    assert [c["area"] for c in found["coverage"]][-1] == "all"
    assert found["coverage"][-1]["gating_parity"] == 0.5
    assert call("parity table rows.jsonl --by subject --names")[0] == 0
    code, out, _ = call("parity history rows.jsonl --out h.json")
    assert "1.2.3" in out
    assert read_history(tmp_path / "h.json").entries[0].total.files_both == 2
    code, out, _ = call("parity diff rows.jsonl rows.jsonl --json")
    assert orjson.loads(out)["amd_files_gained"] == []
    assert call("parity diff rows.jsonl rows.jsonl")[0] == 0


def test_history_shows_the_shipped_series(call):
    code, out, _ = call("parity history")
    assert code == 0
    assert "0.33.0" in out


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("parity scan --engine vllm --path gone", "is not a folder"),
        ("parity scan --engine vlm --path .", "did you mean vllm"),
        ("parity scan --engine vllm --path . --date 2030-13-01", "write it as 2026-05-01"),
        ("parity table gone.jsonl", "gone.jsonl does not exist"),
        ("parity results a.xml b.xml", "a.xml cannot be read"),
    ],
)
def test_mistakes_are_one_sentence(call, line, says):
    code, out, err = call(line)
    assert code == 2
    assert out == ""
    assert says in err
    assert len(err.strip().splitlines()) == 1
