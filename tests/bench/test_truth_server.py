"""The compiled truth server: nothing is run that somebody else can have put in its place."""

from __future__ import annotations

import os
import stat
import tempfile

import pytest

from paretoken.bench.truth.server import compiled_server, compiler
from paretoken.user_folders import user_cache

pytestmark = [pytest.mark.slow, pytest.mark.skipif(compiler() is None, reason="needs a C compiler")]
PLANTED = "#!/bin/sh\nexit 7\n"


@pytest.fixture(autouse=True)
def own_places(tmp_path, monkeypatch):
    """A cache and a folder for temporary files of this test's own."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path


def planted(folder, name, mode=0o755):
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(PLANTED)
    program.chmod(mode)
    return program


def test_it_is_compiled_once_into_a_private_cache():
    with compiled_server() as program:
        assert program.parent == user_cache()
        assert stat.S_IMODE(program.parent.stat().st_mode) == 0o700
        made = program.stat().st_mtime_ns
    with compiled_server() as again:
        assert (again, again.stat().st_mtime_ns) == (program, made)


@pytest.mark.parametrize("mode", [0o775, 0o777])
def test_a_program_that_others_could_write_is_compiled_anew(mode):
    with compiled_server() as program:
        name = program.name
    planted(user_cache(), name, mode)
    with compiled_server() as program:
        assert program.read_bytes()[:4] == b"\x7fELF"


def test_a_link_in_the_place_of_the_program_is_not_followed(tmp_path):
    with compiled_server() as program:
        name = program.name
    program.unlink()
    program.symlink_to(planted(tmp_path, name))
    with compiled_server() as program:
        assert program.read_bytes()[:4] == b"\x7fELF"
        assert not program.is_symlink()


def test_without_a_cache_nothing_of_a_shared_folder_is_run(tmp_path, monkeypatch):
    with compiled_server() as program:
        name = program.name
    trap = planted(tmp_path / "tmp" / f"paretoken-{os.getuid()}", name)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with compiled_server() as program:
        assert program != trap
        assert program.read_bytes()[:4] == b"\x7fELF"
        assert stat.S_IMODE(program.parent.stat().st_mode) == 0o700
    assert not program.parent.exists()


def test_a_cache_that_is_a_link_is_not_used(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "cache").mkdir()
    user_cache().symlink_to(tmp_path / "theirs")
    with compiled_server() as program:
        assert tmp_path / "tmp" in program.parents
    assert not list((tmp_path / "theirs").iterdir())


def test_a_compiler_that_fails_is_no_server(monkeypatch, tmp_path):
    planted(tmp_path / "bin", "cc")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    with compiled_server() as program:
        assert program is None
