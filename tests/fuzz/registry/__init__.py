"""Every reader that is fuzzed, by its name."""

from __future__ import annotations

from tests.fuzz.reader import FuzzedReader
from tests.fuzz.registry import campaigns, results, runs, sealed, sessions, settings, texts, traffic, trees, trust, wire

READERS: dict[str, FuzzedReader] = {
    reader.name: reader
    for room in (runs, sealed, campaigns, trust, trees, settings, results, sessions, texts, traffic, wire)
    for reader in room.READERS
}
