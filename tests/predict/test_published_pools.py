"""Settings of published disaggregated rows: how they are looked up, and how the tool reads them out of recipes."""

from __future__ import annotations

import csv
import importlib
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from paretoken.predict import published_pools as table
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.pools.layout import Pools
from paretoken.predict.published_pools import PoolSettings, published_pools
from paretoken.predict.published_settings import Drafts
from paretoken.predict.settings import EngineSettings

TOOLS = Path(__file__).parent.parent.parent / "tools"
HEADER = (
    "accelerator,engine,model,precision,drafting,isl,osl,prefill_workers,prefill_gpus,prefill_dp_attention,"
    "decode_workers,decode_gpus,decode_dp_attention,users,since,until,prefill_max_num_seqs,prefill_max_batched_tokens,"
    "prefill_kv_dtype,prefill_memory_utilization,prefill_redundant_experts,decode_max_num_seqs,decode_kv_dtype,"
    "decode_memory_utilization,decode_redundant_experts,speculative,speculative_tokens"
)
LAYOUT = "GB200,trtllm,deepseek-r1,fp4,False,8192,1024,2,4,True,1,16"
DRAFTED = LAYOUT.replace("False", "True")
MADE_UP = f"""{HEADER}
{LAYOUT},True,64 128,2026-01-01,2026-02-01,2,16640,fp8,0.6,,8,fp8,0.8,32,,
{LAYOUT},True,64 128,2026-02-01,,2,16640,fp8,0.6,,16,fp8,0.9,,,
{LAYOUT},True,1024,2026-01-01,,2,16640,fp8,0.6,,64,fp8,0.8,,,
{LAYOUT},False,64,2026-01-01,,2,16640,fp8,0.6,,4,fp8,0.8,,,
{LAYOUT},False,64,2026-07-01,,,,,,,,,,,,
{DRAFTED},True,64,2026-01-01,,2,16640,fp8,0.6,,8,fp8,0.8,,mtp,3
{DRAFTED},True,1024,2026-01-01,2026-02-01,,,,,,,,,,mtp,2
{DRAFTED},True,1024,2026-02-01,,,,,,,32,fp8,0.8,,mtp,1
{DRAFTED.replace("1,16", "2,8")},True,64,2026-01-01,,,,,,,8,,,,eagle3,3
{DRAFTED.replace("1,16", "3,8")},True,64,2026-01-01,,,,,,,8,,,,eagle3,3
{DRAFTED.replace("1,16", "4,8")},True,64,2026-01-01,,2,16640,fp8,0.6,,8,fp8,0.8,,,
"""
LENGTHS = Lengths(8192, 1024, 0.8)
WORKER = Deployment(
    accelerator="GB200", model="deepseek-r1", precision="fp4", engine="trtllm", gpus=4, tp=4, ep=4, dp_attention=True
)
POOLS = Pools(
    engine="dynamo-trtllm",
    prefill=WORKER,
    decode=replace(WORKER, gpus=16, tp=16, ep=16),
    prefill_workers=2,
)


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    (tmp_path / "pools.csv").write_text(MADE_UP)
    monkeypatch.setattr(table, "DATA", tmp_path / "pools.csv")
    caches = (table._by_layout, table._usual_drafts)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize(
    ("date", "users", "dp_attention", "expected"),
    [
        ("2026-01-15", 64, True, 8),
        ("2026-02-20", 128, True, 16),
        ("2025-09-01", 64, True, 8),
        (None, 64, True, 16),
        (None, 512, True, 64),
        ("2026-01-15", 1024, True, 64),
        (None, 1024, False, 4),
        ("2026-07-01", 64, False, 4),
    ],
)
def test_the_users_and_the_day_choose_among_the_recipes_of_a_layout(date, users, dp_attention, expected):
    pools = replace(POOLS, decode=replace(POOLS.decode, date=date, dp_attention=dp_attention))
    assert published_pools(pools, LENGTHS, users).decode.max_num_seqs == expected


