"""The form of a question: labels, units, bounds, and the catalog's names as choices; what an error names in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from paretoken.answers.ask import verb_named
from paretoken.answers.field_names import field_for
from paretoken.report.asked.labels import label_and_unit
from paretoken.serve.shipped import shipped

IN_SENTENCES = {"e2e latency": "e2e_s", "the price of ": "price_usd_per_gpu_h"}
"""What sentences of errors call a field, where that is not its label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One input. `kind` says how its text becomes JSON: see `assets/ask/form.js`.

    `name` has the name of the outer field before a dot. `choices` are values with their texts; with `free`, other
    values are accepted too. `bounds` says in words which numbers are.
    """

    name: str
    label: str
    unit: str
    help: str
    kind: str
    choices: tuple[tuple[str, str], ...]
    free: bool
    bounds: str
    required: bool
    default: str
    common: bool = False

    @property
    def id(self) -> str:
        return f"field-{self.name.replace('.', '-')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionForm:
    """The fields of a verb's question: those shown first, the others, and those of each part of the question."""

    verb: str
    about: str
    common: tuple[FormField, ...]
    more: tuple[FormField, ...]
    parts: tuple[tuple[str, tuple[FormField, ...]], ...]

    @property
    def fields(self) -> tuple[FormField, ...]:
        """All of them."""
        return (*self.common, *self.more, *(f for _, inner in self.parts for f in inner))


def form_of(verb: str) -> QuestionForm:
    """The form of a verb; UnknownName for one that does not exist."""
    verb_named(verb)
    plain = shipped("forms")[verb]
    parts = tuple((label, _of_plain(inner)) for label, inner in plain["parts"])
    common, more = _of_plain(plain["common"]), _of_plain(plain["more"])
    return QuestionForm(verb=verb, about=plain["about"], common=common, more=more, parts=parts)


def _of_plain(rows: list[dict[str, Any]]) -> tuple[FormField, ...]:
    return tuple(FormField(**{**row, "choices": tuple(map(tuple, row["choices"]))}) for row in rows)


_FIRST = (re.compile(r"^\w+Question: ([\w.]+) = "), re.compile(r"(?:the|unknown) key '([\w.]+)'"))
_UNKNOWN = re.compile(r"^unknown ([a-z]+)")
_KEY = re.compile(r"'([a-z][\w.]*)'(: true|: false)?")


def field_of(sentence: str, names: list[str]) -> str:
    """The field, of these, that an error names by its key, as unknown, or by its label; else ""."""
    for pattern in _FIRST:
        if match := pattern.search(sentence):
            return match[1].partition(".")[0]
    for pattern in (_UNKNOWN, _KEY):
        for match in pattern.finditer(sentence):
            if name := field_for(match[1].partition(".")[0], names):
                return name
    text = sentence.lower()
    labels = {label_and_unit(name)[0].lower(): name for name in names} | IN_SENTENCES
    by_place = sorted((text.find(label), name) for label, name in labels.items() if label in text and name in names)
    return by_place[0][1] if by_place else ""


def in_labels(sentence: str, form: QuestionForm) -> str:
    """The sentence of an error with the labels of a form for the keys of JSON: `choose one with “Precision”`."""
    labels = {f.name: f.label for f in form.fields}

    def labelled(key: re.Match[str]) -> str:
        return f"“{labels[key[1]]}”{(key[2] or '').replace(':', '')}" if key[1] in labels else key[0]

    return _KEY.sub(labelled, sentence)
