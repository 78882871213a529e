"""Names of accelerators: what drivers, clouds and people write for a board, for a chip of several, and for another."""

from __future__ import annotations

import re
from collections.abc import Iterable

from paretoken.catalog.names import fold
from paretoken.plural import listed

_MAKER = re.compile(
    r"\(.*?\)|\bgpu\s*\d+:|tensor core|"
    r"\b(nvidia|amd|intel|google|aws|huawei|instinct|geforce|gpu|corporation|hgx|dgx)\b",
    re.IGNORECASE,
)
_CHIP = re.compile(r".*\[(?!amd/ati\])([^\]]+)\]")
"""What `lspci` prints: the chip, then the product in brackets."""
_MODULE = re.compile(
    r"(?<![a-z])(sxm\d?([\s-]+ac)?|oam|vf|mega|hbm3e?|hbm2(?!e)|hbm(?!\d))(?![a-z])|(?<=x)[\s-]+o$", re.IGNORECASE
)
"""Forms of module that an accelerator with them has by itself; PCIe and NVL cards differ and stay in the name.

HBM2e stays too: the H100 that has it is the PCIe card. AC is the air-cooled module, VF a whole GPU passed to a guest,
MEGA the network of a cloud's H100.
"""
SHARED_NAMES = {
    **dict.fromkeys(("gfx942", "aqua vanjaram", "cdna3", "mi300", "mi300 series"), ("MI300X", "MI325X", "MI300A")),
    **dict.fromkeys(("gfx950", "cdna4", "mi350", "mi350 series"), ("MI350X", "MI355X")),
    **dict.fromkeys(("gfx90a", "cdna2", "mi200"), ("MI250X", "MI250", "MI210")),
    "mi250x / mi250": ("MI250X", "MI250"),
    **dict.fromkeys(("hopper", "gh100", "sm-90", "sm90"), ("H100", "H200", "H20")),
    **dict.fromkeys(("blackwell", "gb100", "sm-100", "sm100"), ("B200", "GB200")),
    **dict.fromkeys(("blackwell ultra", "sm-103", "sm103"), ("B300", "GB300")),
    **dict.fromkeys(("ada", "ada lovelace", "ad102", "sm-89", "sm89"), ("L40S", "L4", "RTX 4090")),
    **dict.fromkeys(("ampere", "ga100", "sm-80", "sm80"), ("A100",)),
}
"""Names of a chip, an architecture or a series, with the products that share them."""
NAMELESS = (
    "amd radeon graphics",
    "radeon graphics",
    "nvidia graphics device",
    "graphics device",
    "nvidia",
    "amd",
    "gpu",
    "cuda",
    "rocm",
)
"""What drivers and programs print for a product whose name they do not know."""
_GB = re.compile(r"(?<![a-z0-9])(\d{1,3})\s?(?:g|gb|gib)(?![a-z0-9])", re.IGNORECASE)
_FORMS = re.compile(
    r"(?<![a-z0-9])(pcie|nvl\d*|hbm2e|3e|hf|hft|mig|laptop|max-?q|mobile|workstation|d|super|tesla[\s-]a100)"
    r"(?![a-z0-9])",
    re.IGNORECASE,
)
"""Forms of an accelerator that differ from the one of its name alone; nvidia-tesla-a100 is a cloud's word for 40 GB."""
OTHER_PRODUCTS = frozenset(
    ("l40", "b100", "h100x", "a100x", "mi250", "mi300a", "mi300c", "mi350p", "rtx4090d", "rtx5090d", "b200a", "b300a")
)
"""Products outside the catalog whose names are one letter away from one inside, as `compact` gives them."""
_COUNTED = re.compile(r"\s*(\d+)\s*[x\u00d7*]\s*(?=[a-z])(.+)|\s*(.+?)(?:[\s-]+x|(?<=\d)x|[\u00d7*])\s*(\d{1,4})", re.I)


def compact(name: str) -> str:
    """The letters and digits of an accelerator's name, without its maker, its chip and its form of module."""
    plain = name.replace("_", "-").casefold()
    product = _CHIP.match(plain)
    return re.sub(r"[^a-z0-9]", "", _MODULE.sub("", _MAKER.sub("", product[1] if product else plain).strip()))


def not_one_accelerator(name: str) -> str:
    """Why a name is not that of one accelerator: of a chip in several products, of none, or a count; else empty."""
    plain = fold(name)
    products = SHARED_NAMES.get(plain.removeprefix("nvidia ").removeprefix("amd instinct ").removeprefix("amd "))
    if products:
        several = f"is shared by {listed(products)}" if products[1:] else "is that of a chip"
        return f"the name {several}; give the product, such as {products[0]}"
    if plain in NAMELESS:
        return "a driver prints this for a product that it does not know; give the product, such as MI355X"
    count = _COUNTED.fullmatch(name)
    if not count:
        return ""
    product, gpus = count[2] or count[3], count[1] or count[4]
    return f"give the accelerator, {product}, and the number of GPUs, {gpus}, separately"


def is_other_board(name: str, own: str, memory_gib: Iterable[float | None]) -> bool:
    """Whether a name states a memory size or a form that an accelerator, called `own`, is not sold with."""
    sizes = {float(size) for size in _GB.findall(name)}
    forms = {form.casefold() for form in _FORMS.findall(name)} - {form.casefold() for form in _FORMS.findall(own)}
    return bool(forms or sizes - set(memory_gib))


def product_words(key: str) -> list[str]:
    """The words of an accelerator's id up to its number: all that a name of one of its boards must hold."""
    words = re.split(r"[-\s]", fold(key))
    number = next((i for i, word in enumerate(words) if re.search(r"\d", word)), len(words))
    return words[: number + 1]
