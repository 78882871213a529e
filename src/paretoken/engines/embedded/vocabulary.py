"""The vocabulary of the made-up models: every word of it is one token, in any order, in every engine.

A byte-level BPE in GPT-2's form, built by rule and not trained, so that it is the same under every Python and
every tokenizer library. Words are a space and two syllables (` kamo`). The split before BPE is at the space and
the merges lead every word to exactly one token, so text and token counts follow from each other with no slack:
n words in a prompt are n tokens, and n generated tokens are n words.
"""

from __future__ import annotations

import json
from functools import cache
from itertools import product

SIZE = 4096
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
BOS, IM_START, EOS = range(3)
CHAT_TEMPLATE = (
    "{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_CONSONANTS, _VOWELS = "bcdfghjklmnprstvwz", "aeiou"


@cache
def tokens() -> tuple[str, ...]:
    """Token strings by id, in GPT-2's printable alphabet: special, bytes, syllables, then words."""
    head = [*SPECIAL, *_byte_alphabet(), *_syllables(), *(_SPACE + s for s in _syllables())]
    pairs = list(product(_syllables(), repeat=2))
    wanted = SIZE - len(head)
    # Evenly spread over all pairs, so that no letter is rare.
    return (*head, *(_SPACE + "".join(pairs[i * len(pairs) // wanted]) for i in range(wanted)))


@cache
def merges() -> tuple[tuple[str, str], ...]:
    """BPE merges, most urgent first: letters to syllables, space to the first one, then the second one to that."""
    words = tokens()[first_word() :]
    return (
        *((s[0], s[1]) for s in _syllables()),
        *((_SPACE, s) for s in _syllables()),
        *((w[:3], w[3:]) for w in words),
    )


def first_word() -> int:
    """The id of the first word; all ids from here to SIZE are words."""
    return len(SPECIAL) + 256 + 2 * len(_syllables())


def tokenizer_json() -> str:
    """The `tokenizer.json` of the `tokenizers` library for this vocabulary."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": t, **plain} for i, t in enumerate(SPECIAL)],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {t: i for i, t in enumerate(tokens())},
            "merges": [list(m) for m in merges()],
        },
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"


def _byte_alphabet() -> list[str]:
    """GPT-2's printable stand-in for each byte 0 to 255."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(others)) for b in range(256)]


_SPACE = _byte_alphabet()[32]


def _syllables() -> list[str]:
    return [c + v for c, v in product(_CONSONANTS, _VOWELS)]
