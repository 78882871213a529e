"""CI coverage: readers, commands, skip conditions, measures, hostile trees."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from itertools import product

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken import ecosystem
from paretoken.ecosystem import (
    diff,
    history,
    measure_coverage,
    read_history,
    read_scan,
    results,
    scan,
    shipped_history,
    write_history,
    write_scan,
)
from paretoken.ecosystem.coverage import safe_yaml
from paretoken.ecosystem.coverage.commands import targets
from paretoken.ecosystem.coverage.conditions import Scope, truth
from paretoken.ecosystem.coverage.devices import device
from paretoken.ecosystem.coverage.functions import count
from paretoken.ecosystem.coverage.measure import subject
from paretoken.ecosystem.coverage.modules import Modules
from paretoken.ecosystem.coverage.tree import Tree, normal
from paretoken.errors import BadConfig, BadFile, BadTree, UnknownName
from tests.trees import OLD_SGLANG, OLD_VLLM, PYTORCH, SGLANG, TRTLLM, VLLM, write_tree

DATE = "2026-11-02"


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
    gates = {d: by_key(scan("vllm", tree, date=d), "amd")["attention"].gates
             for d in ("2026-07-09", "2026-07-10", "2026-07-26", "2026-07-27")}  # fmt: skip
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
        "core-test": ("gate", "unknown"), "kernels-test-n": ("optin", "unknown"),
    }  # fmt: skip
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


# Commands

FILES = {
    "tests/a/test_1.py": "", "tests/a/test_2.py": "", "tests/a/b/test_3.py": "", "tests/a/helper.py": "",
    "tests/test_top.py": "", "examples/run.py": "", "other/test_o.py": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("command", "files", "unresolved"),
    [
        ("pytest -v -s a", "a/test_1 a/test_2 a/b/test_3", ()),
        ("pytest -v -s a --ignore=a/test_1.py", "a/test_2 a/b/test_3", ()),
        ("pytest --ignore a/b a", "a/test_1 a/test_2", ()),
        ("pytest a/test_[12].py", "a/test_1 a/test_2", ()),
        ("pytest a/*", "a/test_1 a/test_2 a/b/test_3 a/helper", ()),
        ("pytest a/test_1.py::TestX::test_y[p-1]", "a/test_1", ()),
        ("X=1 Y=2 python3 -m pytest a/test_1.py -k 'not (a or b)'", "a/test_1", ()),
        ("export A=1 && pytest a/test_1.py; pytest test_top.py", "a/test_1 test_top", ()),
        ("cd a && pytest test_1.py", "a/test_1", ()),
        ("cd a/b\npytest .", "a/b/test_3", ()),
        ("(cd a; pytest test_2.py)", "a/test_2", ()),
        ("cd /mnt/other && pytest -x", "../other/test_o", ()),
        ("pytest a/test_1.py | tee log.txt", "a/test_1", ()),
        ("pytest a/test_1.py > log.txt 2>&1", "a/test_1", ()),
        ("timeout 60 pytest --shard-id=$$JOB --num-shards 4 a/b", "a/b/test_3", ()),
        ("torchrun --nproc-per-node=4 a/test_1.py", "a/test_1", ()),
        ("bash -c 'pytest a/test_1.py'", "a/test_1", ()),
        ("# pytest a/test_1.py", "", ()),
        ("pytest --unknown-option value a/test_1.py", "a/test_1", ()),
        ("pip install pytest && nvidia-smi", "", ()),
        ("pytest gone/test_x.py", "", ("gone/test_x.py of: pytest gone/test_x.py",)),
        ("bash run.sh", "", ("bash run.sh",)),
        ("python3 ../examples/run.py", "", ("python3 ../examples/run.py",)),
        ("find a -name 'test_*.py' -exec pytest {} \\;", "", ("find a -name test_*.py -exec pytest {}",)),
        ("python - <<'PY'\nimport pytest\npytest.main()\nPY", "", ("python -",)),
        ("case $X in 0|1) ;; *) exit 1;; esac", "", ()),
        ("pytest 'unclosed", "", ("sh pytest 'unclosed",)),
    ],
)
def test_commands(tmp_path, command, files, unresolved):
    found = targets(Tree(write_tree(tmp_path, FILES)), [command], mount="/mnt")
    assert found.files == {normal(f"tests/{f}.py") for f in files.split()}
    assert tuple(found.unresolved) == unresolved


def test_the_folder_stays_for_the_next_command(tmp_path):
    found = targets(Tree(write_tree(tmp_path, FILES)), ["cd a", "pytest test_1.py"])
    assert found.files == {"tests/a/test_1.py"}


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("h200_18gb", ("nvidia", "H200 18 GB slice", None)), ("b200-k8s", ("nvidia", "B200", None)),
        ("mi300_4", ("amd", "MI300", 4)), ("mi355_dpx", ("amd", "MI355 DPX slice", None)),
        ("l4", ("nvidia", "L4", None)),
        ("amd_mi325_1", ("amd", "MI325", 1)), ("cpu-small", ("cpu", "CPU", 0)), ("dgx-spark", ("nvidia", "GB10", None)),
        ("", ("nvidia", "L4", None)), ("ascend-910", ("other", "ascend-910", None)),
    ],
)  # fmt: skip
def test_devices(label, expected):
    found = device(label, "l4")
    assert (found.vendor, found.gpu_model, found.gpus) == expected


# Conditions


def condition(tmp_path, text, vendor, module="", files=None):
    tree = Tree(write_tree(tmp_path, {"tests/test_x.py": module, **(files or {})}))
    return truth(ast.parse(text, mode="eval").body, Scope(vendor, Modules(tree), "tests/test_x.py"))


@pytest.mark.parametrize(
    ("text", "nvidia", "amd"),
    [
        ("current_platform.is_cuda()", True, False), ("not current_platform.is_rocm()", True, False),
        ("current_platform.is_cuda_alike()", True, True), ("x.current_platform.is_cpu()", False, False),
        ("torch.version.hip is not None", False, True), ("torch.version.cuda is None", False, True),
        ("torch.version.hip", False, True), ("torch.cuda.is_available()", True, True),
        ("torch.cuda.device_count() < 2", None, None), ("on_gfx950()", False, None),
        ("current_platform.has_device_capability(90)", None, True),
        ("current_platform.has_device_capability(100)", None, False),
        ("current_platform.is_device_capability((10, 0))", None, False),
        ("current_platform.is_rocm() and unknown()", False, None),
        ("current_platform.is_cuda() or unknown()", True, None), ("unknown() or True", True, True),
        ("unknown() and False", False, False), ("not unknown()", None, None),
        ("sys.platform != 'linux'", False, False), ("current_platform.device_name == 'rocm'", False, True),
        ("current_platform.device_type in ('cuda', 'xpu')", True, True), ("os.environ['X'] == '1'", None, None),
        ("1 < 2 < 3", None, None), ("True if current_platform.is_rocm() else unknown()", None, True),
        ("[] < 3", None, None), ("is_hip()", False, True), ("IS_ROCM", False, True), ("TWICE", None, None),
        ("UNDER_IF", None, None), ("helper()", True, False), ("with_argument(True)", True, True),
        ("big()", None, None), ("loop_a()", None, None), ("imported", True, False), ("CHAINED", True, False),
    ],
)  # fmt: skip
def test_conditions(tmp_path, text, nvidia, amd):
    module = """
