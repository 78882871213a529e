"""Every engine's file holds to the same contract; a new engine is tested by being there."""

from __future__ import annotations

import re

import orjson
import pytest

from paretoken.bench.probe import JsonReader, _dialect, _version
from paretoken.bench.stats.prometheus import FIGURES, parse
from paretoken.bench.workload.bodies import Bodies, dialect, dialects
from paretoken.catalog.engine_files import (
    EngineFile,
    cores_with,
    engine_apis,
    engine_files,
    engine_of_owner,
    metrics_paths,
    read_engine_file,
    usual_ports,
)
from paretoken.catalog.loader import ENGINES, SHIPPED, load_catalog
from paretoken.engines.command import ServerSpec, command
from paretoken.engines.recipes import CPU, read_recipe, recipe
from paretoken.engines.render import FORMS, render
from paretoken.engines.telemetry.snapshot import snapshot
from paretoken.errors import BadConfig
from paretoken.predict.kernels import CORES, DENSE_BANDWIDTH, GEMM_S, TWO_SHOT_S
from paretoken.predict.operations import BYTES

FILES = engine_files()
WITH_API = [key for key, _ in engine_apis()]
WITH_METRICS = [key for key, engine in FILES.items() if engine.metrics]
WITH_RECIPE = [key for key, engine in FILES.items() if engine.recipe]


@pytest.mark.parametrize("key", FILES)
class TestEveryEngine:
    def test_its_core_is_an_engine_with_traits_of_its_own(self, key):
        engine = FILES[key]
        assert FILES[engine.core].core == engine.core
        if engine.core != key:
            assert engine.kernels is None
            assert engine.scheduler == EngineFile.model_fields["scheduler"].default

    def test_it_is_in_the_catalog_as_it_says(self, key):
        catalog = load_catalog()
        assert (key in catalog.engines.entries) == FILES[key].listed
        if FILES[key].listed:
            entry = catalog.engines[FILES[key].name]
            assert entry.model_dump() == FILES[key].model_dump(include=set(type(entry).model_fields))

    def test_every_vendor_makes_an_accelerator_or_more_than_accelerators(self, key):
        vendors = {a.vendor for _, a in load_catalog().accelerators.items()}
        assert set(FILES[key].vendors) <= vendors | {"Apple", "Huawei", "Intel", "Google"}

    def test_recorded_environment_is_named_by_a_prefix(self, key):
        assert all(re.fullmatch(r"[A-Z]+_", prefix) for prefix in FILES[key].env_prefixes)


@pytest.mark.parametrize("key", WITH_API)
class TestApi:
    def test_its_bodies_hold_what_it_takes_and_no_more(self, key):
        api = FILES[key].api
        bodies = Bodies(model="m", dialect=dialect(key), min_tokens=True)
        body = orjson.loads(bodies.of("a b", 7))
        assert body["max_tokens"] == 7
        assert ("ignore_eos" in body, "min_tokens" in body) == (api.ignore_eos, api.min_tokens)
        assert ("continuous_usage_stats" in body["stream_options"]) == api.continuous_usage
        if api.token_ids:
            assert orjson.loads(bodies.of([1, 2], 7))["prompt"] == [1, 2]
        else:
            with pytest.raises(BadConfig, match="does not accept token ids"):
                bodies.of([1, 2], 7)

    def test_it_says_why_an_answer_may_be_shorter(self, key):
        api = FILES[key].api
        assert bool(api.why_not) != (api.ignore_eos and api.min_tokens)

    def test_its_owners_lead_to_it_alone(self, key):
        for owner in FILES[key].api.owners:
            assert owner == owner.lower()
            assert engine_of_owner(owner.upper()) == key
            assert [k for k, api in engine_apis() if owner in api.owners] == [key]

    def test_a_server_without_an_owner_is_recognised(self, key):
        place = FILES[key].api.recognised_at
        if place is None:
            assert FILES[key].api.owners or key == "transformers", "nothing tells this engine from others"
            return
        assert _dialect("", "http://s", _Server({place.path: {place.key: 1}})) == key
        assert _dialect("", "http://s", _Server({place.path: [1]})) == "openai"

    def test_its_version_is_read(self, key):
        place = FILES[key].api.version_at
        server = _Server({place.path: {place.key: "1.2"}} if place else {})
        assert _version("http://s", server) == ("1.2" if place else None)


