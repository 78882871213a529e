"""The user's own folders: where they are, and that no one else can write to them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

PRIVATE = 0o700
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def cache_home() -> Path:
    """`$XDG_CACHE_HOME`, else `~/.cache`."""
    return _base("XDG_CACHE_HOME", ".cache")


def data_home() -> Path:
    """`$XDG_DATA_HOME`, else `~/.local/share`."""
    return _base("XDG_DATA_HOME", ".local/share")


def config_home() -> Path:
    """`$XDG_CONFIG_HOME`, else `~/.config`."""
    return _base("XDG_CONFIG_HOME", ".config")


def user_cache() -> Path:
    """What this program can make again: models with random weights, compiled programs."""
    return cache_home() / "paretoken"


def private_folder(folder: Path) -> Path:
    """The folder, made where it is missing, with access for its owner alone.

    OSError where it cannot be made; PermissionError where it is a link or belongs to another user, who may have put
    something in it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=PRIVATE, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid():
        raise PermissionError(f"{folder} is a link or belongs to another user; remove it")
    if stat.S_IMODE(state.st_mode) != PRIVATE:
        folder.chmod(PRIVATE)
    return folder


def is_private_file(path: Path) -> bool:
    """Whether it is a file, not a link, that only this user can have written."""
    try:
        state = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(state.st_mode) and state.st_uid == os.getuid() and not state.st_mode & _OTHERS_WRITE


def _base(variable: str, below_home: str) -> Path:
    base = Path(os.environ.get(variable, ""))
    # The XDG specification: a relative path is to be ignored.
    return base if base.is_absolute() else _home() / below_home


def _home() -> Path:
    home = Path(os.environ.get("HOME", ""))
    if home.is_absolute():
        return home
    from pwd import getpwuid

    try:
        return Path(getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a user without an entry, as in containers
        return Path("/")
