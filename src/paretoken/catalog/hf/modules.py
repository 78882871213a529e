"""Names of a checkpoint's modules, and the lists of those that a quantisation leaves out or takes in."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass

MOST_NAMES = 100_000
_LONGEST = 300
_COMPONENTS = {
    **dict.fromkeys(("attn", "self_attention", "attention", "cross_attn"), "self_attn"),
    **dict.fromkeys(("mamba", "linear_attention"), "linear_attn"),
    **dict.fromkeys(("ffn", "block_sparse_moe", "feed_forward", "moe", "mlp_block"), "mlp"),
    **dict.fromkeys(("shared_expert", "shared_mlp", "share_expert"), "shared_experts"),
    **{"w1": "gate_proj", "w2": "down_proj", "w3": "up_proj", "head": "lm_head", "output": "lm_head"},
    **{"in_proj_qkv": "in_proj_qkvz", "fc1": "up_proj", "fc2": "down_proj", "wo": "o_proj"},
}
_SEVERAL = {
    **dict.fromkeys(("qkv_proj", "query_key_value", "wqkv", "c_attn"), ("q_proj", "k_proj", "v_proj")),
    "gate_up_proj": ("gate_proj", "up_proj"),
}
_OF_FFN = ("experts", "shared_experts", "gate_proj", "up_proj", "down_proj")
_PREFIXES = ("model.", "model.language_model.", "language_model.model.", "backbone.", "")
_RISKY = re.compile(r"[*+}]\)?[*+{]|\([^)]*[*+][^)]*\)[*+{]")
"""Patterns that could take forever: repetitions of repetitions."""
_MOST_STARS = 4


@dataclass(frozen=True, slots=True)
class Modules:
    """A set of modules, by their names (or those of what they are in), by words in them, globs and patterns."""

    names: frozenset[str]
    words: frozenset[str]
    globs: re.Pattern[str] | None
    patterns: tuple[re.Pattern[str], ...]

    def __contains__(self, module: object) -> bool:
        """Whether a module, named as `layers.3.self_attn.q_proj`, is one of them."""
        if not isinstance(module, str):
            return False
        parts = module.split(".")
        if any(".".join(parts[:n]) in self.names for n in range(1, len(parts) + 1)):
            return True
        if not self.words.isdisjoint(parts) or (self.globs and self.globs.fullmatch(module)):
            return True
        return any(p.match(prefix + module) for p in self.patterns for prefix in _PREFIXES)


def modules(entries: Iterable[str]) -> tuple[Modules, list[str]]:
    """The modules of a list, and those of its patterns that cannot be used."""
    names, words, globs, patterns, unusable = set(), set(), [], [], []
    for entry in list(entries)[:MOST_NAMES]:
        if len(entry) > _LONGEST:
            unusable.append(entry[:40])
        elif entry.startswith("re:"):
            pattern = _compiled(entry[3:])
            if pattern:
                patterns.append(pattern)
            else:
                unusable.append(entry[:80])
        elif "*" in entry or "?" in entry:
            globs += [fnmatch.translate(name) for name in canonical(entry)]
        elif "." in entry:
            names.update(canonical(entry))
        else:
            words.update(canonical(entry))
    together = re.compile("|".join(f"(?:{g})" for g in dict.fromkeys(globs))) if globs else None
    return Modules(frozenset(names), frozenset(words), together, tuple(patterns)), unusable


def _compiled(text: str) -> re.Pattern[str] | None:
    """A pattern that can be tried in a short time; None for any other."""
    if _RISKY.search(text) or text.count("*") + text.count("+") > _MOST_STARS or "{" in text:
        return None
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return None


def canonical(name: str) -> list[str]:
    """The names of one or several modules in one dialect, from the layers on; globs end in anything below them.

    >>> canonical("backbone.layers.5.mixer.q_proj"), canonical("language_model.model.layers.0.mlp.gate_up_proj")
    (['layers.5.self_attn.q_proj', 'layers.5.linear_attn.q_proj'], ['layers.0.mlp.gate_proj', 'layers.0.mlp.up_proj'])
    """
    name = name.strip().lower().removesuffix(".weight")
    start = name.find("layers.")
    parts = (name[start:] if start >= 0 else name).split(".")
    ffn = any(part.rstrip("*") in _OF_FFN for part in parts)
    if "mixer" in parts and not ffn:
        return [
            n for kind in ("self_attn", "linear_attn") for n in canonical(".".join(parts).replace("mixer", kind, 1))
        ]
    plain = []
    for part in parts:
        bare = part.rstrip("*")
        word = "mlp" if bare == "mixer" else _COMPONENTS.get(bare, bare)
        plain.append(word + part[len(bare) :])
    if plain[-1] in ("weight_packed", "weight_scale"):
        plain.pop()
    several = _SEVERAL.get(plain[-1], (plain[-1],))
    whole = [".".join((*plain[:-1], last)) for last in several]
    if start < 0 and len(plain) > 1 and not any(c in name for c in "*?"):
        whole = [plain[-1]] if plain[-1] in ("lm_head", "embed_tokens") else whole
    return [n if not any(c in n for c in "*?") or n.endswith("*") else n + "*" for n in whole]
