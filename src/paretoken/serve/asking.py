"""The jobs of the workers that answer questions: bytes of JSON in, bytes of JSON out."""

from __future__ import annotations

import orjson

from paretoken.answers.ask import ask
from paretoken.answers.seam import to_json
from paretoken.serve.showing import shown

SLOW = frozenset({"plan", "validate", "predict-trace", "cache-worth", "search-disaggregated"})
"""Verbs whose answers may take minutes."""
WARM_QUESTION = {"model": "llama-3-70b", "precision": "fp8", "workload": "chat", "e2e_s": 15.0}


def envelope(payload: bytes) -> bytes:
    """The envelope of a verb, a line break and its question."""
    verb, _, question = payload.partition(b"\n")
    return orjson.dumps(to_json(ask(verb.decode(), question)))


def warm_up(payload: bytes) -> bytes:
    """Load what most questions need: one of them is asked."""
    shown(b"compare\n" + orjson.dumps(WARM_QUESTION))
    return b""
