"""The served model's tokenizer, from disk, to build prompts of an exact length; nothing is downloaded."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from paretoken.errors import BadConfig
from paretoken.user_folders import cache_home

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Inner

FILE = "tokenizer.json"
_INSTEAD = "give one with --tokenizer PATH, send token ids to a completions server, or use --prompt-unit words"


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """A tokenizer and what prompts need to know of it. Counts leave out the special tokens that a server adds."""

    path: Path
    _inner: Inner = field(repr=False)

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without BOS or EOS."""
        # One text at a time: the batch call starts threads, which a later fork of workers would inherit broken.
        return self._inner.encode(text, add_special_tokens=False).ids

    def count(self, text: str) -> int:
        """Tokens of a text, without BOS or EOS."""
        return len(self._inner.encode(text, add_special_tokens=False))

    def decode(self, ids: list[int]) -> str:
        """The text of token ids, special ones left out."""
        return self._inner.decode(ids, skip_special_tokens=True)

    @property
    def vocab_size(self) -> int:
        """Entries, added tokens included."""
        return self._inner.get_vocab_size(with_added_tokens=True)

    def plain_ids(self) -> npt.NDArray[np.int64]:
        """Every id that is not an added or special token, rising, int64: safe to send and unable to end a turn."""
        added = self._inner.get_added_tokens_decoder()
        ids = set(self._inner.get_vocab(with_added_tokens=False).values())
        return np.array(sorted(ids - set(added)), dtype=np.int64)


def load_tokenizer(where: str | Path) -> Tokenizer:
    """The tokenizer of a tokenizer.json, of a folder that holds one, or of a model in the local Hugging Face cache.

    BadConfig, with what to give instead, where there is none.
    """
    path = _find(where)
    try:
        from tokenizers import Tokenizer as Inner  # 20 ms, and only runs with text prompts need it
    except ImportError:
        why = "text prompts need the tokenizers package (pip install 'paretoken[tokenizer]')"
        raise BadConfig(f"{why}; or {_INSTEAD}") from None
    try:
        inner = Inner.from_file(str(path))
    except Exception as e:  # the Rust side raises plain Exception for every broken file
        raise BadConfig(f"{path} is not a usable tokenizer ({e}); {_INSTEAD}") from e
    inner.no_truncation()
    inner.no_padding()
    return Tokenizer(path, inner)


def _find(where: str | Path) -> Path:
    path = Path(where).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        if (path / FILE).is_file():
            return path / FILE
        other = next((n for n in ("tokenizer.model", "vocab.json", "tiktoken.model") if (path / n).is_file()), None)
        why = f"holds {other}, which must be converted first" if other else f"has no {FILE}"
        raise BadConfig(f"folder {path} {why}; {_INSTEAD}")
    cached = _cached(str(where))
    if cached is None:
        raise BadConfig(f"no tokenizer for {str(where)!r} on this machine; {_INSTEAD}")
    return cached


def _cached(name: str) -> Path | None:
    """tokenizer.json of a hub model that was downloaded before; the main revision first, else the newest."""
    if name.count("/") > 1 or not all(name.split("/")):
        return None
    model = _hub() / f"models--{name.replace('/', '--')}"
    main = model / "refs" / "main"
    snapshots = sorted(model.glob(f"snapshots/*/{FILE}"), key=lambda p: p.stat().st_mtime, reverse=True)
    if main.is_file():
        of_main = model / "snapshots" / main.read_text(encoding="utf-8").strip() / FILE
        snapshots = [of_main, *snapshots] if of_main.is_file() else snapshots
    return snapshots[0] if snapshots else None


def _hub() -> Path:
    """The hub's cache folder, by the environment variables that Hugging Face's own client reads."""
    if own := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(own).expanduser()
    home = os.environ.get("HF_HOME") or cache_home() / "huggingface"
    return Path(home).expanduser() / "hub"
