"""What engines do where nothing is stated, by date and by GPU."""

from __future__ import annotations

import pytest

from paretoken.catalog.engine_files import EngineFile, engine_files
from paretoken.catalog.loader import load_catalog
from paretoken.predict.deployment import Deployment
from paretoken.predict.engine_defaults import CHOICES, engine_rules, setting_rows, settings_in_force
from paretoken.predict.settings import EngineSettings

CATALOG = load_catalog()


def deployed(engine="vllm", date=None, accelerator="H100", gpus=1, **fields):
    settings = EngineSettings(**{k: fields.pop(k) for k in EngineSettings.__dataclass_fields__ if k in fields})
    fields = {"model": "llama-3-70b", "precision": "fp8", **fields}
    return Deployment(
        accelerator=accelerator, engine=engine, gpus=gpus, tp=gpus, date=date, settings=settings, **fields
    )


@pytest.mark.parametrize(
    ("engine", "date", "accelerator", "gpus", "share", "sequences", "tokens"),
    [
        ("vllm", "2024-06-01", "H100", 1, 0.9, 256, 2048),
        ("vllm", "2025-04-01", "H100", 1, 0.9, 256, 8192),
        ("vllm", "2025-06-01", "H100", 1, 0.9, 1024, 8192),
        ("vllm", "2025-06-01", "A100", 1, 0.9, 256, 2048),
        ("vllm", "2025-06-01", "L40S", 1, 0.9, 256, 2048),
        ("vllm", "2026-06-01", "B200", 1, 0.92, 1024, 16384),
        ("vllm", None, "H100", 1, 0.92, 1024, 8192),
        ("sglang", "2025-03-01", "H100", 1, 0.88, 2048, 8192),
        ("sglang", "2025-03-01", "H100", 8, 0.81, 2048, 8192),
        ("sglang", "2025-06-01", "H200", 8, 0.88, 2048, 8192),
        ("sglang", None, "RTX-4090", 1, 0.844, 2048, 2048),
        ("sglang", None, "MI355X", 8, 0.908, 2048, 16384),
        ("trtllm", None, "B200", 1, 0.9, 2048, 8192),
        ("atom", None, "MI355X", 1, 0.9, 512, 16384),
    ],
)
def test_defaults_by_date_and_gpu(engine, date, accelerator, gpus, share, sequences, tokens):
    s = settings_in_force(deployed(engine, date, accelerator, gpus), CATALOG)
    assert s.memory_utilization == pytest.approx(share, abs=0.001)
    assert (s.max_num_seqs, s.max_batched_tokens, s.max_model_len) == (sequences, tokens, 131072)
    assert s.by_default == set(CHOICES)


def test_what_is_stated_is_in_force():
    s = settings_in_force(deployed(kv_dtype="fp8", max_num_seqs=7, max_model_len=9000), CATALOG)
    assert (s.kv_dtype, s.max_num_seqs, s.max_model_len) == ("fp8", 7, 9000)
    assert s.by_default == {"memory_utilization", "max_batched_tokens"}


def test_the_type_of_the_cache():
    def dtype(*args, **fields):
        return settings_in_force(deployed(*args, **fields), CATALOG).kv_dtype

    assert dtype() == "bf16"
    assert dtype("trtllm") == "fp8"
    assert dtype("trtllm", precision="bf16") == "bf16"


def test_short_contexts_of_old_engines_are_one_step():
    old = deployed(date="2024-06-01", max_model_len=16384)
    assert settings_in_force(old, CATALOG).max_batched_tokens == 16384


@pytest.mark.parametrize(("accelerator", "gpus"), [("H200", 8), ("GB200-NVL72", 72)])
def test_ranks_of_sglang_share_the_tokens_of_a_step_but_each_takes_the_default_of_sequences(accelerator, gpus):
    ranks = {"accelerator": accelerator, "gpus": gpus, "ep": gpus, "model": "deepseek-r1", "dp_attention": True}
    s, alone = (settings_in_force(deployed("sglang", **ranks, **more), CATALOG) for more in ({}, {"max_num_seqs": 40}))
    whole = settings_in_force(deployed("sglang", accelerator=accelerator), CATALOG)
    assert s.max_num_seqs == whole.max_num_seqs == 2048
    assert s.max_batched_tokens == whole.max_batched_tokens // gpus
    assert alone.max_num_seqs == 40


@pytest.mark.parametrize(("engine", "core"), [("dynamo-sglang", "sglang"), ("llmd-vllm", "vllm"), ("llamacpp", "vllm")])
def test_engines_around_others_go_by_their_core(engine, core):
    assert settings_in_force(deployed(engine), CATALOG) == settings_in_force(deployed(core), CATALOG)


def test_every_setting_has_its_origin():
    d = deployed(date="2025-06-01", max_num_seqs=7, enforce_eager=True)
    rows = {row.name: row for row in setting_rows(d, CATALOG)}
    assert list(rows) == [*CHOICES, "enforce_eager"]
    assert rows["max_num_seqs"].origin == rows["enforce_eager"].origin == "stated"
    assert rows["memory_utilization"].origin.startswith("default of vLLM since 2023-06-20: vllm/engine/arg_utils.py")
    assert rows["max_batched_tokens"].origin.startswith("default of vLLM on H100 since 2025-05-27 (0.9.0): ")
    assert rows["max_model_len"].origin == "context of Llama 3.1/3.3 70B"


def test_before_the_first_table_the_first_holds_and_without_a_date_the_newest():
    assert engine_rules("vllm", "2020-01-01").defaults == engine_rules("vllm", "2023-06-20").defaults
    assert engine_rules("vllm", None).defaults == engine_rules("vllm", "2100-01-01").defaults


def test_every_core_states_all_that_a_size_needs():
    needed = ("cache_sizing", "kv_dtype", "max_num_seqs", "window_policy", "logit_bytes", "runtime_gib", "linked_gib")
    for name, file in engine_files().items():
        if file.defaults:
            defaults = engine_rules(name, file.defaults[0].since).defaults
            assert all(getattr(defaults, key) is not None for key in needed), name
            assert "other" in defaults.linked_gib


def test_tables_must_be_in_order():
    tables = [{"since": day, "source": "here"} for day in ("2025-02-01", "2025-01-01")]
    entry = engine_files()["atom"].model_dump(exclude_unset=True) | {"defaults": tables}
    with pytest.raises(ValueError, match="must be in order"):
        EngineFile.model_validate(entry)
