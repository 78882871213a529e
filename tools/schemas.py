"""Write what is made from every verb's question and answer: `python tools/schemas.py`.

Their JSON schemas go to docs/schemas, the forms of the web app and the tools of the MCP server to
src/paretoken/serve/shipped: a server has them without loading any question.
"""

from __future__ import annotations

import json
from pathlib import Path

import orjson

from paretoken.answers.registry import VERBS, Verb
from paretoken.answers.seam import json_schema, to_json
from paretoken.serve.agents.tools import made_tools
from paretoken.serve.ask.form_made import made_form
from paretoken.serve.shipped import FOLDER as SHIPPED

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
    SHIPPED.mkdir(exist_ok=True)
    forms = {name: to_json(made_form(name)) for name, verb in VERBS.items() if not verb.writes_files}
    for name, content in (("forms", forms), ("tools", made_tools())):
        (SHIPPED / f"{name}.json").write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
