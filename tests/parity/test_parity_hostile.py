"""CI coverage: trees that are broken, foreign, newer than we know, or meant to harm."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.errors import BadTree, UnknownName
from paretoken.parity.commands import targets
from paretoken.parity.scan import scan
from paretoken.plain_files import load_yaml
from tests.support.trees import DATE, VLLM, write_tree


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm", "pytorch"])
def test_another_tree_is_told(tmp_path, engine):
    with pytest.raises(BadTree, match="is not a tree of"):
        scan(engine, write_tree(tmp_path, {"README.md": "hello"}), date=DATE)


def test_unknown_engine_and_missing_folder(tmp_path):
    with pytest.raises(UnknownName, match="did you mean vllm"):
        scan("vlm", tmp_path, date=DATE)
    with pytest.raises(BadTree, match="is not a folder"):
        scan("vllm", tmp_path / "gone", date=DATE)


def test_a_newer_layout_names_its_new_fields(tmp_path):
    newer = {**VLLM, ".buildkite/test_areas/kernels.yaml": "steps:\n- label: A\n  runs: {on: h100}\n  suite: x\n"}
    with pytest.raises(BadTree, match=r"newer than this paretoken supports.*runs, suite"):
        scan("vllm", write_tree(tmp_path, newer), date=DATE)


def test_a_new_field_beside_known_ones_is_a_note(tmp_path):
    text = VLLM[".buildkite/test_areas/kernels.yaml"].replace("  parallelism: 2\n", "  parallelism: 2\n  warp: 9\n")
    found = scan("vllm", write_tree(tmp_path, {**VLLM, ".buildkite/test_areas/kernels.yaml": text}), date=DATE)
    assert found.snapshot.notes == ("fields of steps that this paretoken does not know, and does not read: warp",)


def test_reading_a_tree_needs_no_statistics():
    code = "import paretoken.parity.scan, sys; from paretoken.parity import history as h; h.shipped_history();"
    code += " print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_symbolic_links(tmp_path):
    tree = write_tree(tmp_path / "vllm", VLLM)
    (tree / "tests/kernels/link.py").symlink_to("test_quant.py")
    scan("vllm", tree, date=DATE)
    (tree / "tests/round").symlink_to("round")
    with pytest.raises(BadTree, match="circular symbolic link"):
        scan("vllm", tree, date=DATE)
    (tree / "tests/round").unlink()
    (tree / "tests/up").symlink_to("..")
    with pytest.raises(BadTree, match="folder above it"):
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
        (
            "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"{n}: &{n} [{', '.join(['*' + b] * 10)}]\n" for b, n in zip("abcdef", "bcdefg", strict=True)),
            "aliases",
        ),
        ("[" * 40 + "]" * 40, "nested"),
        ("a: [1,", "not valid YAML"),
        ("a: !!python/object:os.system x", "not valid YAML"),
        ("steps: 3", "newer than"),
        ("- 1", "newer than"),
        ("a: \x00", "not valid YAML"),
    ],
)
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
        load_yaml(text, "x", BadTree)


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
