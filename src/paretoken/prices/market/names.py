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

    A name that the catalog lacks is kept as the source writes it.
    """
    form = _form(text) or _form(hint)
    memory = _MEMORY.search(text) or _MEMORY.search(hint)
    bare = _MEMORY.sub("", _FORM.sub("", _NOISE.sub("", text))).strip(" -_/")
    name = catalog.accelerators.id_of(bare) if bare in catalog.accelerators else _spaceless(bare, catalog)
    gb = float(memory[1]) if memory else None
    if name == "A100" and gb == 40:
        name = "A100-40GB"
    forms = catalog.accelerators.entries[name].forms if name in catalog.accelerators.entries else ()
    return name, form or (forms[0] if len(forms) == 1 else ""), gb


def sold_in_several_forms(catalog: Catalog) -> list[str]:
    """Accelerators sold under one name in forms of different speed."""
    several = [key for key, entry in catalog.accelerators.items() if len(entry.forms) > 1]
    return [*several, *(["A100-40GB"] if "A100" in several else [])]


def _form(text: str) -> str:
    match = _FORM.search(text)
    return next(f for f in FORMS if f.casefold() == match[1].casefold()) if match else ""


def _spaceless(name: str, catalog: Catalog) -> str:
    joined = name.replace(" ", "")
    return catalog.accelerators.id_of(joined) if joined in catalog.accelerators else name
