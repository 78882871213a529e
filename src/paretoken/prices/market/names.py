"""What a source calls an accelerator, as catalog id, form and memory."""

from __future__ import annotations

import re

from paretoken.catalog.loader import Catalog

FORMS = ("SXM", "PCIe", "NVL", "OAM", "NVL72")
SERVED = ("SXM", "OAM", "NVL72", "")
"""The forms that the operating points are of; an unstated form is taken as one of them and flagged."""

_FORM = re.compile(r"(?<![a-z])(sxm|pcie|nvl72|nvl|oam)\d?(?![a-z])", re.IGNORECASE)
_MEMORY = re.compile(r"(?<!\d)(\d{2,3})\s*gb\b", re.IGNORECASE)
_NOISE = re.compile(r"\(.*?\)|nvidia|amd|instinct|tensor core", re.IGNORECASE)


def accelerator_of(
    text: str, catalog: Catalog, hint: str = "", memory_gb: float | None = None
) -> tuple[str, str, float | None]:
    """(id, form or "", memory in GB or None); `hint` is more text that may name the form or the memory.

    A stated `memory_gb` tells apart what one name is sold with: an H100 of 94 GB is an H100 NVL.

    A name that the catalog lacks is kept as the source writes it. What is sold in one form alone has that form if the
    operating points are of it, else none: there is nothing to tell apart.
    """
    form = _form(text) or _form(hint)
    memory = _MEMORY.search(text) or _MEMORY.search(hint)
    gb = memory_gb or (float(memory[1]) if memory else None)
    name = _of_memory(_id(text, form, catalog), gb, catalog)
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


def _of_memory(name: str, gb: float | None, catalog: Catalog) -> str:
    """The id, or that of the one variant (`H100-NVL`) that has this memory where the name itself has not."""
    entries = catalog.accelerators.entries
    if gb is None or name not in entries or gb in _sizes(name, catalog):
        return name
    variants = [key for key in entries if key.startswith(f"{name}-") and gb in _sizes(key, catalog)]
    return variants[0] if len(variants) == 1 else name


def _sizes(name: str, catalog: Catalog) -> set[float]:
    """The memory sizes that an accelerator is sold or listed with, GB."""
    entry = catalog.accelerators.entries[name]
    return {entry.hbm_gib, entry.hbm_physical_gib or entry.hbm_gib, *entry.listed_gib}


def _id(text: str, form: str, catalog: Catalog) -> str:
    """The id of a name with its form (H100 NVL is an entry of its own), else without it; else the bare name."""
    bare = _MEMORY.sub("", _NOISE.sub("", text)).strip(" -_/")
    formless = _FORM.sub("", bare).strip(" -_/")
    for name in (f"{formless} {form}", bare, formless):
        if name in catalog.accelerators:
            return catalog.accelerators.id_of(name)
    return formless
