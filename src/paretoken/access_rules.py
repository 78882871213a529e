"""Who may reach a server of ours: hosts of this machine, and the token that any other needs."""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit

SHORTEST_TOKEN = 16


def is_loopback_host(host: str) -> bool:
    """Whether only this machine reaches a server at this host; an IPv6 address may be in brackets."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_name(host: str) -> str:
    """The name or address in a Host header, in small letters and without its port; empty for one that has none."""
    try:
        return "" if "@" in host or "/" in host else urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def bearer_is(authorization: str, token: str) -> bool:
    """Whether an Authorization header holds the token; the word Bearer may be in any case (RFC 9110)."""
    scheme, _, sent = authorization.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(sent.strip().encode("utf-8", "replace"), token.encode())


def short_token(token: str) -> str:
    """Why a token is too short to keep others out; empty for one that is not."""
    long_enough = len(token) >= SHORTEST_TOKEN
    return "" if long_enough else f"the token has {len(token)} characters; use at least {SHORTEST_TOKEN}"
