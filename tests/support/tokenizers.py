"""Tokenizers: the small one of the tests, and other kinds trained on the same text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tokenizers import Tokenizer as Inner
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

FOLDER = Path(__file__).parent.parent / "data" / "tokenizer"
TEXT = (FOLDER / "make_tokenizer.py").read_text().split('"""')[3]


def metaspace() -> Inner:
    """SentencePiece's way: ▁ before every word, the first one too."""
    inner = Inner(models.Unigram())
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=["<unk>", "</s>"], unk_token="<unk>")
    inner.train_from_iterator(TEXT.splitlines() * 20, trainer)
    return inner


def llama_bpe() -> Inner:
    """Llama 2's way: spaces become ▁ before BPE, and nothing splits the words."""
    inner = Inner(models.BPE(unk_token="<unk>"))
    inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(content=" ", left=1, right=0)]
    )
    words = [f"▁{word}" for word in TEXT.split()]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<unk>", "<s>"], show_progress=False)
    trained = Inner(models.BPE())
    trained.train_from_iterator(words * 3, trainer)
    state = json.loads(trained.to_str())["model"]
    merges = [tuple(m) for m in state["merges"]]
    inner.model = models.BPE(vocab=state["vocab"], merges=merges, unk_token="<unk>")
    return inner


def wordpiece() -> Inner:
    inner = Inner(models.WordPiece(unk_token="[UNK]"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=["[UNK]", "[CLS]"], show_progress=False)
    inner.train_from_iterator(TEXT.splitlines() * 5, trainer)
    return inner


KINDS: dict[str, Callable[[], Inner]] = {"metaspace": metaspace, "llama": llama_bpe, "wordpiece": wordpiece}
