"""Which API key goes to which server, and headers whose values stay out of the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from paretoken.access_rules import is_loopback_host
from paretoken.bench.secrets import MASK
from paretoken.errors import BadConfig
from paretoken.foreign_text import visible
from paretoken.secret_names import is_secret

OWN_KEY, OPENAI_KEY = "PARETOKEN_API_KEY", "OPENAI_API_KEY"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_OF_THE_CLIENT = (
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "accept-encoding",
    "expect",
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The key for some servers, None without one; `note` says why a key that is set does not go to them."""

    value: str | None = field(default=None, repr=False)
    note: str = ""


def key_for(urls: Sequence[str], environment: Mapping[str, str], file: Path | None = None) -> ApiKey:
    """The API key for the servers at these URLs: of the file, else PARETOKEN_API_KEY, else OPENAI_API_KEY.

    OPENAI_API_KEY is set for other programs, so it goes to https and to this machine alone.
    """
    if file is not None:
        return ApiKey(_of_file(file))
    if own := environment.get(OWN_KEY, "").strip():
        return ApiKey(_checked(own, OWN_KEY))
    key = environment.get(OPENAI_KEY, "").strip()
    if not key:
        return ApiKey()
    open_to_all = next((url for url in urls if not is_private(url)), None)
    if open_to_all is None:
        return ApiKey(_checked(key, OPENAI_KEY))
    return ApiKey(
        note=f"{OPENAI_KEY} is not sent to {visible(open_to_all)}, which is neither https nor this machine; to send a "
        f"key there, set {OWN_KEY} or use --api-key-file"
    )


def is_private(url: str) -> bool:
    """Whether nobody on the way reads what is sent to a URL: https, or this machine."""
    try:
        parts = urlsplit(url.strip() if "://" in url else f"http://{url.strip()}")
    except ValueError:
        return False
    return parts.scheme == "https" or is_loopback(url)


def is_loopback(url: str) -> bool:
    """Whether a URL is of this machine."""
    try:
        return is_loopback_host(urlsplit(url.strip() if "://" in url else f"http://{url.strip()}").hostname or "")
    except ValueError:
        return False


def read_headers(headers: Sequence[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """`Name: value` of each header, with $VARIABLE and @FILE replaced by what they hold.

    BadConfig for one that the client sets itself, and for a secret on the command line, which every user of the
    machine could read.
    """
    return tuple(_header(header, environment) for header in headers)


def header_fields(headers: Sequence[str]) -> dict[str, str]:
    """The headers by name. BadConfig for one of which only the mask is left: it was not kept with the run."""
    fields = {name.strip(): value.strip() for name, _, value in (header.partition(":") for header in headers)}
    for name, value in fields.items():
        if value == MASK:
            raise BadConfig(f"the value of the header {name} is not kept with a run; add --header '{name}: $VARIABLE'")
    return fields


def _header(header: str, environment: Mapping[str, str]) -> str:
    name, colon, value = (part.strip() for part in header.partition(":"))
    if not (colon and value and _NAME.fullmatch(name)):
        raise BadConfig("--header must be 'Name: value', such as --header 'X-Team: $TEAM'")
    if name.lower() in _OF_THE_CLIENT:
        raise BadConfig(f"--header {name}: the client sets this header itself; leave it out")
    if value.startswith("@"):
        text = _of_file(Path(value[1:]))
    elif _VARIABLE.search(value):
        text = _VARIABLE.sub(lambda m: _variable(m[1] or m[2], environment), value)
    elif is_secret(name):
        raise BadConfig(
            f"--header {name}: its value would show in the list of processes; write it in single quotes as "
            f"'{name}: $VARIABLE' or '{name}: @FILE'"
        )
    else:
        text = value
    return f"{name}: {_checked(text, f'--header {name}')}"


def _variable(name: str, environment: Mapping[str, str]) -> str:
    if value := environment.get(name, "").strip():
        return value
    raise BadConfig(f"--header uses ${name}, which is not set; set it, or use 'Name: @FILE'")


def _of_file(file: Path) -> str:
    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as e:
        raise BadConfig(
            f"the key file {file} cannot be read ({e.__class__.__name__}); check its path and permissions"
        ) from None
    if not key or "\n" in key:
        raise BadConfig(f"the key file {file} must hold the API key on one line")
    return _checked(key, f"the key file {file}")


def _checked(key: str, where: str) -> str:
    if not (key.isascii() and key.isprintable()):
        raise BadConfig(f"the API key in {where} holds a line break or a non-ASCII character; copy it again")
    return key
