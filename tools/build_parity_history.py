"""Rebuild SGLang's part of the shipped series of CI coverage from a git clone.

    python tools/build_parity_history.py sglang.git

Any clone or fork whose history holds the commits below will do. Each tree is unpacked, scanned and
removed; nothing of it is kept but counts, names of disabled steps and their reasons. The entries of
other engines stay as they are.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import tarfile
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from paretoken.parity.history import SHIPPED, EngineSource, History, HistoryEntry, entry, read_history, write_history
from paretoken.parity.scan import scan

ENGINE = "sglang"
SOURCE = "commits of the main branch of https://github.com/sgl-project/sglang"
COMMITS = {
    "2025-01-31": "7b020cca2d6d95a374e5214928b148214d615583",
    "2025-03-31": "1c63e797560405b9ec5149d93f02d6147383c627",
    "2025-05-23": "fefa19fec05295a6098cbc6d630b97cc697ff914",
    "2025-07-31": "4a6e7a66a02ac7ab966868933a59ddbb7c153c6b",
    "2025-09-30": "84a9f5d660d9f72b46cc55dd54e117312286739a",
    "2025-11-30": "c72f0756d28286fa3f42e97791514cc6322b8078",
    "2026-01-31": "6aaea09b3d7e2e03c76e65295a2a665eaf610707",
    "2026-03-31": "d047d41bad4b704cbddc761bf714ca5148ee7b68",
    "2026-05-31": "373cadc92ea421710e32c395e8c0e931f000c707",
    "2026-06-30": "53c61bd5e62ca90a8e488821917abf9303c8b94d",
    "2026-07-31": "3e0f7c3f30e246a0a7fdba7eb9b11e6383943ea4",
    "2026-08-18": "d55f1c28e223226575d40d4449266630eaf2a277",
}
"""Days, and the commit of `main` on each."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path, help="git directory with the commits")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    args = parser.parse_args()
    today = datetime.now(UTC).date().isoformat()
    scanned = [scan_commit(args.clone, commit, day) for day, commit in COMMITS.items()]
    write_history(merged(read_history(SHIPPED), scanned, today), args.out)


def scan_commit(clone: Path, commit: str, day: str) -> HistoryEntry:
    """The entry of one commit of a clone."""
    archive = subprocess.run(["git", "-C", str(clone), "archive", commit], check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        return entry(scan(ENGINE, folder, date=day, commit=commit))


def merged(shipped: History, scanned: list[HistoryEntry], today: str) -> History:
    """The shipped series with the entries of this engine replaced."""
    others = [e for e in shipped.entries if e.engine != ENGINE]
    sources = [s for s in shipped.sources if s.engine != ENGINE]
    mine = EngineSource(engine=ENGINE, source=SOURCE, licence="Apache-2.0", made=today)
    return replace(
        shipped,
        made=today,
        entries=tuple(sorted([*others, *scanned], key=lambda e: (e.engine, e.date, e.version))),
        sources=tuple(sorted([*sources, mine], key=lambda s: s.engine)),
    )


if __name__ == "__main__":
    main()