@pytest.mark.usefixtures("made_up")
def test_both_sides_have_their_own_settings():
    served = published_pools(replace(POOLS, decode=replace(POOLS.decode, date="2026-01-15")), LENGTHS, 64)
    assert served.prefill == EngineSettings(
        kv_dtype="fp8", memory_utilization=0.6, max_num_seqs=2, max_batched_tokens=16640
    )
    assert served.decode == EngineSettings(kv_dtype="fp8", memory_utilization=0.8, max_num_seqs=8, redundant_experts=32)
    assert served.drafts is None


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize("change", [{"prefill_workers": 3}, {"decode": WORKER}])
def test_another_layout_has_none(change):
    served = published_pools(replace(POOLS, **change), LENGTHS, 64)
    assert served == PoolSettings(EngineSettings(), EngineSettings(), None)


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize(
    ("date", "users", "workers", "precision", "expected"),
    [
        (None, 64, 1, "fp4", Drafts("mtp", 3)),
        ("2026-01-15", 1024, 1, "fp4", Drafts("mtp", 2)),
        ("2026-03-01", 1024, 1, "fp4", Drafts("mtp", 1)),
        (None, 64, 2, "fp4", Drafts("eagle3", 3)),
        (None, 64, 4, "fp4", Drafts("eagle3", 3)),
        (None, 64, 5, "fp4", Drafts("eagle3", 3)),
        (None, 64, 1, "fp8", None),
    ],
    ids=["users", "day", "later day", "method", "recipe without", "layout without", "precision without"],
)
def test_the_recipe_of_the_layout_drafts_then_most_of_the_model_s(date, users, workers, precision, expected):
    gpus = 16 if workers == 1 else 8
    decode = replace(WORKER, gpus=gpus, tp=gpus, ep=gpus, precision=precision, date=date, speculative="mtp")
    pools = replace(POOLS, decode=decode, decode_workers=workers)
    assert published_pools(pools, LENGTHS, users).drafts == expected


@pytest.mark.usefixtures("made_up")
def test_a_recipe_that_states_only_what_it_drafts_leaves_the_settings_to_the_nearest_other():
    decode = replace(POOLS.decode, date="2026-01-15", speculative="mtp")
    served = published_pools(replace(POOLS, decode=decode), LENGTHS, 1024)
    assert (served.decode.max_num_seqs, served.drafts) == (32, Drafts("mtp", 2))


def test_every_shipped_row_has_users_and_positive_limits():
    with table.DATA.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert rows and list(rows[0]) == HEADER.split(",")
    for r in rows:
        assert r["users"].split() and r["since"] <= (r["until"] or "9999")
        assert all(int(r[n]) > 0 for n in r if n.endswith(("_seqs", "_tokens")) and r[n])
        drafts = (r["speculative"] in ("mtp", "eagle3"), r["speculative_tokens"] in ("1", "2", "3"))
        assert drafts == ((True, True) if r["drafting"] == "True" else (False, False))
    assert {r["speculative"] for r in rows if r["model"] == "minimax-m3"} == {"", "eagle3"}


@pytest.fixture
def recipes(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("pool_recipes")


def test_each_engine_names_its_limits_in_its_own_way(recipes):
    trtllm = recipes.options(
        {
            "tensor_parallel_size": 16,
            "max_batch_size": 64,
            "max_num_tokens": 128,
            "kv_cache_config": {"dtype": "fp8", "free_gpu_memory_fraction": 0.8},
            "moe_config": {"load_balancer": {"num_slots": 288}},
            "speculative_config": {"decoding_type": "MTP", "num_nextn_predict_layers": 3},
        }
    )
    assert recipes.trtllm(trtllm, 256) == recipes.WorkerSettings(16, 64, 128, "fp8", 0.8, 32, "mtp", 3)
    sglang = {"tp-size": 32, "dp-size": 32, "enable-dp-attention": True, "max-running-requests": 4096}
    sglang |= {"chunked-prefill-size": 131072, "speculative-num-draft-tokens": 3, "kv-cache-dtype": "fp8_e4m3"}
    assert recipes.sglang(sglang, 256) == recipes.WorkerSettings(32, 128, 4096, "fp8", speculative_tokens=2)
    vllm = recipes.options({"tensor-parallel-size": 2, "data-parallel-size": 8, "max-num-seqs": 256})
    vllm |= recipes.options({"speculative-config": '{"method": "eagle3", "num_speculative_tokens": 4}'})
    assert recipes.vllm(vllm, 256) == recipes.WorkerSettings(16, 256, speculative="eagle3", speculative_tokens=4)


@pytest.mark.parametrize(
    ("engine", "stated", "expected"),
    [
        ("trtllm", {"speculative-config.decoding-type": "Eagle"}, "eagle3"),
        ("sglang", {"speculative-algorithm": "EAGLE"}, "mtp"),
        ("sglang", {"speculative-algorithm": "EAGLE", "speculative-draft-model-path": "a"}, "eagle"),
        ("sglang", {"speculative-algorithm": "EAGLE3", "speculative-draft-model-path": "a"}, "eagle3"),
        ("sglang", {"speculative-algorithm": "NEXTN", "speculative-draft-model-path": "a"}, "mtp"),
        ("vllm", {"speculative-config.method": "deepseek_mtp"}, "mtp"),
        ("atom", {"method": "eagle3"}, "eagle3"),
        ("vllm", {}, None),
    ],
)
def test_each_engine_names_its_method_in_its_own_way(recipes, engine, stated, expected):
    assert recipes.ENGINES[engine](stated, 0).speculative == expected


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({}, None),
        ({"chunked-prefill-size": 262144}, 16384),
        ({"chunked-prefill-size": 262144, "max-prefill-tokens": 65536}, 65536),
        ({"chunked-prefill-size": -1, "max-prefill-tokens": 32768}, 32768),
        ({"chunked-prefill-size": 8192, "max-prefill-tokens": 32768}, 8192),
    ],
)
def test_sglang_prefills_no_more_than_both_of_its_limits(recipes, stated, expected):
    assert recipes.sglang(stated, 0).max_batched_tokens == expected


