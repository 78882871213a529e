"""What a receipt says of the program and the machine."""

from __future__ import annotations

from pathlib import Path

from paretoken.bench.receipt_writer import cpu_name, gpu_names, installed_packages, receipt_writer, tree_commit
from paretoken.version import __version__

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_this_program_on_this_machine():
    writer = receipt_writer()
    assert writer.tool == __version__ and writer.cpus and writer.cpu == cpu_name()
    assert {"numpy", "polars", "scipy"} <= set(writer.packages)


def test_packages_are_those_of_the_first_place_that_has_them(tmp_path):
    for name in ("a/numpy-2.1.0.dist-info", "b/numpy-1.0.dist-info", "b/my_tool-3.0rc1.dist-info", "b/other"):
        (tmp_path / name).mkdir(parents=True)
    places = ["", str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "missing")]
    assert installed_packages(places) == {"my_tool": "3.0rc1", "numpy": "2.1.0"}


def test_the_commit_of_a_source_tree(tmp_path):
    assert tree_commit(tmp_path) is None
    write(tmp_path / ".git" / "HEAD", "ref: refs/heads/main\n")
    assert tree_commit(tmp_path) is None
    write(tmp_path / ".git" / "packed-refs", f"# pack-refs\n{COMMIT} refs/heads/main\n")
    assert tree_commit(tmp_path) == COMMIT
    write(tmp_path / ".git" / "refs" / "heads" / "main", "f" * 40 + "\n")
    assert tree_commit(tmp_path) == "f" * 40
    write(tmp_path / ".git" / "HEAD", COMMIT)
    assert tree_commit(tmp_path) == COMMIT


def test_the_commit_of_a_worktree(tmp_path):
    git = tmp_path / "main" / ".git"
    write(git / "worktrees" / "side" / "HEAD", "ref: refs/heads/side\n")
    write(git / "worktrees" / "side" / "commondir", "../..\n")
    write(git / "refs" / "heads" / "side", COMMIT)
    write(tmp_path / "side" / ".git", f"gitdir: {git / 'worktrees' / 'side'}\n")
    assert tree_commit(tmp_path / "side") == COMMIT


def test_gpus_by_the_files_of_their_drivers(tmp_path):
    write(tmp_path / "nv" / "0000:01:00.0" / "information", "Model: \t\t NVIDIA H200\nIRQ: 1\n")
    write(tmp_path / "kfd" / "1" / "name", "gfx942\n")
    write(tmp_path / "kfd" / "0" / "name", "\n")
    assert gpu_names(tmp_path / "nv", tmp_path / "kfd") == ("NVIDIA H200", "gfx942")
