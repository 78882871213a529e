"""What can go wrong with a server, on request.

A fault is written KIND, KIND=VALUE or KIND=VALUE@SHARE; `SHARE` of the requests meet it (all by default).

    refuse=N      while N connections are open the port is closed: the system refuses the next ones
    reset=N       the connection is reset after N tokens (1)
    truncate=N    the answer ends after N tokens (1), without a finish reason
    stall=S       nothing more comes for S seconds after the first token (30)
    slow=S        the first token comes S seconds later (5)
    malformed=N   the N-th event (2) is cut JSON
    error=N       an error object comes inside the stream after N tokens (1)
    429, 500, 503 that HTTP status instead of an answer
    chunk=N       N tokens in each event (4)
"""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.errors import BadConfig, UnknownName

DEFAULTS = {
    "refuse": 1,
    "reset": 1,
    "truncate": 1,
    "stall": 30,
    "slow": 5,
    "malformed": 2,
    "error": 1,
    "429": 429,
    "500": 500,
    "503": 503,
    "chunk": 4,
}
SECONDS = ("stall", "slow")
MOST = 1_000_000
"""The most seconds, and tokens, events or connections, that a fault may be of."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault: a count of tokens, events or connections, seconds, or an HTTP status; and its share."""

    kind: str
    value: float
    share: float = 1.0

    @property
    def http_status(self) -> int:
        return int(self.kind) if self.kind.isdigit() else 0


def parse_fault(text: str) -> Fault:
    """A fault in the form above. Raises UnknownName, BadConfig."""
    head, _, share = text.strip().partition("@")
    kind, _, value = head.partition("=")
    if kind not in DEFAULTS:
        raise UnknownName("fault", kind, list(DEFAULTS))
    try:
        fault = Fault(kind, float(value or DEFAULTS[kind]), float(share or 1.0))
    except ValueError:
        raise BadConfig(f"fault {text!r}: write KIND=NUMBER@SHARE, such as reset=5@0.1") from None
    allowed = 0 <= fault.value <= MOST if kind in SECONDS else 1 <= fault.value <= MOST and fault.value.is_integer()
    if not 0 <= fault.share <= 1 or not allowed:
        raise BadConfig(f"fault {text!r}: the share must be 0 to 1, the value seconds or a count of 1 to {MOST:,}")
    return fault
