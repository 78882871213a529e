"""OpenAPI 3.1 of the API, from the JSON schemas of every question and answer."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson

from paretoken.answers.registry import VERBS, Verb
from paretoken.answers.seam import json_schemas
from paretoken.serve.examples import EXAMPLES
from paretoken.serve.web.problems import PROBLEM_JSON
from paretoken.version import __version__

ROOT = "/api/v1"
DOCUMENT = f"{__name__}:document"
REFERENCE = "#/components/schemas/{model}"
_TEXTS = {"type": "array", "items": {"type": "string"}}
PROBLEMS = {
    HTTPStatus.BAD_REQUEST: "The question cannot be used: the detail says why and what to do.",
    HTTPStatus.UNAUTHORIZED: "The request lacks the token of the server, or has another.",
    HTTPStatus.FORBIDDEN: "A page of another origin sent the request.",
    HTTPStatus.NOT_FOUND: "No such verb or path.",
    HTTPStatus.METHOD_NOT_ALLOWED: "The path does not take this method.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The question is too large.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The question is not sent as application/json.",
    HTTPStatus.MISDIRECTED_REQUEST: "The Host header names another server.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "No data answers the question: the detail names what is nearest.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Too many questions wait, or the answer takes too long.",
}
PROBLEM = {
    "type": "object",
    "description": "What is wrong, in one sentence (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong with its value, and what to do"},
    },
}


def document(payload: bytes) -> bytes:
    """The document as JSON; a job of the workers, since it loads every question."""
    asking = {name: verb for name, verb in VERBS.items() if not verb.writes_files}
    kinds = dict.fromkeys(kind for verb in asking.values() for kind in (verb.question, verb.answer))
    schemas, shared = json_schemas(kinds, REFERENCE)
    of_kind = dict(zip(kinds, schemas, strict=True))
    paths = {f"{ROOT}/{name}": {"post": _operation(name, verb, of_kind)} for name, verb in asking.items()}
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "paretoken",
                "version": __version__,
                "description": "Measure, predict and price LLM inference: each path answers one kind of question.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "paths": {f"{ROOT}/": {"get": _LIST}, **listed_paths(), **paths},
            "components": {
                "schemas": {**shared, "Problem": PROBLEM},
                "responses": {status.name: _problem(words) for status, words in PROBLEMS.items()},
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            },
            "security": [{}, {"token": []}],
        }
    )


def _operation(name: str, verb: Verb, schemas: dict[type[object], dict[str, Any]]) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": schemas[verb.question]}
    if name in EXAMPLES:
        media["examples"] = {"short": {"value": EXAMPLES[name]}}
    return {
        "operationId": name,
        "summary": verb.text,
        "requestBody": {"required": True, "content": {"application/json": media}},
        "responses": {
            "200": {"description": "The answer.", "content": _json(_envelope(name, schemas[verb.answer]))},
            **_refused(PROBLEMS),
        },
    }


def _envelope(name: str, answer: dict[str, Any]) -> dict[str, Any]:
    properties = {
        "verb": {"const": name},
        "version": {"type": "string", "description": "Version of paretoken"},
        "question": {"type": "object", "description": "The fields that differ from their defaults"},
        "answer": answer,
        "origins": {
            **_TEXTS,
            "description": "Origins of the figures: measured, published, predicted, emulated, scenario",
        },
        "sources": {**_TEXTS, "description": "Sources of the figures, in the order of the answer"},
        "command": {"type": "string", "description": "Shell command that prints the same answer"},
    }
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}


def _refused(statuses: Any) -> dict[str, Any]:
    return {str(int(s)): {"$ref": f"#/components/responses/{s.name}"} for s in statuses}


def _problem(words: str) -> dict[str, Any]:
    return {"description": words, "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def listed_paths() -> dict[str, Any]:
    """What the served folder holds, as the pages of runs show it."""
    return {
        f"{ROOT}/{path}": {
            "get": {
                "operationId": path.replace("/", "-"),
                "summary": summary,
                "parameters": [_parameter(name, words) for name, words in parameters.items()],
                "responses": {
                    "200": {"description": "What the page shows.", "content": _json({"type": "object"})},
                    **_refused(PROBLEMS),
                },
            }
        }
        for path, (summary, parameters) in _LISTED.items()
    }


def _parameter(name: str, words: str) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": "string"}
    several = {"type": "array", "items": kind, "minItems": 2, "maxItems": 2} if words == _TWO else kind
    return {"name": name, "in": "query", "description": words, "required": name in _NEEDED, "schema": several}


_ONE, _TWO = "Path of the run in the folder", "Paths of two runs; the first is the baseline"
_NEEDED = ("run", "campaign")
_NAMED = {name: f"Only of this {name}" for name in ("model", "accelerator", "engine", "precision", "workload")}
_SORTED = {
    **_NAMED,
    "words": "Only where these words occur",
    "sort": "Column to sort by",
    "order": "up, else down",
    "page": "Number of the page, from 1",
}
_LISTED: dict[str, tuple[str, dict[str, str]]] = {
    "runs": ("List the runs of the folder.", _SORTED),
    "points": ("List the operating points of the folder.", _SORTED),
    "runs/open": ("Show one run: its levels and figures.", {"run": _ONE}),
    "runs/compare": ("Compare two runs.", {"run": _TWO, "load": "1: at equal load"}),
    "runs/history": ("Show the history of one configuration.", _NAMED),
    "runs/campaign": ("Show the cells of a campaign.", {"campaign": "Path of the campaign in the folder"}),
    "runs/watch": ("Show a run that measures now.", {"run": _ONE}),
    "live": ("List the runs that measure now.", {}),
}
_VERB = {
    "type": "object",
    "required": ["name", "path", "text"],
    "properties": {key: {"type": "string"} for key in ("name", "path", "text")},
}
_LIST = {
    "operationId": "verbs",
    "summary": "List every verb that answers.",
    "responses": {
        "200": {
            "description": "The verbs.",
            "content": _json(
                {
                    "type": "object",
                    "required": ["version", "verbs"],
                    "properties": {"version": {"type": "string"}, "verbs": {"type": "array", "items": _VERB}},
                }
            ),
        },
        **_refused(
            (
                HTTPStatus.UNAUTHORIZED,
                HTTPStatus.FORBIDDEN,
                HTTPStatus.METHOD_NOT_ALLOWED,
                HTTPStatus.MISDIRECTED_REQUEST,
                HTTPStatus.SERVICE_UNAVAILABLE,
            )
        ),
    },
}