def test_a_selector_lays_one_place_of_a_section_over_the_base(recipes):
    recipe = {
        "base": {"backend": {"seqs": 8, "tokens": 1, "gone": 1}},
        "zip_override_low": {"backend": {"seqs": [16, 32], "tokens": [2], "gone": None}},
        "override_high": {"backend": {"seqs": 64}},
    }
    assert recipes.selected(recipe, "zip_override_low[1]") == {"backend": {"seqs": 32, "tokens": 2}}
    assert recipes.selected(recipe, "override_high")["backend"] == {"seqs": 64, "tokens": 1, "gone": 1}
    assert recipes.selected(recipe, "") == recipe["base"]
    assert recipes.selected({"backend": {}}, "") == {"backend": {}}


def test_flags_of_a_command_line_and_counts_in_thousands(recipes):
    o = recipes.flags("--enable-expert-parallel --max-num-seqs=64 --max-num-batched-tokens 4K --kv-cache-dtype fp8")
    assert recipes.vllm(o, 0) == recipes.WorkerSettings(1, 64, 4000, "fp8")


ENTRY = """
made-up-gb200:
  model: some/R1
  model-prefix: dsr1
  runner: gb200
  precision: fp4
  framework: dynamo-trt
  disagg: true
  scenarios:
    fixed-seq-len:
    - isl: 8192
      osl: 1024
      search-space:
      - spec-decoding: mtp
        conc-list: [64]
        prefill: {num-worker: 2, tp: 4, ep: 4, dp-attn: true, additional-settings: ["CONFIG_FILE=recipes/a.yaml"]}
        decode: {num-worker: 1, tp: 16, ep: 16, dp-attn: true}
"""
RECIPE = """
backend:
  trtllm_config:
    prefill: {{tensor_parallel_size: 4, max_num_tokens: 8320, max_batch_size: 1}}
    decode: {{tensor_parallel_size: 16, max_batch_size: {seqs}, speculative_config: {{max_draft_len: 3}}}}
"""
AMD_ENTRY = """
made-up-mi355x:
  model: some/Made-Up
  model-prefix: dsr1
  runner: mi355x-disagg
  precision: fp8
  framework: sglang-disagg
  disagg: true
  seq-len-configs:
  - isl: 1024
    osl: 1024
    search-space:
    - conc-list: [256, 512]
      prefill: {num-worker: 1, tp: 8, ep: 1, dp-attn: false}
      decode: {num-worker: 2, tp: 8, ep: 8, dp-attn: true, additional-settings: ["DECODE_MTP_SIZE=0"]}
"""
AMD_FOLDER = "benchmarks/multi_node/amd_utils"
AMD_TABLE = """
Made-Up:
  base_flags: "--kv-cache-dtype fp8_e4m3"
  prefill: {mem_fraction_static: 0.8, no_dp: {max_running_requests: 128, chunked_prefill_size: 262144}}
  decode:
    mem_fraction_static: 0.85
    dp: {max_running_requests: 4096, chunked_prefill_size: "TOKENS * DECODE_TP_SIZE", cuda_graph_bs_range: "1-160"}
    no_dp: {max_running_requests: 128, chunked_prefill_size: 262144, cuda_graph_bs_range: "1-128"}
"""


