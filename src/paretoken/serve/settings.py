"""What `paretoken serve` and `paretoken mcp` may show, to whom, and for how long they compute."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from paretoken.access_rules import is_loopback_host, short_token
from paretoken.errors import BadConfig, NoData, quoted

LOOPBACK_HOST, DEFAULT_PORT = "127.0.0.1", 8210


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """Checked settings. BadConfig for a folder that does not exist, a short token, a malformed origin, and an
    address beyond this machine without a token.

    `origins` are addresses of pages beside the server's own, such as `https://bench.example.org` of a reverse proxy.
    """

    folder: Path
    host: str = LOOPBACK_HOST
    port: int = DEFAULT_PORT
    token: str | None = None
    origins: tuple[str, ...] = ()
    question_bytes: int = 1_000_000
    limit_s: float = 300.0

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise BadConfig(f"{self.folder} is not a folder; name the folder of your runs")
        object.__setattr__(self, "folder", self.folder.resolve())
        if self.token is not None and (short := short_token(self.token)):
            raise BadConfig(short)
        if self.token is None and not is_loopback_host(self.host):
            raise BadConfig(
                f"{self.host} is reachable by others; give a token with --token-file, or use {LOOPBACK_HOST}"
            )
        for origin in self.origins:
            if not _is_origin(origin):
                raise BadConfig(f"{quoted(origin)} is not an origin; write it as https://bench.example.org")


def require_folder(folder: Path) -> None:
    """NoData where the served folder is gone: it was removed, or its disk."""
    if not folder.is_dir():
        raise NoData(f"the served folder {folder} was removed; start the server again with a folder that exists")


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and text == f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        return False
