"""How the client runs a load level: processes, connections, credentials, limits of patience."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from paretoken.errors import BadConfig
from paretoken.foreign_text import PART_OF_SECRET


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """All that has a default. `start_unix_s` is the time of the clock to begin at; at once where that has passed."""

    workers: int = 1
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_s: float = 60.0
    connect_timeout_s: float = 10.0
    balance: str = "round_robin"
    cafile: Path | None = None
    insecure: bool = False
    kernel_stamps: bool = True
    progress_every_s: float = 0.25
    start_unix_s: float | None = None

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise BadConfig(f"{self.workers} workers: give 1 or more")
        if not self.timeout_s > 0:
            raise BadConfig(f"timeout {self.timeout_s} s: give more than 0")

    def request_headers(self) -> dict[str, str]:
        """The extra headers of every request, the API key among them."""
        key = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        return key | dict(self.headers)

    @property
    def secrets(self) -> str:
        """What no record may hold: the key and the values of the headers, one a line; short ones are any word."""
        long = (value for value in self.headers.values() if len(value) >= PART_OF_SECRET)
        return "\n".join(filter(None, (self.api_key, *long)))
