"""`paretoken ask`: a question as JSON, its answer as JSON."""

from __future__ import annotations

import sys
from pathlib import Path

import rich_click as click

from paretoken.cli.output import print_json, print_table
from paretoken.errors import BadConfig

LONGEST_QUESTION = 1_000_000
"""Bytes of a question."""


@click.command("ask")
@click.argument("verb", required=False, metavar="[VERB]")
@click.argument("question", required=False, metavar="[JSON|FILE|-]")
@click.option("--schema", is_flag=True, help="Print the JSON schema of the question.")
@click.option("--envelope", is_flag=True, help="Print the answer with its question, origins, sources and command.")
def command(verb: str | None, question: str | None, schema: bool, envelope: bool) -> None:
    """Answer a question in JSON, as the HTTP API and the MCP server do.

    The question is JSON, a file, or - for standard input. Without VERB, lists the verbs.

    \b
    Examples:
      paretoken ask
      paretoken ask compare --schema
      paretoken ask fit '{"model": "llama-3-70b"}'
      paretoken ask plan question.json --envelope
    """
    from paretoken.answers.ask import ask, verb_named
    from paretoken.answers.seam import json_schema, to_json

    if verb is None:
        _list_verbs()
    elif schema:
        print_json(json_schema(verb_named(verb).question))
    elif question is None:
        verb_named(verb)
        raise BadConfig(
            f"the question is missing; give it as JSON, a file or -, or see 'paretoken ask {verb} --schema'"
        )
    else:
        reply = ask(verb, _text(question))
        print_json(to_json(reply) if envelope else reply.answer)


def _list_verbs() -> None:
    from paretoken.answers.registry import VERBS

    rows = [(name, verb.text) for name, verb in VERBS.items() if not verb.writes_files]
    print_table("Questions", ("verb", "question"), rows)


def _text(question: str) -> bytes:
    """The JSON of a question: the argument itself, what standard input holds, or a file."""
    if question.lstrip()[:1] in ("{", "["):  # a list is refused as a question, not as the name of a file
        return question.encode("utf-8", "surrogateescape")
    if question != "-":
        from paretoken.plain_files import read_bytes

        return read_bytes(Path(question), "question")
    text = sys.stdin.buffer.read(LONGEST_QUESTION + 1)
    if len(text) > LONGEST_QUESTION:
        raise BadConfig(f"the question on standard input is larger than {LONGEST_QUESTION:,} bytes; ask for less")
    return text