@pytest.fixture
def clones(tmp_path):
    """Clones of configurations and of recipes, to which a function commits files on a day."""
    for name in ("configurations", "recipes"):
        subprocess.run(["git", "init", "-q", "-b", "main", tmp_path / name], check=True)

    def commit(clone: str, day: str, files: dict[str, str]) -> None:
        for path, text in files.items():
            file = tmp_path / clone / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        who = {f"GIT_{role}_{what}": "x@x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        when = {f"GIT_{role}_DATE": f"{day}T12:00:00Z" for role in ("AUTHOR", "COMMITTER")}
        git = ["git", "-C", str(tmp_path / clone)]
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-qm", "x"], check=True, env=who | when | {"PATH": "/usr/bin:/bin"})

    return tmp_path, commit


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    module = importlib.import_module("published_pools")
    monkeypatch.setattr(module, "_layouts", _Every)
    return module


class _Every:
    def __contains__(self, layout: object) -> bool:
        return True


def _rows(tool, path, capsys) -> list[dict[str, str]]:
    with tool.Clone(path / "configurations") as configurations, tool.Clone(path / "recipes") as recipes:
        tool.main(configurations, recipes)
    return list(csv.DictReader(capsys.readouterr().out.splitlines()))


def test_a_row_holds_from_the_day_of_its_recipe_until_it_is_replaced(tool, clones, capsys):
    path, commit = clones
    commit("recipes", "2026-01-01", {"recipes/a.yaml": RECIPE.format(seqs=8)})
    commit("recipes", "2026-02-01", {"recipes/a.yaml": RECIPE.format(seqs=16)})
    commit("configurations", "2026-01-10", {"configs/made-master.yaml": ENTRY})
    commit("configurations", "2026-02-10", {"configs/made-master.yaml": ENTRY.replace("[64]", "[64, 128]")})
    rows = _rows(tool, path, capsys)
    assert [(r["since"], r["until"], r["users"], r["decode_max_num_seqs"]) for r in rows] == [
        ("2026-01-10", "2026-02-10", "64", "8"),
        ("2026-02-10", "", "64 128", "16"),
    ]
    assert {(r["prefill_max_batched_tokens"], r["decode_gpus"]) for r in rows} == {("8320", "16")}
    assert {(r["speculative"], r["speculative_tokens"]) for r in rows} == {("mtp", "3")}


def test_a_recipe_in_the_repository_of_the_configurations_comes_first(tool, clones, capsys):
    path, commit = clones
    commit("recipes", "2026-01-01", {"recipes/a.yaml": RECIPE.format(seqs=8)})
    own = f"{tool.OVERLAY}a.yaml"
    commit("configurations", "2026-01-10", {"configs/made-master.yaml": ENTRY, own: RECIPE.format(seqs=4)})
    assert [r["decode_max_num_seqs"] for r in _rows(tool, path, capsys)] == ["4"]


@pytest.mark.parametrize(("script", "expected"), [("", "160"), ("[DP+EP override]", "64")])
def test_amd_shares_users_among_ranks_where_its_script_does(tool, clones, capsys, script, expected):
    path, commit = clones
    files = {f"{AMD_FOLDER}/models.yaml": AMD_TABLE, f"{AMD_FOLDER}/server.sh": script}
    files |= {"configs/amd-master.yaml": AMD_ENTRY, f"{AMD_FOLDER}/env.sh": "export TOKENS=512\n"}
    commit("configurations", "2026-03-01", files)
    commit("recipes", "2026-01-01", {"README": ""})
    (row,) = _rows(tool, path, capsys)
    assert (row["accelerator"], row["engine"], row["decode_max_num_seqs"]) == ("MI355X", "sglang", expected)
    assert (row["prefill_max_num_seqs"], row["prefill_max_batched_tokens"]) == ("128", "16384")
    assert (row["decode_kv_dtype"], row["decode_memory_utilization"]) == ("fp8", "0.85")
    assert (row["speculative"], row["speculative_tokens"]) == ("", "")


@pytest.mark.parametrize(
    ("table", "method"),
    [
        (AMD_TABLE + '  mtp_flags: "--speculative-algorithm EAGLE3 --speculative-draft-model-path x"\n', "eagle3"),
        (AMD_TABLE, "mtp"),
        (AMD_TABLE.replace("Made-Up:", "Other:"), "mtp"),
    ],
    ids=["of the table", "of the entry", "no table"],
)
def test_amd_drafts_by_the_flags_of_its_table_else_as_its_entry_says(tool, clones, capsys, table, method):
    path, commit = clones
    entry = AMD_ENTRY.replace("MTP_SIZE=0", "MTP_SIZE=2").replace(
        "- conc-list", "- spec-decoding: mtp\n      conc-list"
    )
    commit("configurations", "2026-03-01", {"configs/amd-master.yaml": entry, f"{AMD_FOLDER}/models.yaml": table})
    commit("recipes", "2026-01-01", {"README": ""})
    (row,) = _rows(tool, path, capsys)
    assert (row["drafting"], row["speculative"], row["speculative_tokens"]) == ("True", method, "2")
