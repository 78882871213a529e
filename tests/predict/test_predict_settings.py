"""Engine settings of a deployment: in options, in a CSV, in questions, and beside a serve command."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from paretoken.answers.predict import PredictQuestion, predict
from paretoken.answers.seam import question_from_json
from paretoken.catalog.loader import load_catalog
from paretoken.emulate.engine import described
from paretoken.errors import BadConfig
from paretoken.predict.configure import case, configured
from paretoken.predict.csvfile import OPTIONAL, CaseReader, predict_rows
from paretoken.predict.deployment import Deployment, Lengths, check, resolve
from paretoken.predict.request import SETTINGS, DeploymentRequest
from paretoken.predict.settings import OTHER_NAMES, EngineSettings, kv_tokens_in, setting_fields
from paretoken.predict.steptime import AffineStepTime
from tests.support.configurations import ROW, assert_refused

CATALOG = load_catalog()
CHAT = Lengths(1024, 1024, 0.8)
LLAMA = "--accelerator H200 --model llama-3-70b --precision fp8 --engine vllm"
QUESTION = f"{LLAMA} --tp 4 --isl 1024 --osl 1024 --concurrency 16"
STATED = {
    "kv_dtype": "fp8_e4m3",
    "gpu_memory_utilization": 0.8,
    "max_num_seqs": 64,
    "max_num_batched_tokens": 4096,
    "max_model_len": 8192,
    "prefix_hits": 0.5,
    "kv_tokens": 100_000,
    "weights_gb": 75.0,
    "enforce_eager": True,
}
SETTINGS_OF_ALL = EngineSettings(
    kv_dtype="fp8",
    memory_utilization=0.8,
    max_num_seqs=64,
    max_batched_tokens=4096,
    max_model_len=8192,
    prefix_hits=0.5,
    kv_tokens=100_000,
    weights_gb=75.0,
    enforce_eager=True,
)


def options(stated):
    return " ".join(
        f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}") for name, value in stated.items()
    )


def test_options_columns_and_questions_state_the_same(call):
    """The same figures come out, and they are not those of the defaults."""
    code, out, err = call(f"predict {QUESTION} {options(STATED)} --json")
    assert code == 0, err
    (row,) = json.loads(out)
    assert {name: row["settings"][name]["origin"] for name in ("kv_dtype", "max_num_seqs", "weights_gb")} == {
        "kv_dtype": "stated",
        "max_num_seqs": "stated",
        "weights_gb": "stated",
    }
    cells = {name: str(value) for name, value in STATED.items()}
    assert CaseReader(CATALOG).case(ROW | cells).deployment.settings == SETTINGS_OF_ALL
    question = {
        "accelerator": "H200",
        "model": "llama-3-70b",
        "precision": "FP8",
        "engine": "vllm",
        "tp": 4,
        "isl": 1024,
        "osl": 1024,
        "concurrency": [16],
        "settings": {name: getattr(SETTINGS_OF_ALL, name) for name in SETTINGS},
    }
    (answer,) = predict(question_from_json(PredictQuestion, question)).rows
    figures = predict_rows([ROW | cells], catalog=CATALOG)[0]
    plain = predict_rows([ROW], catalog=CATALOG)[0]
    assert figures["status"] == plain["status"] == "ok"
    for name in ("median_tpot_ms", "median_ttft_ms", "total_tput_per_gpu_tok_s"):
        assert row[name] == pytest.approx(getattr(answer, name)) == pytest.approx(figures[name], rel=1e-5)
    assert figures["median_ttft_ms"] != pytest.approx(plain["median_ttft_ms"], rel=1e-3)


def test_every_setting_has_an_option_and_a_column(call):
    for verb in ("predict", "explain", "emulate"):
        text = call(f"{verb} --help")[1]
        for setting in setting_fields():
            assert f"--{OTHER_NAMES.get(setting.name, (setting.name,))[0].replace('_', '-')}" in text
            assert setting.name in OPTIONAL


def test_an_engine_described_by_figures_takes_the_limits():
    settings = EngineSettings(max_num_seqs=3, max_batched_tokens=64, kv_tokens=160, receive_interval=5, batch_wait=7)
    limits = described(AffineStepTime(0.01), settings).limits
    assert (limits.max_num_seqs, limits.max_batched_tokens, limits.kv_blocks) == (3, 64, 10)
    assert (limits.receive_interval, limits.batch_wait) == (5, 7)


def test_an_unknown_setting_of_a_question_is_refused():
    question = {"accelerator": "H200", "model": "llama-3-70b", "engine": "vllm", "isl": 1, "osl": 1}
    with pytest.raises(BadConfig, match="settings"):
        question_from_json(PredictQuestion, question | {"settings": {"kv_dtyp": "fp8"}})


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("178880", 178_880),
        ("178,880", 178_880),
        ("INFO 07-01 10:00:00 [kv_cache_utils.py:864] GPU KV cache size: 178,880 tokens", 178_880),
        ("GPU KV cache size: 1,024 tokens\nMaximum concurrency for 40,960 tokens per request: 4.37x", 1024),
        ("[2026-01-01 TP0] max_total_num_tokens=421832, chunked_prefill_size=8192", 421_832),
        ("KV Cache is allocated. #tokens: 421832, K size: 10.31 GB, V size: 10.31 GB", 421_832),
        ("[TRT-LLM] [I] Allocated 71.83 GiB for max tokens in paged KV cache (1177056).", 1_177_056),
    ],
)
def test_kv_tokens_are_a_number_or_a_line_of_a_log(text, tokens):
    assert kv_tokens_in(text) == tokens


@pytest.mark.parametrize("text", ["", "many", "1.5", "-3", "GPU blocks: 400", "١٢٣", "9" * 40])
def test_other_words_are_no_kv_tokens(text):
    with pytest.raises(BadConfig, match="number of tokens"):
        kv_tokens_in(text)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--kv-cache-dtype fp7", "kv_cache_dtype 'fp7' is unknown"),
        ("--gpu-memory-utilization 1.2", "gpu_memory_utilization is 1.2"),
        ("--mem-fraction-static 0", "gpu_memory_utilization is 0"),
        ("--max-num-seqs 0", "max_num_seqs is 0"),
        ("--max-num-batched-tokens -1", "max_num_batched_tokens is -1"),
        ("--prefix-hits 2", "prefix_hits is 2"),
        ("--weights-gb 0", "weights_gb is 0"),
        ("--redundant-experts 32", "dense"),
        ("--redundant-experts -1", "redundant_experts is -1"),
        ("--kv-tokens lots", "number of tokens"),
        ("--kv-tokens 90000000", "90,000,000"),
        ("--ignore-unknown-flags", "needs --serve-command"),
    ],
)
def test_a_setting_that_no_engine_accepts_is_one_sentence(call, option, words):
    assert_refused(call, f"predict {QUESTION} {option}", words)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"kv_dtype": "fp7"}, "'fp7' is unknown"),
        ({"kv_tokens": "lots"}, "number of tokens"),
        ({"max_num_seqs": "2.5"}, "whole number"),
        ({"enforce_eager": "perhaps"}, "true or false"),
        ({"max_num_batched_tokens": "1", "max_batched_tokens": "2"}, "they name one setting"),
        ({"gpu_memory_utilization": "nan"}, "finite"),
        ({"ep": "-1"}, "ep is -1"),
        ({"accelerator": "MI300X", "engine": "trtllm"}, "TensorRT-LLM does not run on MI300X (AMD); use vllm"),
    ],
)
def test_a_row_with_a_bad_setting_says_why(cells, words):
    (figures,) = predict_rows([ROW | cells], catalog=CATALOG)
    assert words in figures["status"]


@pytest.mark.parametrize(
    ("accelerator", "engine"),
    [("MI300X", "trtllm"), ("H100", "atom"), ("MI355X", "dynamo-trtllm"), ("H100", "atom-vllm")],
)
def test_an_engine_is_refused_where_it_does_not_run(call, accelerator, engine):
    deployed = f"--accelerator {accelerator} --model llama-3-70b --engine {engine} --tp 8"
    for verb in ("predict --isl 1024 --osl 1024", "explain --isl 1024 --osl 1024", "emulate"):
        assert_refused(call, f"{verb} {deployed}", f"does not run on {accelerator}")


def test_an_orchestrator_runs_where_its_core_does():
    engines = replace(
        CATALOG.engines,
        entries=CATALOG.engines.entries
        | {"dynamo-trtllm": CATALOG.engines["dynamo-trtllm"].model_copy(update={"vendors": ("NVIDIA", "AMD")})},
    )
    d = Deployment(accelerator="MI300X", model="llama-3-70b", precision="fp8", engine="dynamo-trtllm", gpus=8, tp=8)
    with pytest.raises(BadConfig, match="does not run on MI300X"):
        check(resolve(d, CATALOG), replace(CATALOG, engines=engines))


def test_redundant_experts_make_an_ep_size_divide(call):
    request = DeploymentRequest(accelerator="GB200", model="deepseek-r1", engine="trtllm", tp=1, ep=72)
    d = configured(request, CATALOG)
    assert (d.gpus, d.settings.redundant_experts) == (72, 32)
    case(replace(d, dp_attention=True), CHAT, 64, catalog=CATALOG)
    words = "256 experts and 16 redundant ones of deepseek-r1; set redundant_experts to 32"
    with pytest.raises(BadConfig, match=words):
        check(replace(d, dp_attention=True, settings=EngineSettings(redundant_experts=16)), CATALOG)
    line = (
        "--accelerator GB200 --model deepseek-r1 --engine trtllm --tp 1 --ep 72 --isl 1024 --osl 1024 --concurrency 64"
    )
    assert "32 redundant experts (implied by ep 72)" in call(f"predict {line}")[1]


@pytest.mark.parametrize(
    ("name", "word"),
    [("FP8", "fp8"), ("fp8_e4m3", "fp8"), ("mxfp4", "fp4"), ("NVFP4", "fp4"), ("w4a16", "int4"), ("fp16", "bf16")],
)
def test_precisions_of_all_engines_are_taken(name, word):
    d = CaseReader(CATALOG).case(ROW | {"precision": name, "n_gpus": "8", "tp": "8"}).deployment
    assert d.precision == word


def test_lengths_and_settings_are_printed(call):
    out = call(f"predict {QUESTION} --max-num-seqs 64")[1]
    assert "Lengths uniform in 80–100 % of nominal." in out
    assert "Settings: 64 sequences (stated); KV cache" in out and "(defaults of vLLM" in out
    assert "Lengths equal." in call(f"predict {QUESTION} --length-range-ratio 1")[1]


def test_one_default_of_the_spread_of_lengths():
    spread = CaseReader(CATALOG).case(ROW).lengths.ratio
    question = PredictQuestion(accelerator="H200", model="llama-3-70b", engine="vllm", isl=1024, osl=1024)
    assert spread == question.length_range_ratio == 0.8


def test_options_add_to_a_serve_command(call, tmp_path):
    command = tmp_path / "serve.sh"
    command.write_text("vllm serve nvidia/Llama-3.1-70B-Instruct-FP8 -tp 4 --max-num-seqs 64")
    base = f"predict --accelerator H200 --isl 1024 --osl 1024 --concurrency 16 --json --serve-command @{command}"
    code, out, err = call(base)
    assert code == 0, err
    (row,) = json.loads(out)
    assert (row["model"], row["precision"], row["tp"], row["engine"]) == ("llama-3-70b", "fp8", 4, "vllm")
    plain = json.loads(call(f"predict {QUESTION} --max-num-seqs 64 --json")[1])[0]
    assert row["median_tpot_ms"] == pytest.approx(plain["median_tpot_ms"])
    for option, words in (
        ("--tp 8", "--tp is 8, but the serve command states 4"),
        ("--precision bf16", "--precision is bf16, but the serve command states fp8"),
        ("--engine sglang", "--engine is sglang"),
        ("--model qwen3-32b", "--model is qwen3-32b"),
        ("--max-num-seqs 32", "--max-num-seqs is 32, but the serve command states 64"),
    ):
        assert_refused(call, f"{base} {option}", words)
    assert call(f"{base} --tp 4 --model llama-3-70b --precision FP8 --engine vLLM --max-num-seqs 64")[0] == 0


def test_notices_of_a_serve_command_go_to_standard_error(call, tmp_path):
    command = tmp_path / "serve.sh"
    command.write_text("vllm serve openai/gpt-oss-120b -tp 4 --async-scheduling --new-flag 3")
    line = f"explain --accelerator H200 --isl 1024 --osl 1024 --json --serve-command {command}"
    assert_refused(call, line, "--new-flag")
    code, out, err = call(f"{line} --ignore-unknown-flags")
    assert code == 0 and json.loads(out)
    assert "note: the serve command has flags whose effect is not predicted: --async-scheduling" in err
    assert "note: the serve command has unknown flags, which are ignored: --new-flag" in err


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("{}", "{},8,9"), "line 2, has more cells than the header"),
        (("{},tp", "{},8"), "has the column 'tp' twice"),
    ],
)
def test_a_file_whose_cells_are_not_those_of_its_header_is_refused(call, tmp_path, lines, words):
    file = tmp_path / "in.csv"
    header, row = lines
    file.write_text(f"{header.format(','.join(ROW))}\n{row.format(','.join(ROW.values()))}\n")
    assert_refused(call, f"predict --in {file}", words)
