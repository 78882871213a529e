"""Speculative decoding in a deployment's words: a method, the tokens drafted a step (K), and the acceptance length.

A step verifies K + 1 positions of each sequence and yields the acceptance length, from 1 to K + 1 tokens: those drafted
that the model would have chosen itself, and one of its own. Each drafted token is accepted with one probability a if
all before it were, so that the acceptance length is 1 + a + … + a^K.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from paretoken.errors import BadConfig, nearest, shown
from paretoken.plural import counted

NONE = "none"
MOST_TOKENS = 64
"""More drafted tokens a step than any engine is run with."""


class Method(NamedTuple):
    """`passes` says how it drafts: token by token, all tokens at once, or without the GPU.

    `odds` are those of a drafted token before calibration, a / (1 − a). `tokens` are those drafted where neither a user
    nor the engine's documentation states a number.
    """

    passes: str
    odds: float
    tokens: int


METHODS = {
    "mtp": Method("each", 2.3, 1),
    "eagle": Method("each", 2.3, 5),
    "eagle3": Method("each", 2.3, 3),
    "medusa": Method("once", 1.2, 4),
    "ngram": Method("never", 0.5, 5),
    "draft_model": Method("each", 1.9, 5),
    "dspark": Method("once", 2.8, 7),
}
"""The methods by name. The odds are round figures: public acceptance lengths of 2 to 3 for three drafted tokens of MTP
and EAGLE-3, 3.8 for seven of DSpark (InferenceX's `golden_al_distribution`, Apache-2.0), about 1.5 for five of n-grams.
Medusa has four heads, EAGLE-3 is served with three tokens, n-grams and draft models with five in vLLM's documentation,
DSpark with seven in the recipes of its checkpoints."""
SPECULATIVE = (NONE, *METHODS)
"""Kinds of speculative decoding, "none" first."""
_OTHER_NAMES = {"nextn": "mtp", "dflash": "dspark", "eagle_3": "eagle3", "standalone": "draft_model"}
_WITH_TOKENS = re.compile(r"([^:]*):(.*)", re.DOTALL)


def method_and_tokens(text: str) -> tuple[str, int | None]:
    """The method and, after a colon, the drafted tokens a step: mtp:3. BadConfig for a colon without a number."""
    parts = _WITH_TOKENS.fullmatch(text.strip())
    word = (parts[1] if parts else text).strip().lower().replace("-", "_")
    method = _OTHER_NAMES.get(word, word) or NONE
    if not parts:
        return method, None
    digits = parts[2].strip()
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 7):
        raise BadConfig(
            f"speculative is {shown(text)!r}; write the method and the drafted tokens a step, such as mtp:3"
        )
    return method, int(digits)


def published_method(text: str) -> tuple[str, int | None]:
    """The method and tokens of a source's own word, such as mtp3; MTP where it names none of the methods."""
    word = text.strip().lower().replace("-", "_")
    method = word if word in METHODS else word.rstrip("0123456789_")
    digits = word.removeprefix(method).strip("_")
    return (method, int(digits) if digits else None) if method in METHODS else ("mtp", None)


def check_speculation(method: str, tokens: int | None, acceptance_length: float | None, draft_model: str) -> None:
    """BadConfig for a method, a number of tokens or an acceptance length that cannot be."""
    if method not in SPECULATIVE:
        near = nearest(method, list(SPECULATIVE), 1)
        hint = f"did you mean {near[0]}?" if near else f"use one of {', '.join(SPECULATIVE)}"
        raise BadConfig(f"speculative {shown(method)!r} is unknown; {hint}")
    if method == NONE:
        stated = {"speculative_tokens": tokens, "acceptance_length": acceptance_length, "draft_model": draft_model}
        if name := next((name for name, value in stated.items() if value not in (None, "")), None):
            raise BadConfig(
                f"{name} is {stated[name]}, but no method drafts tokens; add speculative mtp, or leave it out"
            )
        return
    if draft_model and method != "draft_model":
        raise BadConfig(f"draft_model is {shown(draft_model)}, but {method} needs none; use speculative draft_model")
    if tokens is not None and not 1 <= tokens <= MOST_TOKENS:
        raise BadConfig(
            f"speculative_tokens is {tokens}; draft 1 to {MOST_TOKENS} tokens a step, or use speculative none"
        )
    if acceptance_length is None:
        return
    most = (MOST_TOKENS if tokens is None else tokens) + 1
    if not 1 <= acceptance_length <= most:
        drafted = (
            f"with {counted(tokens, 'drafted token')} a step"
            if tokens is not None
            else "at any number of drafted tokens"
        )
        raise BadConfig(f"acceptance_length is {acceptance_length:g}; {drafted} it is from 1 to {most}")


def expected_length(odds: float, tokens: float) -> float:
    """The acceptance length of K tokens, each accepted after the others with the odds a / (1 − a)."""
    accepted = odds / (1 + odds)
    return float((1 - accepted ** (tokens + 1)) * (1 + odds))
