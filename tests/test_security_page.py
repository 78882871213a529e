"""SECURITY.md names tests that exist, and installs are by hash alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TREE = Path(__file__).parent.parent
PAGE = (TREE / "SECURITY.md").read_text(encoding="utf-8")
NAMED = {*re.findall(r"`((?:\w+/)?(?:test_\w+\.py)?)`", PAGE)} - {"", "tests/"}


def test_it_names_tests():
    assert len(NAMED) > 15


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_test_that_it_names_exists(name):
    assert (TREE / "tests" / name).exists()


def test_every_install_of_the_makefile_is_by_hash():
    installs = [
        line.strip() for line in (TREE / "Makefile").read_text(encoding="utf-8").splitlines() if "$(PIP)" in line
    ]
    own = "$(PIP) --no-deps --no-build-isolation --editable ."
    assert own in installs
    assert all(line == own or "--require-hashes -r requirements" in line for line in installs)
    # pip and the build's own packages come first, so that everything after is installed by the newer pip.
    assert "requirements-build.lock" in installs[0]


@pytest.mark.parametrize("lock", sorted(TREE.glob("requirements*.lock")), ids=lambda p: p.name)
def test_every_locked_package_has_hashes(lock):
    blocks = re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8").strip())
    for block in blocks:
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", block), block
        assert "--hash=sha256:" in block, block


def test_what_builds_the_package_is_locked():
    lock = (TREE / "requirements-build.lock").read_text(encoding="utf-8")
    (required,) = re.findall(r'requires = \["([^"]+)"\]', (TREE / "pyproject.toml").read_text(encoding="utf-8"))
    assert f"\n{required} " in lock
    for name in ("pip", "setuptools", "pathspec", "pluggy", "packaging", "trove-classifiers", "editables"):
        assert re.search(rf"^{name}==", lock, re.M), name
