"""Launch lines of separate pools: each engine's workers on one node and on several, and their router."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from paretoken.catalog.engine_files import disaggregation_of, states_redundant_experts
from paretoken.catalog.loader import load_catalog
from paretoken.engines.pool_launch import LaunchStep, launch_lines, pool_recipe
from paretoken.engines.pool_places import PoolWorkers
from paretoken.errors import BadConfig, UnknownName
from paretoken.predict.serve_command.read import read_serve_command

CATALOG = load_catalog()
ENGINES = [key for key in CATALOG.engines.entries if (pools := disaggregation_of(key)) and pools.launch]
ONE_NODE = ("atom", "atom-disagg", "mooncake-atom")
CORES = {"sglang": "sglang", "vllm": "vllm", "trtllm": "trtllm", "dynamo-sglang": "sglang", "mori-sglang": "sglang"}
"""Engines whose workers are started by a command that can be read."""


def accelerator_of(engine: str) -> str:
    return "B200" if "NVIDIA" in CATALOG.engines[engine].vendors else "MI355X"


def tp(engine: str, gpus: int, **more) -> PoolWorkers:
    return PoolWorkers(accelerator=accelerator_of(engine), gpus=gpus, tp=gpus, **more)


def dep(engine: str, gpus: int, **more) -> PoolWorkers:
    return PoolWorkers(accelerator=accelerator_of(engine), gpus=gpus, tp=1, ep=gpus, dp_attention=True, **more)


def lines(engine: str, prefill: PoolWorkers, decode: PoolWorkers, **more) -> list[LaunchStep]:
    return launch_lines(engine, prefill, decode, model="deepseek-r1", path="deepseek-ai/DeepSeek-R1", **more)


def on(steps: list[LaunchStep], pool: str) -> list[LaunchStep]:
    """The steps of one pool's workers."""
    return [s for s in steps if f"{pool} worker" in s.title]


def option(step: LaunchStep, name: str) -> str:
    """The value of an option in a command."""
    words = shlex.split(step.command)
    return words[words.index(name) + 1]


def test_every_disaggregated_engine_has_a_recipe():
    disaggregated = {key for key, e in CATALOG.engines.items() if e.disaggregated}
    assert disaggregated <= set(ENGINES)