from tests.shared import flag as imported
IS_ROCM = current_platform.is_rocm()
CHAINED = not IS_ROCM
TWICE = True
TWICE = False
if unknown():
    UNDER_IF = True
def helper():
    '''Documented.'''
    import torch
    return current_platform.is_cuda()
def with_argument(a): return a or unknown()
def big():
    x = 1
    return True
def loop_a(): return loop_b()
def loop_b(): return loop_a()
"""
    files = {"tests/shared.py": "flag = current_platform.is_cuda()\n"}
    assert condition(tmp_path, text, "nvidia", module, files) is nvidia
    assert condition(tmp_path, text, "amd", module, files) is amd


TRUTHS = {"True": True, "False": False, "unknown()": None}
EXPRESSIONS = st.recursive(
    st.sampled_from(list(TRUTHS)),
    lambda inner: st.one_of(
        inner.map(lambda e: f"(not {e})"), st.tuples(inner, inner).map(lambda p: f"({p[0]} and {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]} or {p[1]})"),
    ),
    max_leaves=8,
)  # fmt: skip


@given(EXPRESSIONS)
def test_three_values_are_sound(text):
    """A known value is the one that every way of filling in the unknowns gives."""

    class Nothing:
        def value(self, *_):
            return None

        function = value

    found = truth(ast.parse(text, mode="eval").body, Scope("amd", Nothing(), ""))
    holes = text.count("unknown()")
    possible = set()
    for fill in product("01", repeat=min(holes, 8)):
        filled = text
        for bit in fill:
            filled = filled.replace("unknown()", "True" if bit == "1" else "False", 1)
        possible.add(eval(filled))
    if found is not None:
        assert possible == {found}
    if holes == 0:
        assert found in possible


# Functions


def counted(tmp_path, text, files=None):
    tree = Tree(write_tree(tmp_path, {"tests/test_x.py": text, **(files or {})}))
    return count(Modules(tree), "tests/test_x.py")


@pytest.mark.parametrize(
    ("text", "nvidia", "amd"),
    [
        ("@pytest.mark.skip\ndef test_a(): pass", 0, 0),
        ("@pytest.mark.skip(reason='x')\ndef test_a(): pass", 0, 0),
        ("@pytest.mark.skipif(is_hip(), reason='x')\ndef test_a(): pass", 1, 0),
        ("@pytest.mark.skipif('is_hip()')\ndef test_a(): pass", 1, 0),
        ("@pytest.mark.skipif(condition=is_hip())\nasync def test_a(): pass", 1, 0),
        ("@unittest.skipUnless(is_cuda(), 'x')\nclass TestA(TestCase):\n  def test_a(self): pass", 1, 0),
        ("@unittest.skipIf(is_hip(), 'x')\nclass A(unittest.TestCase):\n  def test_a(self): pass", 1, 0),
        ("class TestA:\n  pytestmark = pytest.mark.skipif(is_hip())\n  def test_a(self): pass\n  def b(): pass", 1, 0),
        ("pytestmark = [pytest.mark.slow, pytest.mark.skipif(is_hip())]\ndef test_a(): pass", 1, 0),
        ("if is_hip():\n  pytest.skip('x', allow_module_level=True)\ndef test_a(): pass\ndef test_b(): pass", 2, 0),
        ("if is_cuda():\n  def test_a(): pass\nelse:\n  def test_b(): pass", 1, 1),
        ("def test_a():\n  if is_hip():\n    pytest.skip('x')\n  assert 1", 1, 0),
        ("def test_a():\n  if is_cuda():\n    pass\n  else:\n    pytest.skip('x')", 1, 0),
        ("def test_a():\n  if is_hip():\n    raise unittest.SkipTest('x')", 1, 0),
        ("def test_a():\n  for x in y:\n    pytest.skip('x')", 1, 1),
        ("needs = pytest.mark.skipif(is_hip())\n@needs\ndef test_a(): pass", 1, 0),
        ("pytest.skip('x', allow_module_level=True)\ndef test_a(): pass", 0, 0),
        ("def helper(): pass\nclass Base:\n  def test_no(self): pass", 0, 0),
    ],
)  # fmt: skip
def test_functions(tmp_path, text, nvidia, amd):
    found = counted(tmp_path, text)
    assert (found.nvidia, found.amd) == (nvidia, amd)
    assert found.both <= min(nvidia, amd)


@pytest.mark.parametrize(
    "text",
    [
        "@pytest.mark.skipif(torch.cuda.device_count() < 2)\ndef test_a(): pass",
        "pytest.importorskip('deep_gemm')\ndef test_a(): pass",
        "def multi(f):\n  return pytest.mark.skipif(count() < 2)(f)\n@multi\ndef test_a(): pass",
        "if unknown():\n  def test_a(): pass",
    ],
)
def test_what_cannot_be_known_counts_as_run_and_is_said(tmp_path, text):
    found = counted(tmp_path, text)
    assert (found.functions, found.amd, found.unknown_amd, found.unknown_nvidia) == (1, 1, 1, 1)


def test_python_that_cannot_be_parsed_is_said(tmp_path):
    assert not counted(tmp_path, "def test_a(:\n").readable
    assert not counted(tmp_path, "x = " + "(" * 500 + ")" * 500).readable
    assert not counted(tmp_path, "x = " + "-" * 100_000 + "1").readable


def test_nothing_is_executed(tmp_path):
    trap = tmp_path / "sprung"
    text = f"from pathlib import Path\nPath({str(trap)!r}).touch()\ndef test_a(): pass\n"
    tree = write_tree(tmp_path / "vllm", {**VLLM, "tests/kernels/attention/test_a.py": text, "conftest.py": text})
    before = set(sys.modules)
    scan("vllm", tree, date=DATE)
    assert not trap.exists()
    assert not {m for m in set(sys.modules) - before if m.startswith(("tests.kernels", "vllm"))}


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
        ("tests/kernels/moe/test_quant_moe.py", "quantization"), ("tests/kernels/moe/test_x.py", "MoE"),
        ("tests/v1/attention/test_x.py", "attention"), ("tests/kernels/core/test_x.py", "other kernels"),
        ("test/registered/disaggregation/test_x.py", "distributed"), ("tests/test_x.py", "everything else"),
    ],
)  # fmt: skip
def test_subject(path, expected):
    assert subject(path) == expected


def test_rows_come_back_as_written(vllm, tmp_path):
    write_scan(vllm, tmp_path / "rows.jsonl")
    assert read_scan(tmp_path / "rows.jsonl") == vllm
    lines = (tmp_path / "rows.jsonl").read_bytes().splitlines()
    row = next(r for r in map(orjson.loads, lines) if r["record"] == "row")
    assert list(row)[1:] == [
        "engine", "snapshot_commit", "snapshot_date", "source_file", "key", "label", "area", "vendor", "device_label",
        "gpu_model", "gpus", "shards", "est_s", "trigger", "blocking", "disabled_reason", "files", "unresolved",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.replace(b'"record":"row"', b'"record":"rox"', 1), "line 2"),
        (lambda t: t.replace(b'"trigger"', b'"triger"', 1), "lacks or adds triger, trigger"),
        (lambda t: t[t.index(b"\n") + 1 :], "is no scan"),
        (lambda t: t.replace(b'"schema_version":1', b'"schema_version":9'), "schema version 9"),
        (lambda t: b"\xff\xfe\n" + t, "line 1"),
        (lambda t: b"", "is no scan"),
    ],
)
def test_broken_rows(vllm, tmp_path, change, says):
    path = tmp_path / "rows.jsonl"
    write_scan(vllm, path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(BadFile, match=says):
        read_scan(path)


def test_diff_names_what_changed(tmp_path, vllm):
    fewer = {**VLLM, ".buildkite/test_areas/kernels.yaml": VLLM[".buildkite/test_areas/kernels.yaml"].replace(
        "      device: mi300_1\n", "      device: mi300_1\n      optional: true\n"
    )}  # fmt: skip
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


def test_history_is_ordered_and_comes_back(tmp_path, vllm):
    older = replace(vllm, snapshot=replace(vllm.snapshot, date="2025-01-01", version="1.0"))
    found = history([vllm, older], made="2026-11-24", source="here")
    assert [e.version for e in found.entries] == ["1.0", "1.2.3"]
    write_history(found, tmp_path / "h.json")
    assert read_history(tmp_path / "h.json") == found
    (tmp_path / "h.json").write_text("{}")
    with pytest.raises(BadFile, match="is no history"):
        read_history(tmp_path / "h.json")


def test_the_shipped_history_adds_up():
    shipped = shipped_history()
    versions = [e.version for e in shipped.entries if e.engine == "vllm"]
    assert {"0.9.0", "0.14.0", "0.20.0", "0.26.0", "0.33.0"} <= set(versions)
    assert [e.date for e in shipped.entries] == sorted(e.date for e in shipped.entries)
    for e in shipped.entries:
        assert e.total.any == e.total.files_both / e.total.files_nvidia
        assert e.total.gating_parity == e.total.gate_steps_paired / e.total.gate_steps_nvidia
        assert sum(p.files_nvidia for p in e.subjects) == e.total.files_nvidia
        assert sum(p.functions_both for p in e.subjects) == e.total.functions_both
        assert len(e.disabled) == e.total.disabled


# SGLang, TensorRT-LLM, PyTorch


def test_sglang_registrations(tmp_path):
    found = scan("sglang", write_tree(tmp_path, SGLANG), date="2026-08-20")
    rows = {(r.key.rpartition("/")[2], r.vendor): r for r in found.rows}
    both = rows["test_both.py", "nvidia"]
    assert (both.trigger, both.est_s, both.gpu_model, both.gpus) == ("gate", 30.0, "H100", 1)
    assert rows["test_night.py", "nvidia"].trigger == rows["test_night.py", "amd"].trigger == "nightly"
    assert rows["test_night.py", "nvidia"].gpus == 8
    assert rows["test_extra.py", "nvidia"].trigger == "optin"
    assert rows["test_extra.py", "amd"].disabled_reason == "flaky, see #1"
    assert ("test_dead.py", "amd") not in rows
    assert "1 registrations" in found.snapshot.notes[0]
    total = measure_coverage(found)[-1]
    assert (total.files_nvidia, total.files_amd, total.files_both) == (4, 2, 2)
    assert (total.gate_files_nvidia, total.gate_files_both) == (2, 1)


def test_sglang_before_registrations(tmp_path):
    found = scan("sglang", write_tree(tmp_path, OLD_SGLANG), date="2025-09-01")
    total = measure_coverage(found)[-1]
    assert (total.files_nvidia, total.files_amd, total.files_both) == (3, 1, 1)
    assert (total.gate, total.disabled) == (0.5, (("amd", "per-commit-amd", "Disabled, see #7701"),))


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


# Bad and hostile trees


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm", "pytorch"])
def test_another_tree_is_told(tmp_path, engine):
    with pytest.raises(BadTree, match="is no tree of"):
        scan(engine, write_tree(tmp_path, {"README.md": "hello"}), date=DATE)


def test_unknown_engine_and_missing_folder(tmp_path):
    with pytest.raises(UnknownName, match="did you mean vllm"):
        scan("vlm", tmp_path, date=DATE)
    with pytest.raises(BadTree, match="is not a folder"):
        scan("vllm", tmp_path / "gone", date=DATE)


def test_a_newer_layout_names_its_new_fields(tmp_path):
    newer = {**VLLM, ".buildkite/test_areas/kernels.yaml": "steps:\n- label: A\n  runs: {on: h100}\n  suite: x\n"}
    with pytest.raises(BadTree, match=r"newer than this paretoken knows.*runs, suite"):
        scan("vllm", write_tree(tmp_path, newer), date=DATE)


def test_a_new_field_beside_known_ones_is_a_note(tmp_path):
    text = VLLM[".buildkite/test_areas/kernels.yaml"].replace("  parallelism: 2\n", "  parallelism: 2\n  warp: 9\n")
    found = scan("vllm", write_tree(tmp_path, {**VLLM, ".buildkite/test_areas/kernels.yaml": text}), date=DATE)
    assert found.snapshot.notes == ("fields of steps that this paretoken does not know, and does not read: warp",)


def test_every_public_name_is_there():
    assert all(getattr(ecosystem, name) is not None for name in ecosystem.__all__)


def test_reading_a_tree_needs_no_statistics():
    code = "import sys, paretoken.ecosystem as e; e.scan; e.shipped_history(); print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_symbolic_links(tmp_path):
    tree = write_tree(tmp_path / "vllm", VLLM)
    (tree / "tests/kernels/link.py").symlink_to("test_quant.py")
    scan("vllm", tree, date=DATE)
    (tree / "tests/round").symlink_to("round")
    with pytest.raises(BadTree, match="in a circle"):
        scan("vllm", tree, date=DATE)
    (tree / "tests/round").unlink()
    (tree / "tests/up").symlink_to("..")
    with pytest.raises(BadTree, match="folder that holds it"):
        scan("vllm", tree, date=DATE)
    (tree / "tests/up").unlink()
    (tree / "tests/out").symlink_to(tmp_path)
    with pytest.raises(BadTree, match="out of the tree"):
        scan("vllm", tree, date=DATE)


def test_a_huge_file_is_refused_unread(tmp_path):
    tree = write_tree(tmp_path, VLLM)
    with (tree / "tests/kernels/attention/test_a.py").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(BadTree, match="1,073,741,824 bytes"):
        scan("vllm", tree, date=DATE)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"{n}: &{n} [{', '.join(['*' + b] * 10)}]\n" for b, n in zip("abcdef", "bcdefg", strict=True)
        ), "aliases"),
        ("[" * 40 + "]" * 40, "nested"), ("a: [1,", "not valid YAML"),
        ("a: !!python/object:os.system x", "not valid YAML"),
        ("steps: 3", "newer than"), ("- 1", "newer than"), ("a: \x00", "not valid YAML"),
    ],
)  # fmt: skip
def test_hostile_yaml(tmp_path, text, says):
    tree = write_tree(tmp_path, VLLM)
    (tree / ".buildkite/test_areas/kernels.yaml").write_text(text)
    with pytest.raises(BadTree, match=says):
        scan("vllm", tree, date=DATE)


def test_deep_folders_and_odd_bytes(tmp_path):
    tree = write_tree(tmp_path / "a", VLLM)
    (tree / "/".join("d" * 45)).mkdir(parents=True)
    with pytest.raises(BadTree, match="folders deep"):
        scan("vllm", tree, date=DATE)
    tree = write_tree(tmp_path / "b", VLLM)
    (tree / ".buildkite/test_areas/kernels.yaml").write_bytes(b"steps:\n- label: \xff\n")
    with pytest.raises(BadTree, match="not UTF-8"):
        scan("vllm", tree, date=DATE)


@given(st.text(max_size=200))
def test_any_yaml_text_is_read_or_refused(text):
    with suppress(BadTree):
        safe_yaml.load(text, "x")


@given(st.text(alphabet="pytest -;&|'\"()[]{}$#\\\n<>=/.*abc", max_size=60))
def test_any_command_is_read(text):
    class Empty:
        folders: set[str] = set()  # noqa: RUF012

        def has(self, _):
            return False

        is_folder = has

        def matching(self, _):
            return []

    targets(Empty(), [text])


# Results


JUNIT = """<?xml version="1.0"?><testsuites><testsuite name="pytest">{}</testsuite></testsuites>"""


def case(name, inner="", where="tests.kernels.test_a"):
    return f'<testcase classname="{where}" name="{name}">{inner}</testcase>'


def test_results_against_the_baseline(tmp_path):
    cuda = [case("a"), case("b"), case("c"), case("d"), case("e", "<skipped/>"), case("m", where="tests.models.test_m")]
    rocm = [case("a"), case("b", "<skipped/>"), case("c", "<failure/>"), case("x"), case("e")]
    (tmp_path / "cuda.xml").write_text(JUNIT.format("".join(cuda)))
    (tmp_path / "rocm.xml").write_text(JUNIT.format("".join(rocm)))
    found = results(tmp_path / "cuda.xml", tmp_path / "rocm.xml")
    t = found.total
    assert (t.cuda_passed, t.passed, t.skipped, t.failed, t.missed, t.amd_only) == (5, 1, 1, 1, 2, 1)
    assert t.share == 0.2
    assert {a.area: a.cuda_passed for a in found.areas} == {"tests.kernels": 4, "tests.models": 1}
    assert ("tests.kernels.test_a::d", "missed") in found.not_passed


def test_a_test_that_stands_twice_keeps_the_worse(tmp_path):
    (tmp_path / "c.xml").write_text(JUNIT.format(case("a")))
    (tmp_path / "r.xml").write_text(JUNIT.format(case("a", "<error/>") + case("a")))
    assert results(tmp_path / "c.xml", tmp_path / "r.xml").total.failed == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<html/>", "no JUnit file"), ("<testsuite>", "not valid XML"), ("", "not valid XML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><testsuite/>', "document type"),
    ],
)  # fmt: skip
def test_bad_junit(tmp_path, text, says):
    (tmp_path / "c.xml").write_text(text)
    (tmp_path / "r.xml").write_text(JUNIT.format(case("a")))
    with pytest.raises(BadFile, match=says):
        results(tmp_path / "c.xml", tmp_path / "r.xml")


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
        ("parity table gone.jsonl", "gone.jsonl cannot be read"),
        ("parity results a.xml b.xml", "a.xml cannot be read"),
    ],
)
def test_mistakes_are_one_sentence(call, line, says):
    code, out, err = call(line)
    assert code == 2
    assert out == ""
    assert says in err
    assert len(err.strip().splitlines()) == 1


def test_results_command(call, tmp_path):
    (tmp_path / "c.xml").write_text(JUNIT.format(case("a")))
    (tmp_path / "r.xml").write_text(JUNIT.format(case("a")))
    code, out, _ = call("parity results c.xml r.xml --json")
    assert code == 0
    assert orjson.loads(out)["total"]["passed"] == 1
    assert "100.0%" in call("parity results c.xml r.xml")[1]
