"""Deployments read from serve commands, in the forms of public recipes and benchmark scripts."""

from __future__ import annotations

import pytest

from paretoken.catalog.engine_files import engine_files
from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig, ParetokenError
from paretoken.predict.request import FIELDS
from paretoken.predict.serve_command.flags import known_flags
from paretoken.predict.serve_command.meaning import ENGINES
from paretoken.predict.serve_command.read import read_serve_command

CATALOG = load_catalog()
LLAMA, R1, OSS = "meta-llama/Llama-3.1-70B-Instruct", "deepseek-ai/DeepSeek-R1-0528", "openai/gpt-oss-120b"
SGLANG = "python3 -m sglang.launch_server --model-path"
DEP = {"gpus": 8, "tp": 8, "ep": 8, "dp_attention": True}
COMMANDS = [
    (f"vllm serve {LLAMA}", {"engine": "vllm", "model": LLAMA, "tp": 1}),
    (f"vllm serve {LLAMA} --tensor-parallel-size 4 --port 8000 --host 0.0.0.0", {"tp": 4}),
    (f"vllm serve {LLAMA} --tensor_parallel_size=4 --max_num_seqs=64", {"tp": 4, "max_num_seqs": 64}),
    (f"vllm serve --trust-remote-code --model {LLAMA} -tp 2 -pp 2", {"model": LLAMA, "tp": 2, "pp": 2}),
    (f"vllm serve {LLAMA} --tensor-parallel 8", {"tp": 8}),
    (f"python -m vllm.entrypoints.openai.api_server --model {LLAMA} --swap-space 16 -tp=8", {"tp": 8}),
    (f"/opt/venv/bin/vllm serve {LLAMA} -q fp8 --kv-cache-dtype auto", {"precision": "fp8", "kv_dtype": None}),
    (f"vllm serve {LLAMA} --quantization awq_marlin --dtype half", {"precision": "int4"}),
    (
        "vllm serve nvidia/Llama-3.1-70B-Instruct-FP8 --kv-cache-dtype fp8_e4m3",
        {"precision": "fp8", "kv_dtype": "fp8_e4m3"},
    ),
    (
        f"vllm serve {LLAMA} --max-model-len 32k --max-num-batched-tokens 16K",
        {"max_model_len": 32_000, "max_batched_tokens": 16_384},
    ),
    (
        f"vllm serve {LLAMA} --max-model-len auto --gpu-memory-utilization 0.95",
        {"max_model_len": None, "memory_utilization": 0.95},
    ),
    (f"vllm serve {LLAMA} --no-enable-prefix-caching --enforce-eager", {"enforce_eager": True}),
    (
        f"vllm serve {LLAMA} --enable-chunked-prefill=False --enable-prefix-caching true --seed 0",
        {"enforce_eager": None},
    ),
    (f"vllm serve {LLAMA} -O3 --served-model-name a b c --api-key x", {"tp": 1}),
    (f"""VLLM_USE_V1=1 vllm serve {R1} -tp 8 --compilation-config '{{"cudagraph_mode": "FULL"}}'""", {"tp": 8}),
    (f"vllm serve {R1} -dp 8 --enable-expert-parallel --all2all-backend deepep_low_latency", DEP),
    (f"vllm serve {R1} -tp 2 -dp 4 --enable-expert-parallel", {**DEP, "tp": 2}),
    (f"vllm serve {R1} -tp 8 -ep", {"tp": 8, "ep": 8, "dp_attention": None}),
    (
        f"vllm serve {LLAMA} -tp 2 -dp 4 --enable-expert-parallel",
        {"tp": 2, "gpus": 8, "ep": None, "dp_attention": None},
    ),
    (
        f"""vllm serve {R1} -tp 8 --speculative-config '{{"method": "deepseek_mtp", "num_speculative_tokens": 3}}'""",
        {"speculative": "mtp", "speculative_tokens": 3},
    ),
    (
        f"vllm serve {R1} -tp 8 --speculative-config.method mtp --speculative-config.num_speculative_tokens 1",
        {"speculative": "mtp", "speculative_tokens": 1},
    ),
    (
        f"""vllm serve {OSS} --speculative-config '{{"model": "x/oss-Eagle3", "num_speculative_tokens": 3}}'""",
        {"speculative": "eagle3", "speculative_tokens": 3},
    ),
    (
        f"""vllm serve {OSS} --speculative_config '{{"method": "ngram", "prompt_lookup_max": 4}}'""",
        {"speculative": "ngram"},
    ),
    (
        f"""vllm serve {R1} -tp 8 -ep --enable-eplb --eplb-config '{{"num_redundant_experts": 32}}'""",
        {"redundant_experts": 32},
    ),
    (
        f"vllm serve {R1} -tp 8 -dcp 8 --num-gpu-blocks-override 1000 --block-size 64",
        {"context_parallel": 8, "kv_tokens": 64_000},
    ),
    (
        f"docker run -v hub:/hub -p 8000:8000 -e HF_TOKEN=x vllm/vllm-openai:v0.11.0 --model {OSS} -tp 2",
        {"model": OSS, "tp": 2},
    ),
    (f"docker run --rm -it vllm/vllm-openai:latest {OSS} --async-scheduling", {"model": OSS, "tp": 1}),
    (f"nohup numactl --cpunodebind=0 vllm serve {OSS} -tp 4 > server.log 2>&1 &", {"tp": 4}),
    (f'MODEL={OSS} TP=4; vllm serve "$MODEL" -tp $TP --port $PORT', {"model": OSS, "tp": 4}),
    (f"bash -c 'cd /tmp && vllm serve {OSS} -tp 4'", {"tp": 4}),
    (f"sglang serve --model-path {R1} --tp 8", {"engine": "sglang", "model": R1, "tp": 8}),
    (
        f"{SGLANG} {R1} --tensor-parallel-size 8 --ep-size 8 --disable-cuda-graph",
        {"tp": 8, "ep": 8, "enforce_eager": True},
    ),
    (
        f"{SGLANG}={R1} --host=0.0.0.0 --tp=8 --mem-fraction-static=0.82 --cuda-graph-max-bs=128",
        {"memory_utilization": 0.82},
    ),
    (
        f"{SGLANG} {R1} --tp 8 --dp 8 --enable-dp-attention --moe-a2a-backend deepep --max-running-requests 1024 "
        "--chunked-prefill-size 32768 --ep-num-redundant-experts 32",
        {**DEP, "max_num_seqs": 128, "max_batched_tokens": 4096, "redundant_experts": 32},
    ),
    (f"{SGLANG} {R1} --tp 8 --enable-two-batch-overlap", {"two_batch_overlap": True}),
    (f"vllm serve {R1} -dp 8 -ep --enable-dbo", {"two_batch_overlap": True}),
    (f"{SGLANG} {R1} --tp 8 --attn-dp-size 4 --ep 8", {**DEP, "tp": 2}),
    (f"{SGLANG} {LLAMA} --tp 2 --dp 4", {"tp": 2, "gpus": 8, "dp_attention": None}),
    (
        f"{SGLANG} {R1} --tp 8 --speculative-algorithm EAGLE --speculative-num-draft-tokens 4",
        {"speculative": "mtp", "speculative_tokens": 3},
    ),
    (f"{SGLANG} {LLAMA} --speculative-algorithm EAGLE3 --speculative-draft-model-path x/y", {"speculative": "eagle3"}),
    (
        f"{SGLANG} {R1} --tp 8 --speculative-algorithm EAGLE --speculative-num-steps 2 --speculative-eagle-topk 1 "
        "--speculative-num-draft-tokens 3",
        {"speculative": "mtp", "speculative_tokens": 2},
    ),
    (
        f"{SGLANG} {LLAMA} --speculative-algorithm EAGLE --speculative-draft-model-path x/y --speculative-num-steps 5 "
        "--speculative-eagle-topk 4 --speculative-num-draft-tokens 8",
        {"speculative": "eagle", "speculative_tokens": 7},
    ),
    (
        f"""vllm serve {LLAMA} --speculative-config '{{"model": "Qwen/Qwen3-8B", "num_speculative_tokens": 5}}'""",
        {"speculative": "draft_model", "speculative_tokens": 5, "draft_model": "qwen3-8b"},
    ),
    (
        f"""vllm serve {LLAMA} --speculative-config '{{"model": "a/b-1.5B-it", "num_speculative_tokens": 5}}'""",
        {"speculative": "draft_model", "draft_model": "1.5b"},
    ),
    (
        f"""vllm serve {LLAMA} --speculative-config '{{"model": "a/small", "num_speculative_tokens": 5}}'""",
        {"speculative": "draft_model", "draft_model": None},
    ),
    (
        f"""vllm serve {R1} -tp 8 --speculative-config '{{"method": "dspark", "num_speculative_tokens": 7, """
        """"synthetic_acceptance_length": 3.5}'""",
        {"speculative": "dspark", "speculative_tokens": 7, "acceptance_length": 3.5},
    ),
    (
        f"{SGLANG} {R1} --tp 8 --chunked-prefill-size -1 --kv-cache-dtype bfloat16 --quantization modelopt_fp4",
        {"max_batched_tokens": None, "kv_dtype": "bf16", "precision": "fp4"},
    ),
    (
        f"{SGLANG} {R1} --tp 8 --disaggregation-mode null --cuda-graph-bs 1 2 4 --max-total-tokens 65536",
        {"kv_tokens": 65_536},
    ),
    (
        "trtllm-serve nvidia/DeepSeek-R1-FP4 --tp_size 8 --ep_size 8 --max_batch_size 512 --max_num_tokens 8192",
        {"engine": "trtllm", "precision": "fp4", "tp": 8, "ep": 8, "max_num_seqs": 512, "max_batched_tokens": 8192},
    ),
    (
        f"mpirun -n 1 --oversubscribe trtllm-serve serve {OSS} --tensor_parallel_size 4 --max_seq_len 4096",
        {"model": OSS, "max_model_len": 4096},
    ),
    (f"trtllm-serve {OSS} --kv_cache_free_gpu_memory_fraction 0.85 --trust_remote_code", {"memory_utilization": 0.85}),
]