@pytest.mark.parametrize("engine", ENGINES)
class TestEveryEngine:
    def test_it_says_what_it_was_written_from(self, engine):
        for step in lines(engine, tp(engine, 8), tp(engine, 8)):
            assert re.fullmatch(r"[\w-]+,? .*\d.*", step.version)
            assert step.source

    def test_tp_workers(self, engine):
        steps = lines(engine, tp(engine, 8, workers=2), tp(engine, 8))
        pool = disaggregation_of(engine).launch
        assert len(on(steps, "prefill")) == (1 if pool.container else 2)
        for step in (*on(steps, "prefill"), *on(steps, "decode")):
            assert "deepseek-ai/DeepSeek-R1" in step.command
            assert not re.search(r"\{\w+\}", step.command)

    def test_dep_workers(self, engine):
        (step,) = on(lines(engine, tp(engine, 8), dep(engine, 8)), "decode")
        assert re.search(r"enable[-_]dp[-_]attention|enable_attention_dp|data-parallel-size", step.command)
        assert re.search(r"expert[-_]parallel|ep[-_]size", step.command)

    def test_workers_of_several_nodes(self, engine):
        if engine in ONE_NODE:
            with pytest.raises(BadConfig, match="documents workers of 1 node, at most 8 GPUs"):
                lines(engine, tp(engine, 8), dep(engine, 16))
            return
        steps = on(lines(engine, tp(engine, 8), dep(engine, 16)), "decode")
        if len(steps) == 2:
            assert [s.host for s in steps] == ["DECODE_HOST_1", "DECODE_HOST_2"]
            assert all("DECODE_HOST_1" in s.command for s in steps), "the first node is where the others meet"
            assert steps[0].command != steps[1].command
        else:
            assert re.search("--nodes=2|LWS_LEADER_ADDRESS", steps[0].command)

    def test_the_pools_move_one_type_of_cache(self, engine):
        kv = {"kv_dtype": "fp8"}
        steps = lines(engine, tp(engine, 8, set=kv), dep(engine, 8, set=kv))
        assert all("fp8" in s.command for s in (*on(steps, "prefill"), *on(steps, "decode")))

    def test_both_pools_draft(self, engine):
        steps = lines(engine, tp(engine, 8), dep(engine, 8), speculative="mtp", draft_tokens=3)
        for step in (*on(steps, "prefill"), *on(steps, "decode")):
            assert re.search(r"mtp|MTP|NEXTN", step.command)
            assert re.search(r"(tokens|steps|len)\"?:? 3\b", step.command)

    def test_drafted_tokens_that_are_not_stated_are_a_word_to_replace(self, engine):
        steps = lines(engine, tp(engine, 8), dep(engine, 8), speculative="mtp")
        assert all("DRAFT_TOKENS" in s.command for s in (*on(steps, "prefill"), *on(steps, "decode")))

    def test_requests_go_to_a_router_that_knows_the_workers(self, engine):
        steps = lines(engine, tp(engine, 8, workers=2), dep(engine, 8))
        router = [s for s in steps if s.host == "ROUTER_HOST" and "etcd" not in s.title]
        if engine == "llmd-vllm":
            assert not router
            assert "helm install" in steps[0].command
        elif engine.startswith("dynamo"):
            assert all("ETCD_ENDPOINTS=http://ROUTER_HOST:2379" in s.command for s in on(steps, "prefill"))
            assert "etcd" in steps[0].title
        elif engine == "vllm-disagg":
            assert steps[0] == router[0], "the workers register with it"
            assert all('"proxy_ip": "ROUTER_HOST"' in s.command for s in on(steps, "prefill"))
        else:
            assert [h for h in ("PREFILL_HOST_1", "PREFILL_HOST_2", "DECODE_HOST_1") if h in router[0].command] == [
                "PREFILL_HOST_1",
                "PREFILL_HOST_2",
                "DECODE_HOST_1",
            ]
            assert steps[-1] == router[0]

    def test_a_way_of_drafting_without_flags_is_refused(self, engine):
        with pytest.raises(BadConfig, match=r"has no flags for speculative 'medusa'; use .*mtp"):
            lines(engine, tp(engine, 8), dep(engine, 8), speculative="medusa")


@pytest.mark.parametrize("engine", CORES)
@pytest.mark.parametrize("pool", ["prefill", "decode"])
@pytest.mark.parametrize("layout", ["tp", "dep", "nodes", "groups", "dp"])
def test_commands_are_read_back_as_the_workers_they_start(engine, pool, layout, tmp_path, monkeypatch):
    workers = {
        "tp": tp(engine, 8),
        "dep": dep(engine, 8),
        "nodes": dep(engine, 16),
        "groups": PoolWorkers(accelerator=accelerator_of(engine), gpus=8, tp=2, ep=8, dp_attention=True),
        "dp": PoolWorkers(accelerator=accelerator_of(engine), gpus=8, tp=1, dp_attention=True),
    }[layout]
    if engine == "trtllm" and layout == "groups":
        with pytest.raises(BadConfig, match=r"gives each GPU its own requests .* groups of 2 GPUs"):
            lines(engine, workers, workers)
        return
    step = on(lines(engine, workers, workers), pool)[0]
    fields = dict(read_serve_command(as_server(step, tmp_path, monkeypatch), CATALOG).fields)
    gpus = fields.get("gpus", fields["tp"])
    attention = fields["tp"] if fields["tp"] < gpus or not fields.get("dp_attention") else 1
    assert (fields["engine"], gpus, attention) == (CORES[engine], workers.gpus, workers.tp)
    assert (fields.get("ep", 1), fields.get("dp_attention", False)) == (workers.ep, workers.dp_attention)
    assert "kv_dtype" not in fields
    assert "memory_utilization" not in fields, "the engine's own, which predictions assume"


