"""How a request ended."""

from __future__ import annotations

OK = "ok"

STATUSES = (
    OK,
    "refused",  # no connection
    "tls",  # no secure connection
    "reset",  # the connection broke before the end
    "timeout",  # no headers, no token or no whole answer within the time allowed
    "http_3xx",  # a redirect, which is not followed
    "http_429",
    "http_4xx",
    "http_5xx",
    "malformed",  # bytes that are no HTTP, SSE or JSON, or more of them than the request allows
    "truncated",  # the stream ended without a finish reason or before its declared length
    "in_band_error",  # an error object inside a 200 stream, or a finish reason that says so
    "empty",  # a complete answer without any token
    "client_error",  # this machine had no more descriptors, ports or memory
    "cancelled",  # cut by us at the end of the run
)
"""How a request ended: only `ok` counts as success; the order is that of reports."""
