"""The tiny model of the embedded engine: its vocabulary, its files and their cache."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from paretoken.engines.embedded import tiny_model, vocabulary
from paretoken.engines.embedded.random_llama import SIZES, weights
from paretoken.engines.embedded.tiny_model import cached_model, make_hf_folder, make_model
from paretoken.errors import BadConfig, CannotWrite, UnknownName

# Of all machines and all versions of Python and numpy; a change of the bytes has to count up tiny_model.FORM.
TINY_GGUF = "2c73dfbf2c3804b4f5925acf594c6b28ebf5ec48cbfd55a7bbb958f1f0e7e483"
TINY_TOKENIZER = "f9b75678c3d5940b4d927b920e5ce2381979240865e3b1b0222ff971ac27afba"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class TestVocabulary:
    tokenizer = Tokenizer.from_str(vocabulary.tokenizer_json())

    def test_sizes(self):
        assert self.tokenizer.get_vocab_size() == len(vocabulary.tokens()) == vocabulary.SIZE
        assert len(set(vocabulary.tokens())) == vocabulary.SIZE

    def test_every_word_is_one_token_in_any_order(self):
        ids = np.random.default_rng(0).permutation(np.arange(vocabulary.first_word(), vocabulary.SIZE)).tolist()
        assert self.tokenizer.encode(self.tokenizer.decode(ids), add_special_tokens=False).ids == ids

    @pytest.mark.parametrize("text", ["", "The quick brown fox.", "naïve ☃ 漢字\n\ttab  two", "def f(x): return x**2"])
    def test_any_text_survives(self, text):
        assert self.tokenizer.decode(self.tokenizer.encode(text).ids) == text


class TestModel:
    def test_same_bytes_everywhere(self, tmp_path):
        model = make_model(tmp_path, "tiny", seed=0)
        assert (sha256(model.gguf), sha256(model.tokenizer)) == (TINY_GGUF, TINY_TOKENIZER)

    def test_seed_changes_the_weights(self, tmp_path):
        one, two = (make_model(tmp_path / str(seed), "tiny", seed) for seed in (1, 2))
        assert sha256(one.gguf) != sha256(two.gguf)
        assert sha256(one.tokenizer) == sha256(two.tokenizer)

    @pytest.mark.parametrize("size", SIZES)
    def test_names_say_the_parameters(self, size):
        assert SIZES[size].name == f"random-llama-{SIZES[size].parameters / 1e6:.0f}m"

    def test_hugging_face_folder_holds_the_same_values(self, tmp_path):
        raw = (make_hf_folder(tmp_path, "tiny", seed=3) / "model.safetensors").read_bytes()
        start = 8 + int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8:start])
        for name, wanted in weights(SIZES["tiny"], 3):
            a, b = header[name]["data_offsets"]
            stored = np.frombuffer(raw[start + a : start + b], "<u2").astype(np.uint32) << 16
            assert np.array_equal(stored.view(np.float32).reshape(header[name]["shape"]), wanted), name
        assert start + b == len(raw)
        assert json.loads((tmp_path / "config.json").read_text())["vocab_size"] == vocabulary.SIZE

    def test_bad_arguments(self, tmp_path):
        with pytest.raises(UnknownName, match="did you mean tiny"):
            make_model(tmp_path, "tyni")
        with pytest.raises(BadConfig, match="seed -1"):
            make_model(tmp_path, "tiny", seed=-1)


class TestCache:
    def test_made_once(self, tmp_path):
        first = cached_model("tiny", cache=tmp_path)
        made = first.gguf.stat().st_mtime_ns
        assert cached_model("tiny", cache=tmp_path) == first
        assert first.gguf.stat().st_mtime_ns == made
        assert cached_model("tiny", seed=1, cache=tmp_path).folder != first.folder

    def test_interrupted_leaves_nothing(self, tmp_path, monkeypatch):
        def interrupted(folder, *_):
            (folder / "model.gguf").write_bytes(b"half")
            raise KeyboardInterrupt

        monkeypatch.setattr(tiny_model, "make_model", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cached_model("tiny", cache=tmp_path)
        assert list((tmp_path / "models").iterdir()) == []

    def test_two_runs_at_once(self, tmp_path):
        models = []
        runs = [threading.Thread(target=lambda: models.append(cached_model("tiny", cache=tmp_path))) for _ in range(4)]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        assert len(models) == 4
        assert len(set(models)) == 1
        assert [p.name for p in (tmp_path / "models").iterdir()] == [models[0].folder.name]

    def test_no_place(self, tmp_path):
        (tmp_path / "models").write_text("a file")
        with pytest.raises(CannotWrite, match="XDG_CACHE_HOME"):
            cached_model("tiny", cache=tmp_path)
