"""A question as JSON, answered: the one envelope that the HTTP API, the MCP server and `paretoken ask` return."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

import orjson

from paretoken.answers.field_names import answer_in_fields, in_fields
from paretoken.answers.registry import VERBS, Verb
from paretoken.answers.seam import Question, question_from_json, to_json
from paretoken.errors import ParetokenError, UnknownName
from paretoken.version import __version__

ORIGIN_KEYS = ("origin", "origins", "origin_against")
SOURCE_KEYS = ("source", "sources")
FILES = ("points", "runs", "baselines")
"""Fields of questions that name files of results."""
PREDICTED = "predicted"
SCENARIO = "scenario"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An answer with what a reader needs to trust and to repeat it.

    `origins` are those of its figures: measured, published, predicted, emulated, or a scenario; none where they are
    computed from list prices and other figures of its `sources` alone. `command` prints the same answer as JSON.
    """

    verb: str
    version: str
    question: dict[str, Any]
    answer: Any
    origins: tuple[str, ...]
    sources: tuple[str, ...]
    command: str


def ask(verb: str, question: bytes | str | Mapping[str, object]) -> Envelope:
    """Answer the question that JSON text or a mapping holds; UnknownName, BadConfig or another ParetokenError."""
    entry = verb_named(verb)
    typed_question = question_from_json(entry.question, question)
    return envelope_of(verb, typed_question, answer_of(entry, typed_question))


def answer_of(entry: Verb, question: Question) -> object:
    """The typed answer of a question that was asked in JSON; its errors name fields as JSON has them."""
    try:
        return entry.function(question)
    except ParetokenError as e:
        e.reword(in_fields(e.on_command_line, type(question)))
        e.on_command_line = str(e)  # a question in JSON has fields there, too
        raise


def envelope_of(verb: str, question: Question, typed_answer: object) -> Envelope:
    """The answer of a question with what a reader needs beside it; its sentences name fields of the question."""
    answer = answer_in_fields(to_json(typed_answer), type(question))
    origins, sources = provenance(question, answer)
    return Envelope(
        verb=verb,
        version=__version__,
        question=given_fields(question),
        answer=answer,
        origins=origins,
        sources=sources,
        command=command_of(verb, question),
    )


def provenance(question: Question | None, answer: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The origins and the sources of an answer's figures. What else a setting calls its origin is neither."""
    from paretoken.points.schema import ORIGINS  # imported here since it loads polars

    texts = set(texts_at(answer, ORIGIN_KEYS))
    origins = tuple(origin for origin in (*ORIGINS, SCENARIO) if origin in texts)
    sources = list(filter(None, texts_at(answer, SOURCE_KEYS)))
    if question is not None and hasattr(question, "calibration"):
        calibration = question.calibration or f"shipped with paretoken {__version__}"
        return origins or (PREDICTED,), tuple(dict.fromkeys((f"calibration {calibration}", *sources)))
    return origins, tuple(dict.fromkeys(sources or ([] if question is None else _read_by(question))))


def _read_by(question: Any) -> Iterator[str]:
    """What a question reads: bundles of points with their sources, files, rental prices; else the catalog."""
    from paretoken.points.bundles import chosen

    files = [str(path) for name in FILES for path in getattr(question, name, ())]
    reads_points = hasattr(question, "bundles")
    if reads_points and getattr(question, "published", question.bundles or not files):
        yield from (f"bundle {b.name}: {', '.join(b.manifest.sources)}" for b in chosen(question.bundles))
    yield from files
    if getattr(question, "market", not reads_points) and hasattr(question, "shipped_prices"):
        yield from map(str, question.price_folders)
        if question.shipped_prices:
            yield f"rental prices shipped with paretoken {__version__}"
    elif not (reads_points or files):
        yield f"catalog shipped with paretoken {__version__}"


def verb_named(name: str) -> Verb:
    """The verb of this name that turns JSON into JSON; UnknownName otherwise."""
    verbs = {key: verb for key, verb in VERBS.items() if not verb.writes_files}
    if name not in verbs:
        raise UnknownName("question", name, list(verbs))
    return verbs[name]


def command_of(verb: str, question: Question) -> str:
    """The shell command that prints the answer as JSON."""
    return shlex.join(["paretoken", "ask", verb, orjson.dumps(given_fields(question)).decode()])


def given_fields(question: Question) -> dict[str, Any]:
    """The fields of a question that differ from their defaults, as plain values."""
    plain = to_json(question)
    defaults = {f.name: _default(f) for f in fields(question)}
    return {name: plain[name] for name, value in defaults.items() if getattr(question, name) != value}


def _default(field: Any) -> object:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def texts_at(value: Any, keys: tuple[str, ...]) -> Iterator[str]:
    """Texts at these keys of an answer in plain values, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in keys:
                yield from (text for text in _flat(inner) if isinstance(text, str))
            else:
                yield from texts_at(inner, keys)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_at(inner, keys)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    else:
        yield value
