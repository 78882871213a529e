"""How an emulated server marks itself, so that nobody takes its figures for measured ones.

Every answer carries HEADER, `/version` holds `"emulated": true`, and the model's id begins with PREFIX: result
files of any tool carry that on.
"""

from __future__ import annotations

EMULATED = "emulated"
HEADER = "x-paretoken-emulated"
PREFIX = f"{EMULATED}/"


def is_marked(model: object) -> bool:
    """Whether a model's id is that of an emulated server."""
    name = str(model).strip().casefold()
    return name == EMULATED or name.startswith(PREFIX)


def marked(model: str) -> str:
    """The id under which an emulated server lists a model: `emulated/llama-3-70b`."""
    return model if is_marked(model) else PREFIX + model


def unmarked(model: str) -> str:
    """The model's own id: `llama-3-70b`."""
    return model[len(PREFIX) :] if model.casefold().startswith(PREFIX) else model