def as_server(step: LaunchStep, folder, monkeypatch) -> str:
    """The command of a worker without what makes it one of a pool, its file written to a folder."""
    monkeypatch.chdir(folder)
    text = step.command
    if text.startswith("cat > "):
        name, _, rest = text.removeprefix("cat > ").partition(" <<'END'\n")
        content, _, text = rest.partition("\nEND\n")
        (folder / name).write_text(content, encoding="utf-8")
    return re.sub(r"--disaggregation-mode \w+|kv_(producer|consumer)", "", text).replace("\\\n", "")


def test_a_pool_command_of_sglang_is_named_by_the_reader():
    (step,) = on(lines("dynamo-sglang", tp("dynamo-sglang", 8), dep("dynamo-sglang", 8)), "decode")
    with pytest.raises(BadConfig, match="starts a decode worker of separate pools, DEP8"):
        read_serve_command(step.command, CATALOG)


def test_workers_that_share_a_node_share_no_gpu_and_no_port():
    steps = lines("sglang", tp("sglang", 2, workers=5), tp("sglang", 8))
    prefill = on(steps, "prefill")
    assert [s.host for s in prefill] == ["PREFILL_HOST_1"] * 4 + ["PREFILL_HOST_2"]
    assert [re.search(r"CUDA_VISIBLE_DEVICES=([\d,]+)", s.command)[1] for s in prefill[:4]] == [
        "0,1",
        "2,3",
        "4,5",
        "6,7",
    ]
    for name in ("--port", "--disaggregation-bootstrap-port"):
        assert len({option(s, name) for s in prefill[:4]}) == 4
        assert option(prefill[4], name) == option(prefill[0], name)
    ports = [option(s, "--disaggregation-bootstrap-port") for s in prefill]
    words = shlex.split(steps[-1].command)
    assert [words[i + 2] for i, word in enumerate(words) if word == "--prefill"] == ports


def test_side_channels_of_workers_on_a_node_differ():
    steps = on(lines("vllm", tp("vllm", 4, workers=2), tp("vllm", 8)), "prefill")
    ports = {re.search(r"VLLM_NIXL_SIDE_CHANNEL_PORT=(\d+)", s.command)[1] for s in steps}
    assert len(ports) == 2


def test_amd_gpus_are_named_by_hip():
    steps = on(lines("mori-sglang", tp("mori-sglang", 4, workers=2), tp("mori-sglang", 8)), "prefill")
    assert all("HIP_VISIBLE_DEVICES=" in s.command and "CUDA_VISIBLE" not in s.command for s in steps)
    assert {option(s, "--disaggregation-transfer-backend") for s in steps} == {"mori"}


def test_nodes_of_a_rack_have_four_gpus_and_move_caches_over_nvlink():
    worker = PoolWorkers(accelerator="GB200", gpus=8, tp=8)
    steps = on(lines("sglang", worker, worker), "decode")
    assert [option(s, "--node-rank") for s in steps] == ["0", "1"]
    assert all("MC_FORCE_MNNVL=True" in s.command for s in steps)


def test_ranks_of_vllm_over_nodes():
    steps = on(lines("vllm", tp("vllm", 8), dep("vllm", 24)), "decode")
    assert [option(s, "--data-parallel-size") for s in steps] == ["24"] * 3
    assert [option(s, "--data-parallel-size-local") for s in steps] == ["8"] * 3
    assert ["--headless" in s.command for s in steps] == [False, True, True]
    assert [option(s, "--data-parallel-start-rank") for s in steps[1:]] == ["8", "16"]


def test_a_rank_of_vllm_is_on_one_node():
    groups = PoolWorkers(accelerator="GB200", gpus=16, tp=8, ep=16, dp_attention=True)
    with pytest.raises(BadConfig, match="does not document a decode worker whose groups of 8 GPUs span nodes of 4"):
        lines("dynamo-vllm", tp("dynamo-vllm", 8), groups)


