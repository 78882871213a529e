"""Colour and marker shape of every accelerator: the family by hue and shape, the member by shade.

NVIDIA is green to violet with circles, AMD yellow-orange to red with diamonds. Each colour has a contrast of 3:1 or
more with its ground (white, or #14181c in dark mode); members of a family differ by ΔE00 10 or more, also to readers
who lack one kind of cone. An accelerator without a colour of its own gets one of its family's spares, always the same
for the same name.
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

    @property
    def label_light(self) -> str:
        """The light colour as that of a name: a contrast of 4.5:1 or more."""
        return readable(self.light, WHITE)

    @property
    def label_dark(self) -> str:
        """The dark colour as that of a name: a contrast of 4.5:1 or more."""
        return readable(self.dark, NIGHT)


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


WHITE, NIGHT = "#ffffff", "#14181c"
"""The two grounds of a page."""
READABLE = 4.5
"""The contrast of small text that WCAG 2.2 asks for at level AA."""


def readable(colour: str, ground: str) -> str:
    """The colour, moved as little as needed towards black or white to be legible as text on the ground."""
    end = 0.0 if _luminance(_channels(ground)) > 0.5 else 1.0
    for step in range(101):
        mixed = [c + (end - c) * step / 100 for c in _channels(colour)]
        if contrast(_hex(mixed), ground) >= READABLE:
            return _hex(mixed)
    return _hex([end] * 3)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    low, high = sorted(_luminance(_channels(c)) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


def _channels(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def _hex(channels: list[float]) -> str:
    return "#" + "".join(f"{round(c * 255):02x}" for c in channels)


def _luminance(channels: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