@pytest.mark.parametrize("key", WITH_METRICS)
class TestMetrics:
    def test_every_name_becomes_its_figure(self, key):
        metrics = FILES[key].metrics
        for ours, names in metrics.names.items():
            assert ours in FIGURES
            for name in names:
                read = parse(f"{name} 3\n")
                assert (getattr(read, ours), read.engine) == (3.0, metrics.label or key)

    def test_names_with_another_prefix_are_the_same(self, key):
        first, *others = FILES[key].metrics.prefixes
        (name, *_) = FILES[key].metrics.names["running"]
        for other in others:
            assert parse(f"{name.replace(first, other)} 3\n").running == 3.0

    def test_its_prefix_is_its_own(self, key):
        mine = FILES[key].metrics
        assert all(name.startswith(mine.prefixes[0]) for names in mine.names.values() for name in names)
        others = [FILES[k].metrics for k in WITH_METRICS if k != key]
        assert not any(p.startswith(tuple(mine.prefixes)) for other in others for p in other.prefixes)

    def test_metrics_of_requests_have_its_prefix(self, key):
        metrics = FILES[key].metrics
        if metrics.per_request:
            r = metrics.per_request
            assert all(n.startswith(metrics.prefixes[0]) for n in (*r.requests, r.prompt_tokens, r.generation_tokens))
            assert not r.prompt_tokens.endswith(("_bucket", "_sum", "_count"))

    def test_a_hit_rate_can_be_made(self, key):
        """Cache hits come with the prompt tokens or the queries that they are a share of."""
        metrics = FILES[key].metrics
        assert "prefix_cache_hits" in metrics.names
        assert {"prefix_cache_queries", "prompt_tokens"} & set(metrics.names)
        assert set(metrics.paths) <= set(metrics_paths())


@pytest.mark.parametrize("key", WITH_RECIPE)
class TestRecipe:
    def spec(self, key, vendor):
        accelerator = {"NVIDIA": "H200", "AMD": "MI300X", CPU: CPU}[vendor]
        return ServerSpec(model="m", model_path="/m", accelerator=accelerator, vendor=vendor, precision="bf16", users=4)

    def test_every_vendor_has_a_command_that_can_be_printed(self, key):
        made = recipe(key)
        for vendor in made.vendors:
            server = command(made, self.spec(key, vendor))
            assert (server.engine, server.dialect) == (key, key)
            assert not [a for a in server.arguments if re.search(r"\{(model|gpus|python|here|)\}", a)]
            for form in FORMS:
                if form not in ("docker", "kubernetes") or server.image:
                    assert server.arguments[0] in render(server, form)

    def test_every_parameter_can_be_set(self, key):
        made = recipe(key)
        assert set(made.defaults) | {p for rule in made.rules for p in rule.set} <= set(made.parameters())

    def test_it_agrees_with_the_rest_of_the_file(self, key):
        engine, made = FILES[key], recipe(key)
        assert set(made.vendors) - {CPU} <= set(engine.vendors)
        assert made.metrics == (engine.metrics.paths[0] if engine.metrics else "")
        assert engine.api is not None
        assert made.needs_module == "" or made.needs_module in engine.packages

    def test_a_copy_of_the_file_is_the_same_recipe(self, key, tmp_path):
        copy = tmp_path / f"{key}.toml"
        copy.write_text((ENGINES / f"{key}.toml").read_text())
        assert read_recipe(copy) == recipe(key)


