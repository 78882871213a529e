"""Tars of any members, hostile ones, too."""

from __future__ import annotations

import io
import tarfile


def tar(*members: tuple[str, bytes, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    """A tar of (name, content, type)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tarred:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, "/etc/passwd"
            tarred.addfile(info, io.BytesIO(content))
    return out.getvalue()
