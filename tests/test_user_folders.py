"""Where the user's folders are, and that nothing in them is from somebody else."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from pwd import getpwuid

import pytest

from paretoken import user_folders
from paretoken.points.bundles import data_folder
from paretoken.user_folders import cache_home, data_home, is_private_file, private_folder, user_cache


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


def test_absolute_paths_of_the_environment_are_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "d"))
    assert (cache_home(), data_home(), user_cache()) == (tmp_path / "c", tmp_path / "d", tmp_path / "c" / "paretoken")


@pytest.mark.parametrize("relative", ["", ".", "cache", "../cache"])
def test_relative_paths_of_the_environment_are_ignored(relative, tmp_path, monkeypatch):
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, relative)
    monkeypatch.delenv("PARETOKEN_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (cache_home(), data_home()) == (tmp_path / ".cache", tmp_path / ".local" / "share")
    assert data_folder().is_absolute()
    monkeypatch.setenv("HOME", relative)
    assert cache_home() == Path(getpwuid(os.getuid()).pw_dir) / ".cache"


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_a_new_folder_is_for_its_owner_alone(umask, tmp_path):
    before = os.umask(umask)
    try:
        assert mode(private_folder(tmp_path / "a" / "b")) == 0o700
    finally:
        os.umask(before)


@pytest.mark.parametrize("loose", [0o777, 0o775, 0o755])
def test_an_own_folder_that_is_open_to_others_is_closed(loose, tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(loose)
    assert mode(private_folder(folder)) == 0o700


def test_a_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cache").symlink_to("elsewhere")
    with pytest.raises(PermissionError, match="is a link"):
        private_folder(tmp_path / "cache")


def test_a_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr(user_folders.os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(PermissionError, match="another user"):
        private_folder(tmp_path / "cache")


def test_which_files_are_private(tmp_path, monkeypatch):
    file, link = tmp_path / "program", tmp_path / "link"
    file.write_text("")
    link.symlink_to(file)
    for bits, private in ((0o700, True), (0o755, True), (0o775, False), (0o707, False)):
        file.chmod(bits)
        assert is_private_file(file) is private
    file.chmod(0o700)
    assert not is_private_file(link)
    assert not is_private_file(tmp_path)
    assert not is_private_file(tmp_path / "missing")
    monkeypatch.setattr(user_folders.os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    assert not is_private_file(file)
