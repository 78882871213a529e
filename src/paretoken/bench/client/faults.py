"""What the system's errors say: whose fault a lost connection is, in a status and in words."""

from __future__ import annotations

import errno
import ssl

OWN_FAULTS = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
"""This machine has no more descriptors, ports or memory: no fault of the server."""
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST")
"""How OpenSSL names an answer in plain text."""


def os_error_text(error: OSError | None) -> str:
    """What the system says of a lost connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        words = error.reason or str(error)
        return f"{words}: this port speaks no TLS; use http://" if words in _NO_TLS else words
    return (error.strerror or str(error)) if error else "connection closed"


def connect_failure(error: OSError | None) -> str:
    """The status of a request for which no connection could be made."""
    if isinstance(error, ssl.SSLError):
        return "tls"
    return "refused" if error is None or error.errno not in OWN_FAULTS else "client_error"


def break_failure(error: OSError) -> str:
    """The status of a request whose connection broke by this error."""
    return "client_error" if error.errno in OWN_FAULTS and not isinstance(error, ssl.SSLError) else "reset"
