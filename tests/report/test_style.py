"""Colours of accelerators: told apart by everyone, and legible."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.report.style import NIGHT, WHITE, contrast, readable, style_of

FAMILIES = {
    "NVIDIA": ("A100", "H100", "H200", "B200", "B300", "GB200", "GB300"),
    "AMD": ("MI300X", "MI325X", "MI350X", "MI355X"),
}
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
"""Linear RGB as readers with all or without one kind of cone see it (Machado, Oliveira and Fernandes 2009)."""


def lab(colour: str, vision: np.ndarray) -> np.ndarray:
    """CIELAB of a colour as seen, D65."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    xyz = to_xyz @ np.clip(vision @ linear, 0, 1) / [0.95047, 1, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def delta_e00(one: np.ndarray, other: np.ndarray) -> float:
    """CIEDE2000 (Sharma, Wu and Dalal 2005)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    g = 0.5 * (1 - np.sqrt(mean7 / (mean7 + 25.0**7)))
    c1, c2 = np.hypot((1 + g) * a1, b1), np.hypot((1 + g) * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, (1 + g) * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    hue = (h1 + turn / 2) % 360 if c1 * c2 else h1 + h2
    t = (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.20 * np.cos(np.radians(4 * hue - 63))
    )
    rotation = (
        -np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2)))) * 2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    )
    dl = (l2 - l1) / (1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2))
    dc, dh = (c2 - c1) / (1 + 0.045 * chroma), dh / (1 + 0.015 * chroma * t)
    return float(np.sqrt(dl**2 + dc**2 + dh**2 + rotation * dc * dh))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ],
)
def test_delta_e00_gives_the_published_figures(one: tuple, other: tuple, expected: float) -> None:
    assert delta_e00(np.array(one), np.array(other)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("vendor", FAMILIES)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_members_of_a_family_are_told_apart(vendor: str, theme: str, vision: str) -> None:
    colours = {name: getattr(style_of(name, vendor), theme) for name in FAMILIES[vendor]}
    for (a, one), (b, other) in combinations(colours.items(), 2):
        assert delta_e00(lab(one, VISION[vision]), lab(other, VISION[vision])) >= 10, (a, b)


def test_marks_and_names_are_legible_on_their_ground() -> None:
    catalog = load_catalog()
    for name, entry in catalog.accelerators.entries.items():
        style = style_of(name, entry.vendor, catalog)
        assert min(contrast(style.light, WHITE), contrast(style.dark, NIGHT)) >= 3, name
        assert min(contrast(style.label_light, WHITE), contrast(style.label_dark, NIGHT)) >= 4.5, name


def test_a_legible_colour_stays_and_families_differ_in_shape() -> None:
    assert readable("#0a520a", WHITE) == "#0a520a"
    assert style_of("H200", "NVIDIA").shape != style_of("MI300X", "AMD").shape
