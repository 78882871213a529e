"""Files that users write or adapt: catalogs, TCO sets, scenarios, studies, mappings, and the calibration."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from paretoken.answers.compare import CompareQuestion
from paretoken.answers.seam import question_from_json
from paretoken.answers.study.config import load_study, with_ids
from paretoken.answers.tco import TcoQuestion, tco
from paretoken.catalog.engine_files import read_engine_file
from paretoken.catalog.hf.lookup import catalog_with_model
from paretoken.catalog.loader import load_catalog
from paretoken.points.bundles import manifest_toml, read_manifest, shipped
from paretoken.predict.calibration.file import SHIPPED as CALIBRATION
from paretoken.predict.calibration.file import read_calibration
from paretoken.predict.csvfile import CaseReader, read_rows
from paretoken.predict.operations import operations
from paretoken.prices.market.mapping import read_mapping
from paretoken.prices.outlook.project import Today, project
from paretoken.prices.outlook.scenario import SHIPPED as SCENARIOS
from paretoken.prices.outlook.scenario import load_scenario
from tests.fuzz.reader import Files, FuzzedReader

ACCELERATORS = b"""
[MINE]
name = "Mine"
aliases = ["mine-1"]
vendor = "NVIDIA"
hbm_gib = 100
hbm_tb_per_s = 4.5
bf16_tflops = 900.0
fp8_tflops = 1800.0
max_scaleup_gpus = 8
tdp_w = 700
source = "me"
date = "2026-11-01"
[H200]
tdp_w = 650
"""
MODELS = b"""
[mine-7b]
name = "Mine 7B"
aliases = ["me/mine-7b"]
maker = "me"
kind = "dense"
attention = "gqa"
layers = 32
hidden_size = 4096
heads = 32
kv_heads = 8
head_dim = 128
intermediate_size = 14336
vocab_size = 128256
params_total_b = 7.0
params_active_b = 7.0
max_context = 8192
native_precision = "bf16"
source = "me"
date = "2026-11-01"
"""
MODEL_CONFIG = b"""{"architectures": ["MineForCausalLM"], "model_type": "mine_moe", "torch_dtype": "bfloat16",
"text_config": {"num_hidden_layers": 8, "hidden_size": 1024, "num_attention_heads": 16, "num_key_value_heads": 4,
"head_dim": 64, "layer_types": ["linear_attention", "sliding_attention", "full_attention", "linear_attention",
"linear_attention", "sliding_attention", "full_attention", "linear_attention"], "sliding_window": 128,
"linear_num_value_heads": 8, "linear_num_key_heads": 4, "linear_key_head_dim": 64, "linear_value_head_dim": 64,
"intermediate_size": 4096, "moe_intermediate_size": 512, "n_routed_experts": 16, "num_experts_per_tok": 2,
"n_shared_experts": 1, "first_k_dense_replace": 1, "vocab_size": 32000, "max_position_embeddings": 8192},
"tie_word_embeddings": false, "quantization_config": {"quant_method": "compressed-tensors",
"ignore": ["lm_head", "re:.*self_attn.*", "*linear_attn*", "model.layers.0.mlp"], "kv_cache_scheme": {"num_bits": 8,
"type": "float"}, "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int",
"group_size": 128, "symmetric": true, "strategy": "group"}}}}}"""
NEMOTRON_CONFIG = b"""{"model_type": "nemotron_h", "hybrid_override_pattern": "MEM*EM-", "num_hidden_layers": 7,
"hidden_size": 512, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 64, "mamba_num_heads": 16,
"mamba_head_dim": 64, "n_groups": 2, "ssm_state_size": 64, "conv_kernel": 4, "intermediate_size": 1024,
"moe_intermediate_size": 256, "n_routed_experts": 8, "num_experts_per_tok": 2, "n_shared_experts": 1,
"moe_shared_expert_intermediate_size": 300, "mlp_hidden_act": "relu2", "vocab_size": 32000}"""
SPARSE_CONFIG = b"""{"model_type": "deepseek_v32", "num_hidden_layers": 4, "hidden_size": 1024,
"num_attention_heads": 16, "q_lora_rank": 256, "kv_lora_rank": 128, "qk_nope_head_dim": 64, "qk_rope_head_dim": 32,
"v_head_dim": 64, "index_n_heads": 8, "index_head_dim": 64, "index_topk": 512, "intermediate_size": 2048,
"moe_intermediate_size": 256, "n_routed_experts": 16, "num_experts_per_tok": 2, "first_k_dense_replace": 1,
"moe_layer_freq": 1, "vocab_size": 32000, "quantization_config": {"quant_method": "fp8",
"weight_block_size": [128, 128]}}"""
QUANT_CONFIG = b"""{"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "MIXED_PRECISION",
"kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"], "quantized_layers": {
"backbone.layers.1.mixer.experts": {"quant_algo": "NVFP4", "group_size": 16},
"backbone.layers.0.mixer.in_proj": {"quant_algo": "FP8"}}}}"""
SAFETENSORS_INDEX = b"""{"metadata": {"total_size": 62000000}, "weight_map": {"lm_head.weight": "m-1.safetensors"}}"""
WORKLOADS = b"""
[mine]
name = "Mine"
isl = 100
osl = 20
task = "chat"
source = "me"
date = "2026-11-01"
"""
TCO = b"""
depreciation = "declining-balance"
depreciation_months = 60
tax_rate = { value = 0.25, low = 0.2, high = 0.3, source = "the tax office" }
insurance_share_per_year = 0.01
[H200]
server_usd = { value = 280000, low = 250000, high = 320000, per = "server", source = "quote" }
network_usd = { value = 0.12, per = "server-price", source = "quote" }
kw = { value = 1.3, source = "meter", per = "gpu", holds_pue = false }
gpus_per_server = 8
life_months = 48
pue = 1.2
[neocloud]
electricity_usd_per_kwh = { value = 0.07, low = 0.05, high = 0.1, spread = "triangular", source = "bill" }
"""
STUDY = b"""
name = "mine"
title = "A study"
models = ["llama-3-70b"]
precisions = ["fp8"]
workloads = ["chat"]
accelerators = ["H200", "MI300X"]
engines = ["vllm"]
scenarios = ["like-for-like"]
as_of = 2026-06-01
points = ["own.csv"]
tiers = []
serving_load = 0.8
reference = "H200"
reference_rent_usd = 2.5
draws = 100
seed = 1
e2e_s = [5.0, 10.0]
interactivity_tok_s = [20.0]
outlooks = []
[predict]
models = [["llama-3-70b", "fp8"]]
workloads = ["chat"]
accelerators = ["H200"]
engines = ["vllm"]
users = [1, 2, 4]
"""
MAPPING = b"""
[columns]
provider = "cloud"
accelerator = "gpu"
term = "kind"
price = "eur"
date = "day"
[constants]
currency = "EUR"
licence = "own"
[terms]
pre = "spot"
[rates]
EUR = 1.1
"""
QUESTION = b"""{"model": "llama-3-70b", "precision": "fp8", "workload": "chat", "e2e_s": 15.0, "accelerators": ["H200"],
"points": [], "origins": ["published"], "suspicious": false}"""
BATCH = b"""accelerator,model,precision,engine,n_gpus,tp,ep,isl,osl,concurrency
H200,llama-3-70b,fp8,vllm,8,8,1,1024,1024,16
MI300X,llama-3-70b,fp8,sglang,4,4,1,1024,1024,64
"""


def model_configs() -> Files:
    return {
        "moe/config.json": MODEL_CONFIG,
        "sparse/config.json": SPARSE_CONFIG,
        "nemotron/config.json": NEMOTRON_CONFIG,
        "nemotron/hf_quant_config.json": QUANT_CONFIG,
        "nemotron/model.safetensors.index.json": SAFETENSORS_INDEX,
    }


def models(place: Path) -> None:
    """Models by their configs, and the counts that a prediction makes of them."""
    for name in ("moe", "sparse", "nemotron"):
        catalog, key = catalog_with_model(load_catalog(), str(place / name))
        assert operations(catalog.models[key]).total_params > 0


def catalog_files() -> Files:
    return {"own/accelerators.toml": ACCELERATORS, "own/models.toml": MODELS, "own/workloads.toml": WORKLOADS}


def scenario(place: Path) -> None:
    """A scenario, projected from figures of our own."""
    loaded = load_scenario(place / "s.toml")
    names = {loaded.reference, *loaded.accelerators, *(c.like or c.name for c in loaded.coming), "H200", "MI355X"}
    project(loaded, Today(dict.fromkeys(names, 1000.0), dict.fromkeys(names, 2.0)))


def study(place: Path) -> None:
    points = pl.DataFrame({"model": ["llama-3-70b"], "accelerator": ["H200"], "engine": ["vllm"]})
    loaded = load_study(place / "study.toml")
    with_ids(loaded, load_catalog(*loaded.catalog), points)


def batch(place: Path) -> None:
    for row in read_rows(place / "batch.csv"):
        CaseReader(load_catalog()).case(row)


def question(place: Path) -> None:
    data = (place / "q.json").read_bytes()
    question_from_json(CompareQuestion, data)


def engine_file() -> Files:
    folder = Path(read_engine_file.__code__.co_filename).parent / "engines"
    return {"vllm.toml": (folder / "vllm.toml").read_bytes()}


READERS = (
    FuzzedReader("catalog", catalog_files, lambda place: load_catalog(place / "own"), cost=6),
    FuzzedReader("config of a model", model_configs, models),
    FuzzedReader("engine file", engine_file, lambda place: read_engine_file(place / "vllm.toml")),
    FuzzedReader(
        "TCO",
        lambda: {"tco.toml": TCO},
        lambda place: tco(
            TcoQuestion(
                accelerators=("H200",), sets=(str(place / "tco.toml"),), explain=True, tornado=True, statement=True
            )
        ),
    ),
    FuzzedReader("scenario", lambda: {"s.toml": next(iter(sorted(SCENARIOS.glob("*.toml")))).read_bytes()}, scenario),
    FuzzedReader(
        "scenario of racks", lambda: {"s.toml": (SCENARIOS / "mi455x-vs-vr200-racks.toml").read_bytes()}, scenario
    ),
    FuzzedReader("study", lambda: {"study.toml": STUDY, "own.csv": b""}, study, ("study",)),
    FuzzedReader("mapping", lambda: {"m.toml": MAPPING}, lambda place: read_mapping(place / "m.toml")),
    FuzzedReader(
        "calibration",
        lambda: {"c.parquet": CALIBRATION.read_bytes()},
        lambda place: read_calibration(place / "c.parquet").document(),
    ),
    FuzzedReader("question", lambda: {"q.json": QUESTION}, question),
    FuzzedReader("batch of predictions", lambda: {"batch.csv": BATCH}, batch),
    FuzzedReader(
        "manifest of a bundle",
        lambda: {"bundle.toml": manifest_toml(shipped().manifest).encode()},
        lambda place: read_manifest(place / "bundle.toml"),
    ),
)
