"""Write the JSON schemas of every verb's question and answer to docs/schemas: `python tools/schemas.py`."""

from __future__ import annotations

import json
from pathlib import Path

from paretoken.answers.registry import VERBS, Verb
from paretoken.answers.seam import json_schema

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"


def schema_text(verb: Verb) -> str:
    """The content of one file."""
    schemas = {"question": json_schema(verb.question)}
    if not verb.writes_files:
        schemas["answer"] = json_schema(verb.answer)
    return json.dumps(schemas, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, verb in VERBS.items():
        (FOLDER / f"{name}.json").write_text(schema_text(verb), encoding="utf-8")
