"""What a server says before it loads a question: the forms and the tools, as `tools/schemas.py` writes them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson

FOLDER = Path(__file__).parent / "shipped"


@cache
def shipped(name: str) -> Any:
    """The content of a file: `forms` by verb, or the list of `tools`. A test compares them with the questions."""
    return orjson.loads((FOLDER / f"{name}.json").read_bytes())