@pytest.mark.parametrize(("text", "expected"), COMMANDS)
def test_a_command_states_its_deployment(text, expected):
    fields = read_serve_command(text, CATALOG).fields
    assert {name: fields.get(name) for name in expected} == expected
    assert set(fields) <= set(FIELDS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ls -la", "starts no server"),
        ("", "starts no server"),
        (f"docker run --entrypoint vllm x/y:1 serve {OSS}", "starts no server"),
        ("vllm serve -tp 8", "names no model"),
        ("vllm serve $MODEL -tp 8", "the model in the serve command is \\$MODEL, which the command does not set"),
        (f"vllm serve {OSS} -tp $TP", "tp in the serve command is \\$TP"),
        (f"vllm serve {OSS} --tensor-parallel-size", "has no value"),
        (f"vllm serve {OSS} --tensor-parallel-size four", "'four', which is not a whole number"),
        (f"vllm serve {OSS} --frobnicate 3 --port 1", "an unknown flag: --frobnicate; --ignore"),
        (
            f"vllm serve {OSS} --max-num-seq-s 3 --foo",
            "unknown flags: --max-num-seq-s, --foo; did you mean --max-num-seqs",
        ),
        (f"vllm serve {OSS} other/model", "unknown flag: other/model"),
        (f"vllm serve {OSS} --speculative-config '{{method: mtp}}'", "not valid JSON"),
        (
            f"""vllm serve {OSS} --speculative-config '{{"method": "crystal_ball"}}'""",
            "'crystal_ball', which is not predicted",
        ),
        (f"vllm serve {OSS}; vllm serve {LLAMA}", "starts 2 servers"),
        (f"{SGLANG} {R1} --tp 8 --dp 2", "2 replicas of an MoE model"),
        (f"{SGLANG} {R1} --tp 8 --dp 3 --enable-dp-attention", "3 attention groups"),
        (
            f"{SGLANG} {R1} --disaggregation-mode prefill",
            "a prefill worker of separate pools, TP1, .*both pools",
        ),
        (
            f"python3 -m dynamo.sglang --model {R1} --tp 16 --dp-size 16 --ep-size 16 --enable-dp-attention "
            "--disaggregation-mode decode --disaggregation-transfer-backend nixl",
            r"starts a decode worker .* DEP16, .* --disaggregated 1xDEP16\+1xDEP16",
        ),
        (f"trtllm-serve {OSS} --tp_size 4 --server_role CONTEXT", "starts a prefill worker of separate pools, TP4"),
        (f"trtllm-serve {OSS} --config absent.yml", "absent.yml"),
        (f"vllm serve {OSS} --gpu-memory-utilization high", "--gpu-memory-utilization .* is high; .* a number"),
        (f"{SGLANG} {OSS} --mem-fraction-static 0", "--mem-fraction-static in the serve command is 0; .* above 0"),
        (f"vllm serve {OSS} --max-num-seqs 0", "--max-num-seqs in the serve command is 0; it must be at least 1"),
        (f"vllm serve {OSS} --max-model-len 0", "--max-model-len in the serve command is 0; it must be at least 1"),
        (f"vllm serve {OSS} -tp -2", "-tp in the serve command is -2; it must be at least 1"),
        (f"vllm serve {OSS} -dp 0", "-dp in the serve command is 0; it must be at least 1"),
        (f"vllm serve {OSS} --max-num-seqs 10000m", "is 10000m, above 1,000,000,000"),
        (
            f"""vllm serve {OSS} --kv-transfer-config '{{"kv_role": "kv_producer"}}'""",
            "starts a prefill worker",
        ),
        (f"vllm serve {OSS} --kv-transfer-config.kv_role=kv_consumer", "starts a decode worker"),
        (f"vllm serve '{OSS}", "quote"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(text, words):
    with pytest.raises(ParetokenError, match=words) as e:
        read_serve_command(text, CATALOG)
    assert "\n" not in str(e.value)


def test_unknown_flags_are_left_out_with_a_notice():
    served = read_serve_command(f"vllm serve {OSS} --foo 1 2 --bar -tp 4", CATALOG, ignore_unknown_flags=True)
    assert served.fields["tp"] == 4
    assert any("--foo, --bar" in line for line in served.notices)


def test_what_has_an_effect_that_is_not_predicted_is_named():
    line = f"vllm serve {OSS} --attention-backend FLASHINFER --async-scheduling --no-enable-chunked-prefill"
    notices = " ".join(read_serve_command(line, CATALOG).notices)
    assert "--attention-backend FLASHINFER, --async-scheduling" in notices and "chunked prefill off" in notices


def test_overrides_of_the_model_and_other_roles_are_named():
    line = f"""vllm serve {OSS} --hf-overrides '{{"a": 1}}' --kv-transfer-config '{{"kv_role": "kv_both"}}'"""
    assert all(words in read_serve_command(line, CATALOG).notices[0] for words in ("--hf-overrides", "kv_both"))


def test_the_version_of_an_image_is_named():
    line = f"docker run --gpus all vllm/vllm-openai:v0.11.0 --model {OSS}"
    (notice,) = read_serve_command(line, CATALOG).notices
    assert "vLLM 0.11.0" in notice and "--date" in notice
    for line in (f"docker run vllm/vllm-openai:latest --model {OSS}", f"vllm serve {OSS}"):
        assert not read_serve_command(line, CATALOG).notices


def test_a_device_is_not_read():
    with pytest.raises(ParetokenError, match="not a regular file"):
        read_serve_command("@/dev/zero", CATALOG)


def test_a_file_holds_the_command(tmp_path):
    script = tmp_path / "serve.sh"
    script.write_text(f"#!/bin/bash\nset -x\nexport TP=8\nvllm serve {OSS} \\\n  -tp $TP  # all of them\n")
    for text in (f"@{script}", str(script)):
        assert read_serve_command(text, CATALOG).fields["tp"] == 8
    with pytest.raises(ParetokenError, match="absent"):
        read_serve_command("@absent.sh", CATALOG)


def test_a_config_file_gives_what_the_flags_leave_out(tmp_path):
    file = tmp_path / "serve.yaml"
    file.write_text("tensor-parallel-size: 4\nmax-num-seqs: 64\nkv-cache-dtype: fp8\nasync-scheduling: true\n")
    fields = read_serve_command(f"vllm serve {OSS} --config {file} --max-num-seqs 32", CATALOG).fields
    assert (fields["tp"], fields["max_num_seqs"], fields["kv_dtype"]) == (4, 32, "fp8")


def test_the_file_of_tensorrt_llm_overwrites_its_flags(tmp_path):
    file = tmp_path / "extra.yml"
    file.write_text(
        "enable_attention_dp: true\nmax_num_tokens: 2048\n"
        "kv_cache_config:\n  dtype: fp8\n  free_gpu_memory_fraction: 0.8\n"
        "speculative_config:\n  decoding_type: MTP\n  num_nextn_predict_layers: 3\n"
        "moe_config:\n  backend: CUTLASS\nstream_interval: 10\n"
    )
    line = f"trtllm-serve {R1} --tp_size 8 --ep_size 8 --max_num_tokens 8192 --extra_llm_api_options {file}"
    served = read_serve_command(line, CATALOG)
    expected = {**DEP, "max_batched_tokens": 2048, "kv_dtype": "fp8", "memory_utilization": 0.8, "speculative": "mtp"}
    expected |= {"speculative_tokens": 3}
    expected.pop("gpus")
    assert {name: served.fields.get(name) for name in expected} == expected
    assert served.notices == ("the serve command has flags whose effect is not predicted: moe_config",)


def test_a_flag_belongs_to_one_table():
    """What a recipe sets is not also among flags without effect, and spellings lead to a known flag."""
    for engine in ENGINES:
        recipe = engine_files()[engine].recipe
        reading = recipe.reading
        tables = [reading.no_effect, reading.not_modelled]
        flags = [f for t in tables for f in (*t.switches, *t.values, *t.lists)]
        assert len(flags) == len(set(flags)), engine
        set_by_recipe = known_flags(recipe.model_copy(update={"reading": None}))
        shared = {set_by_recipe[name].parameter for f in flags if (name := f.replace("_", "-")) in set_by_recipe}
        assert shared <= {"host", "port", "served_name", "load_format", "trust_remote_code", "metrics"}, engine
        everything = known_flags(recipe)
        assert not [name for name in reading.spellings.values() if name.replace("_", "-") not in everything], engine


def test_a_bad_config_file_is_refused(tmp_path):
    (tmp_path / "x.yaml").write_text("- a\n")
    with pytest.raises(BadConfig, match="holds no keys"):
        read_serve_command(f"vllm serve {OSS} --config {tmp_path / 'x.yaml'}", CATALOG)
