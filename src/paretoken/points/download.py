"""One file from the web, whole or not at all: over http or https, with a time limit and a limit of its size."""

from __future__ import annotations

import gzip
import http.client
import re
import shutil
import ssl
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

from paretoken.errors import BadConfig, BadFile, CannotWrite
from paretoken.foreign_text import one_line
from paretoken.version import __version__

TIMEOUT_S = 30.0
"""The longest wait for a connection, or for the next bytes."""
LONGEST_S = 3600.0
"""The longest download."""
MAX_BYTES = 2_000_000_000
_BLOCK = 1 << 18
_SECRET = re.compile(
    r"((?:^|[?&])[^=&]*(?:key|token|secret|sig|pass|pwd|auth|cookie|credential)[^=&]*=)[^&]*", re.IGNORECASE
)
Progress = Callable[[int, int | None], None]
"""Called with the bytes so far and the bytes in all, if the server says."""


def is_url(location: str) -> bool:
    return "://" in location


def without_secrets(url: str) -> str:
    """An address as it may be shown and stored: keys and tokens of its query replaced, without fragment."""
    return _SECRET.sub(r"\1…", urlsplit(url)._replace(fragment="").geturl())


def download(location: str, to: Path, on_progress: Progress = lambda done, total: None) -> None:
    """Save what is at an address; BadFile if it cannot be had whole."""
    url = without_secrets(location)
    if urlsplit(location).scheme not in ("http", "https"):
        raise BadConfig(f"{url} is not an address of http or https")
    request = urllib.request.Request(location, headers={"User-Agent": f"paretoken/{__version__}"})  # noqa: S310
    try:
        with _opener().open(request, timeout=TIMEOUT_S) as response:
            total = _length(response, url)
            done = _save(response, to, url, total, on_progress)
            packed = response.headers.get("Content-Encoding", "") == "gzip"
    except urllib.error.HTTPError as e:
        e.close()
        raise BadFile(f"{url} answers {e.code} {one_line(str(e.reason))}; check the address") from e
    except urllib.error.URLError as e:
        raise BadFile(f"{url} cannot be reached: {one_line(str(e.reason))}") from e
    except (http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError, ValueError) as e:
        raise BadFile(f"{url} stopped in the middle ({one_line(str(e)) or type(e).__name__}); try again") from e
    except OSError as e:
        raise CannotWrite(f"{to.parent} cannot be written: {e.strerror or e}; nothing was installed") from e
    if total is not None and done != total:
        raise BadFile(f"{url} stopped after {done:,} of {total:,} bytes; try again")
    if packed:
        _gunzip(to, url)


def too_large(what: str) -> BadFile:
    """The error for more bytes than are read."""
    return BadFile(f"{what} is larger than {MAX_BYTES / 1e9:g} GB, the most that is read")


def _opener() -> urllib.request.OpenerDirector:
    """Only http and https, also where a server redirects to."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _length(response: http.client.HTTPResponse, url: str) -> int | None:
    text = response.headers.get("Content-Length")
    length = int(text) if text and text.isdecimal() else None
    if length is not None and length > MAX_BYTES:
        raise too_large(url)
    return length


def _save(response: http.client.HTTPResponse, to: Path, url: str, total: int | None, on_progress: Progress) -> int:
    done, end = 0, monotonic() + LONGEST_S
    with to.open("wb") as file:
        while block := response.read1(_BLOCK):
            if monotonic() > end:
                raise BadFile(f"{url} takes longer than {LONGEST_S / 60:g} minutes; download it yourself")
            done += len(block)
            if done > MAX_BYTES:
                raise too_large(url)
            file.write(block)
            on_progress(done, total)
    return done


def _gunzip(path: Path, url: str) -> None:
    """Unpack a body that the server has compressed."""
    plain = path.with_name(f"{path.name}.plain")
    try:
        with gzip.open(path) as packed, plain.open("wb") as file:
            while block := packed.read(_BLOCK):
                if file.tell() + len(block) > MAX_BYTES:
                    raise too_large(url)
                file.write(block)
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        raise BadFile(f"{url} is compressed and cut off in the middle; try again") from e
    shutil.move(plain, path)
