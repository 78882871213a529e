"""`summary.json` of a level, read back with its version checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from paretoken.bench.stats.summary import SUMMARY_VERSION
from paretoken.errors import BadFile

SCHEMA = "paretoken.summary"


def read_summary(path: Path | str) -> dict[str, Any]:
    """The summary in a file; BadFile if it is none, or of a later version than this one knows."""
    try:
        found = orjson.loads(Path(path).read_bytes())
    except OSError as e:
        raise BadFile(f"{path} cannot be read: {e.strerror}") from e
    except orjson.JSONDecodeError as e:
        raise BadFile(f"{path} is no JSON: {e}") from e
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise BadFile(f"{path} is no summary of a load level; give the summary.json of a run")
    version = found.get("schema_version")
    if not isinstance(version, int) or version > SUMMARY_VERSION:
        raise BadFile(f"{path} has version {version}, this paretoken knows {SUMMARY_VERSION}; update paretoken")
    return found
