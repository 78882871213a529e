"""Colour and marker shape of every accelerator: the family by hue and shape, the member by shade.

NVIDIA is green to blue with circles, AMD yellow-orange to red with diamonds. Each colour stands at
3:1 or more against its ground (white, or #14181c in dark mode). An accelerator without a colour of
its own gets one of its family's spares, always the same for the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

from paretoken.catalog.loader import Catalog, load_catalog


@dataclass(frozen=True, slots=True)
class Style:
    """`light` and `dark` are colours for the two grounds; `shape` is that of its marks, `glyph` its text twin."""

    family: str
    light: str
    dark: str
    shape: str
    glyph: str


_SHAPES = {"nvidia": ("circle", "●"), "amd": ("diamond", "◆"), "intel": ("triangle", "▲"), "google": ("star", "★")}
_OTHER_SHAPE = ("square", "■")

_SPARE = {
    "nvidia": (("#2d7f5e", "#63cfa4"), ("#2a6f97", "#74b9e0"), ("#3d5a80", "#98b4dc"), ("#557a1f", "#aacb70")),
    "amd": (("#b3541e", "#f4a06b"), ("#a8324a", "#f28fa3"), ("#8a5a00", "#e6b85c"), ("#8c2f39", "#e98a93")),
}
_SPARE_OTHER = (("#7b2fa0", "#cf9bee"), ("#8a2a83", "#e793df"), ("#5c5470", "#b9b0d0"), ("#6b4e71", "#c9a7cf"))


def style_of(accelerator: str, vendor: str, catalog: Catalog | None = None) -> Style:
    """The style of an accelerator, by its id and its vendor's name; its colours are those of the catalog."""
    entry = (catalog or load_catalog()).accelerators.entries.get(accelerator)
    family = vendor.casefold().strip() or "other"
    shape, glyph = _SHAPES.get(family, _OTHER_SHAPE)
    spare = _SPARE.get(family, _SPARE_OTHER)
    light, dark = (entry and entry.colours) or spare[crc32(accelerator.encode()) % len(spare)]
    return Style(family, light, dark, shape, glyph)