def test_kernel_figures_are_of_every_precision():
    assert "vllm" in CORES, "cores without figures are taken as vLLM"
    for core in CORES:
        for table in (DENSE_BANDWIDTH, GEMM_S):
            assert set(table) == set(BYTES)
            assert all(figures[core] > 0 for figures in table.values())
        assert all(figures[core] <= 1 for figures in DENSE_BANDWIDTH.values())
        assert 0 < TWO_SHOT_S[core] < 1e-3


def test_what_the_tables_said_before():
    """Facts that predictions and the client depend on, written out once more."""
    assert (cores_with("no_evict"), cores_with("prefill_first")) == ({"trtllm"}, {"sglang"})
    assert (DENSE_BANDWIDTH["fp4"]["trtllm"], GEMM_S["fp8"]["trtllm"], TWO_SHOT_S["trtllm"]) == (0.58, 4e-6, 13e-6)
    assert metrics_paths() == ("/metrics", "/prometheus/metrics")
    assert usual_ports() == {8000: "vLLM, TensorRT-LLM", 30000: "SGLang", 8080: "llama.cpp"}
    assert set(dialects()) == {"vllm", "sglang", "trtllm", "emulated", "llamacpp", "transformers", "openai"}
    assert engine_of_owner("nobody") is None
    assert {"vllm", "xllamacpp"} <= {name for engine in FILES.values() for name in engine.packages}
    assert snapshot([], env={"VLLM_X": "1", "OTHER": "2"})["environment"] == {"VLLM_X": "1"}


def test_cached_prompt_tokens_are_added_where_the_engine_leaves_them_out():
    read = parse("llamacpp:prompt_tokens_total 5\nllamacpp:prompt_tokens_cached_total 3\n")
    assert (read.prompt_tokens, read.prefix_cache_queries, read.prefix_cache_hits) == (8, 8, 3)


def test_one_file_is_all_that_an_engine_needs(tmp_path):
    (tmp_path / "mine.toml").write_text(
        'name = "Mine"\ncore = "mine"\nsource = "here"\ndate = "2026-01-01"\n\n[api]\nowners = ["me"]\n\n'
        '[recipe]\nname = "Mine"\nversion = "1"\ndate = "2026-01-01"\nsource = "here"\nvendors = ["CPU"]\n'
        'install = "none"\nprogram = ["mine", "{model}"]\nmodel_form = "hf"\nready_within_s = 1\ngrace_s = 1\n\n'
        '[recipe.flags]\nport = ["--port", "{}"]\n'
    )
    engine = read_engine_file(tmp_path / "mine.toml")
    made = command(engine.recipe, ServerSpec(model="m", model_path="/m", port=9))
    assert (made.engine, made.arguments) == ("mine", ("mine", "/m", "--port", "9"))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("ordr = 3", "did you mean 'order'"),
        ("[api]\nowner = ['me']", "unknown key 'api.owner'"),
        ("[api]\nversion_at = { path = 'version' }", "api.version_at.path"),
        ("[metrics]\nprefixes = ['x:']\nnames = { runing = ['x:r'] }", "metrics.names.runing"),
        ("[kernels]\ntwo_shot_s = 1", "is missing"),
        ("[kernels]\ndense_bandwidth = { fp8 = 0.8 }", "the precision fp32 is missing"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, line, says):
    text = f'name = "Mine"\ncore = "mine"\nsource = "here"\ndate = "2026-01-01"\n{line}\n'
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(BadConfig, match=re.escape(says)):
        read_engine_file(tmp_path / "mine.toml")


def test_nothing_about_engines_lies_beside_their_files():
    assert not (SHIPPED / "engines.toml").exists()


class _Server(JsonReader):
    """Answers of a server by path, without a network."""

    def __init__(self, answers):
        super().__init__({})
        object.__setattr__(self, "answers", answers)

    def try_get(self, url):
        return self.answers.get(url.removeprefix("http://s"))
