"""CI coverage: the files that a step's commands run, the conditions it skips on, the functions in a file."""

from __future__ import annotations

import ast
import sys
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.parity.commands import targets
from paretoken.parity.conditions import Scope, truth
from paretoken.parity.devices import device
from paretoken.parity.functions import count
from paretoken.parity.modules import Modules
from paretoken.parity.scan import scan
from paretoken.parity.tree import Tree, normal
from tests.support.trees import DATE, VLLM, write_tree

# Commands

FILES = {
    "tests/a/test_1.py": "",
    "tests/a/test_2.py": "",
    "tests/a/b/test_3.py": "",
    "tests/a/helper.py": "",
    "tests/test_top.py": "",
    "examples/run.py": "",
    "other/test_o.py": "",
}


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
        ("h200_18gb", ("nvidia", "H200 18 GB slice", None)),
        ("b200-k8s", ("nvidia", "B200", None)),
        ("mi300_4", ("amd", "MI300", 4)),
        ("mi355_dpx", ("amd", "MI355 DPX slice", None)),
        ("l4", ("nvidia", "L4", None)),
        ("amd_mi325_1", ("amd", "MI325", 1)),
        ("cpu-small", ("cpu", "CPU", 0)),
        ("dgx-spark", ("nvidia", "GB10", None)),
        ("", ("nvidia", "L4", None)),
        ("ascend-910", ("other", "ascend-910", None)),
    ],
)
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
        ("current_platform.is_cuda()", True, False),
        ("not current_platform.is_rocm()", True, False),
        ("current_platform.is_cuda_alike()", True, True),
        ("x.current_platform.is_cpu()", False, False),
        ("torch.version.hip is not None", False, True),
        ("torch.version.cuda is None", False, True),
        ("torch.version.hip", False, True),
        ("torch.cuda.is_available()", True, True),
        ("torch.cuda.device_count() < 2", None, None),
        ("on_gfx950()", False, None),
        ("current_platform.has_device_capability(90)", None, True),
        ("current_platform.has_device_capability(100)", None, False),
        ("current_platform.is_device_capability((10, 0))", None, False),
        ("current_platform.is_rocm() and unknown()", False, None),
        ("current_platform.is_cuda() or unknown()", True, None),
        ("unknown() or True", True, True),
        ("unknown() and False", False, False),
        ("not unknown()", None, None),
        ("sys.platform != 'linux'", False, False),
        ("current_platform.device_name == 'rocm'", False, True),
        ("current_platform.device_type in ('cuda', 'xpu')", True, True),
        ("os.environ['X'] == '1'", None, None),
        ("1 < 2 < 3", None, None),
        ("True if current_platform.is_rocm() else unknown()", None, True),
        ("[] < 3", None, None),
        ("is_hip()", False, True),
        ("IS_ROCM", False, True),
        ("TWICE", None, None),
        ("UNDER_IF", None, None),
        ("helper()", True, False),
        ("with_argument(True)", True, True),
        ("big()", None, None),
        ("loop_a()", None, None),
        ("imported", True, False),
        ("CHAINED", True, False),
    ],
)
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
        inner.map(lambda e: f"(not {e})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]} and {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]} or {p[1]})"),
    ),
    max_leaves=8,
)


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
)
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
