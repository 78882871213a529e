"""What a source calls an accelerator, as catalog id, form and memory."""

from __future__ import annotations

import re

from paretoken.catalog.loader import Catalog

FORMS = ("SXM", "PCIe", "NVL", "OAM", "NVL72")
SERVED = ("SXM", "OAM", "NVL72", "")
"""The forms that the operating points are of; an unstated form is taken as one of them and flagged."""

_FORM = re.compile(r"(?<![a-z])(sxm|pcie|nvl72|nvl|oam)\d?(?![a-z])", re.IGNORECASE)
_MEMORY = re.compile(r"(\d{2,3})\s*gb\b", re.IGNORECASE)
_NOISE = re.compile(r"\(.*?\)|nvidia|amd|instinct|tensor core", re.IGNORECASE)


def accelerator_of(text: str, catalog: Catalog, hint: str = "") -> tuple[str, str, float | None]:
    """(id, form or "", memory in GB or None); `hint` is more text that may name the form or the memory.

    A name that the catalog lacks is kept as the source writes it. What is sold in one form alone has that form if the
    operating points are of it, else none: there is nothing to tell apart.
    """
    form = _form(text) or _form(hint)
    memory = _MEMORY.search(text) or _MEMORY.search(hint)
    gb = float(memory[1]) if memory else None
    name = _id(text, form, catalog)
    if name == "A100" and gb == 40:
        name = "A100-40GB"
    if name not in catalog.accelerators.entries:
        return name, form, gb
    forms = catalog.accelerators.entries[name].forms
    if len(forms) > 1 or (forms and form and form not in forms):
        return name, form, gb
    return name, forms[0] if forms and forms[0] in SERVED else "", gb


def sold_in_several_forms(catalog: Catalog) -> list[str]:
    """Accelerators sold under one name in forms of different speed."""
    several = [key for key, entry in catalog.accelerators.items() if len(entry.forms) > 1]
    return [*several, *(["A100-40GB"] if "A100" in several else [])]


def _form(text: str) -> str:
    match = _FORM.search(text)
    return next(f for f in FORMS if f.casefold() == match[1].casefold()) if match else ""


def _id(text: str, form: str, catalog: Catalog) -> str:
    """The id of a name with its form (H100 NVL is an entry of its own), else without it; else the bare name."""
    bare = _MEMORY.sub("", _NOISE.sub("", text)).strip(" -_/")
    formless = _FORM.sub("", bare).strip(" -_/")
    for name in (bare, f"{formless} {form}", formless):
        if name in catalog.accelerators:
            return catalog.accelerators.id_of(name)
    return formless