def test_files_of_tensorrt_llm():
    steps = lines("trtllm", tp("trtllm", 4), dep("trtllm", 16, pp=1), longest=9216)
    (prefill,), (decode,) = on(steps, "prefill"), on(steps, "decode")
    content = json.loads(prefill.command.partition("<<'END'\n")[2].partition("\nEND")[0])
    assert content["disable_overlap_scheduler"] is True
    assert content["cache_transceiver_config"] == {"backend": "DEFAULT", "max_tokens_in_buffer": 9216}
    assert decode.title.endswith("on DECODE_HOST_1, DECODE_HOST_2")
    assert "--nodes=2" in decode.command
    assert "--ntasks=16" in decode.command
    router = json.loads(steps[-1].command.partition("<<'END'\n")[2].partition("\nEND")[0])
    assert router["context_servers"] == {"num_instances": 1, "urls": ["PREFILL_HOST_1:8001"]}


def test_dynamo_puts_all_of_tensorrt_llm_in_one_file():
    (decode,) = on(lines("dynamo-trtllm", tp("dynamo-trtllm", 8), dep("dynamo-trtllm", 8)), "decode")
    content = json.loads(decode.command.partition("<<'END'\n")[2].partition("\nEND")[0])
    assert content["tensor_parallel_size"] == content["moe_expert_parallel_size"] == 8
    assert "--tp_size" not in decode.command


def test_a_parameter_without_a_flag_is_named():
    (decode,) = on(lines("trtllm", tp("trtllm", 8), dep("trtllm", 8, set={"redundant_experts": 8})), "decode")
    assert decode.note == "without redundant_experts = 8: the recipe has no flag for it"


def test_redundant_experts_are_stated_where_a_layout_needs_them():
    cores = {CATALOG.engines[e].core for e in ENGINES if states_redundant_experts(e)}
    assert cores == {"sglang", "vllm"}
    assert not states_redundant_experts("no-engine")
    workers = dep("sglang", 24, set={"redundant_experts": 8})
    steps = on(lines("sglang", tp("sglang", 8), workers), "decode")
    assert [option(s, "--ep-num-redundant-experts") for s in steps] == ["8"] * 3


def test_pipeline_stages():
    (prefill,) = on(lines("sglang", tp("sglang", 8, pp=2), tp("sglang", 8)), "prefill")
    assert (option(prefill, "--tp-size"), option(prefill, "--pp-size")) == ("4", "2")


@pytest.mark.parametrize(
    ("engine", "workers", "sentence"),
    [
        ("llamacpp", tp("sglang", 8), r"llama\.cpp has no launch recipe for separate pools; use .*dynamo-sglang"),
        ("mori-sglang", tp("sglang", 8), r"does not run on B200 \(NVIDIA\)"),
        ("sglang", tp("sglang", 9), "9 GPUs of a prefill worker do not divide evenly over nodes of 8.*; use 8 or 16"),
        ("sglang", tp("sglang", 3), "3 GPUs of a prefill worker do not divide evenly over nodes of 8.*; use 2 or 4"),
        ("trtllm", dep("trtllm", 24), "ep 24 of the prefill workers needs redundant experts .*; use ep 16 or 32"),
    ],
)
def test_layouts_that_cannot_be_launched(engine, workers, sentence):
    with pytest.raises(BadConfig, match=sentence):
        lines(engine, workers, tp("sglang", 8))


def test_a_rule_of_pools_with_an_unknown_key_is_refused():
    recipe, worker = pool_recipe("sglang", CATALOG)
    rules = [recipe.worker.rules[0].model_copy(update={"when": {"pol": "prefill"}})]
    wrong = recipe.model_copy(update={"worker": recipe.worker.model_copy(update={"rules": rules})})
    with pytest.raises(UnknownName, match="did you mean pool"):
        wrong.worker_recipe(worker, "sglang", "SGLang", ("NVIDIA",))
