"""Launch lines of a disaggregated layout: services, the workers of both pools, and the router in front of them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from paretoken.catalog.disaggregation import Disaggregation
from paretoken.catalog.engine_files import disaggregation_of, engine_files, states_redundant_experts
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.catalog.pool_recipe import PoolRecipe, RouterRecipe
from paretoken.catalog.recipe import Recipe, Value
from paretoken.engines.command import ServerSpec, command
from paretoken.engines.pool_places import ROUTER, PoolWorkers, WorkerPlace, filled, worker_places
from paretoken.engines.recipes import Override
from paretoken.engines.render import render, shell_lines
from paretoken.engines.request import kind_of, max_context_of
from paretoken.engines.sharding import Sharding, check_sharding
from paretoken.engines.weights import weights_of
from paretoken.errors import BadConfig
from paretoken.plural import counted

_RANKS = re.compile(r"\{(?:local_ranks|start_rank)\}")
"""Places that have no word if a rank spans nodes."""
DRAFT_TOKENS, DRAFT_MODEL, MODEL_PATH = "DRAFT_TOKENS", "DRAFT_MODEL", "MODEL_PATH"
"""Placeholders in a line for what is not stated: drafted tokens, a draft model, or weights of no known name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchStep:
    """One command to run on `host`, in the order of the list; `version` and `source` are those of the documentation."""

    title: str
    host: str
    command: str
    version: str
    source: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Launch:
    """What all steps of a layout have in common."""

    engine: str
    name: str
    recipe: PoolRecipe
    worker: Recipe
    spec: ServerSpec
    draft_tokens: int
    draft_model: str

    def step(self, title: str, host: str, text: str, note: str = "") -> LaunchStep:
        written = {"version": self.recipe.version, "source": self.recipe.source}
        return LaunchStep(title=title, host=host, command=text.rstrip("\n"), note=note, **written)


def launch_lines(
    engine: str,
    prefill: PoolWorkers,
    decode: PoolWorkers,
    *,
    model: str,
    path: str = "",
    precision: str = "",
    speculative: str = "none",
    draft_tokens: int = 0,
    draft_model: str = "",
    longest: int = 0,
    catalog: Catalog | None = None,
) -> list[LaunchStep]:
    """What to run on which host to serve a model from two pools. BadConfig if the engine documents no such layout.

    `engine` is a disaggregated engine of the catalog, or a core that can be split (sglang, vllm, trtllm, atom). Hosts
    are placeholders: PREFILL_HOST_1, DECODE_HOST_1, ROUTER_HOST. `longest` is the most tokens of a request, 0 for the
    model's context. Both pools draft alike: the KV cache of the draft layers moves too.
    """
    catalog = catalog or load_catalog()
    recipe, worker = pool_recipe(engine, catalog)
    spec = ServerSpec(
        model=model,
        model_path=path or _hub_name(model, precision, {w.accelerator for w in (prefill, decode)}, catalog),
        kind=kind_of(catalog, model),
        precision=precision,
        longest=longest,
        max_context=max_context_of(catalog, model),
        host="0.0.0.0",  # noqa: S104, printed for a host of a cluster
        speculative=speculative or "none",
    )
    launch = _Launch(
        engine=engine,
        name=catalog.engines[engine].name,
        recipe=recipe,
        worker=worker,
        spec=spec,
        draft_tokens=draft_tokens,
        draft_model=draft_model,
    )
    _require_drafting(launch)
    pools = {"prefill": prefill, "decode": decode}
    for pool, workers in pools.items():
        _require_experts(launch, pool, workers, catalog)
    steps = _steps(launch, pools, catalog)
    for workers in pools.values():
        _require_shards(launch, workers, catalog)
    return [replace(steps[0], note="; ".join(filter(None, (steps[0].note, recipe.notes)))), *steps[1:]]


def _hub_name(model: str, precision: str, accelerators: Collection[str], catalog: Catalog) -> str:
    """The name of the weights on the hub that all accelerators read; a placeholder if none is known."""
    vendors = {catalog.accelerators[name].vendor for name in accelerators}
    try:
        return weights_of(catalog, model, "", precision, vendors.pop() if len(vendors) == 1 else "").path
    except BadConfig:
        return MODEL_PATH


def _steps(launch: _Launch, pools: Mapping[str, PoolWorkers], catalog: Catalog) -> list[LaunchStep]:
    """Services, workers and router, in the order in which they start."""
    recipe = launch.recipe
    places = {pool: worker_places(pool, workers, recipe, launch.name, catalog) for pool, workers in pools.items()}
    services = [launch.step(s.title, filled(s.host, {}), filled(s.command, {})) for s in recipe.services]
    started = [
        step
        for pool, workers in pools.items()
        for place in (places[pool][:1] if recipe.container else places[pool])
        for step in _worker_steps(launch, pool, workers, place, catalog)
    ]
    router = [_router_step(launch, recipe.router, places)] if recipe.router else []
    first = recipe.router is not None and recipe.router.first
    return [*services, *router, *started] if first else [*services, *started, *router]


def pool_recipe(engine: str, catalog: Catalog) -> tuple[PoolRecipe, Recipe]:
    """How an engine's pools are launched, and the recipe of a worker; BadConfig if the engine has no launch recipe."""
    pools = disaggregation_of(engine) or Disaggregation()
    entry = catalog.engines[engine]
    if pools.launch is None:
        others = [key for key in catalog.engines.entries if (d := disaggregation_of(key)) and d.launch]
        raise BadConfig(f"{entry.name} has no launch recipe for separate pools; use {', '.join(others)}")
    core = engine_files()[entry.core].recipe
    return pools.launch, pools.launch.worker_recipe(core, engine, entry.name, entry.vendors)


def _require_drafting(launch: _Launch) -> None:
    """BadConfig for a method of speculative decoding that the recipe has no flags for."""
    method = launch.spec.speculative
    rules = [rule.when.get("speculative", []) for rule in launch.worker.rules]
    methods = sorted({str(m) for rule in rules for m in (rule if isinstance(rule, list) else [rule])})
    if method != "none" and method not in methods:
        hint = f"use {', '.join(methods)}" if methods else "leave it out"
        raise BadConfig(f"the launch recipe of {launch.name} has no flags for speculative {method!r}; {hint}")


def _require_experts(launch: _Launch, pool: str, workers: PoolWorkers, catalog: Catalog) -> None:
    """BadConfig for an EP size that needs redundant experts where the recipe cannot state any."""
    model = launch.spec.model
    moe = catalog.models[model].moe if model in catalog.models else None
    if moe and moe.experts % workers.ep and not states_redundant_experts(launch.engine):
        sizes = [n for n in range(1, moe.experts + 1) if moe.experts % n == 0]
        below, above = max(n for n in sizes if n < workers.ep), min((n for n in sizes if n > workers.ep), default=0)
        raise BadConfig(
            f"ep {workers.ep} of the {pool} workers needs redundant experts beside the {moe.experts} of {model}, and "
            f"the launch recipe of {launch.name} cannot state them; use ep {below}" + (f" or {above}" if above else "")
        )


def _require_shards(launch: _Launch, workers: PoolWorkers, catalog: Catalog) -> None:
    """BadConfig for GPUs that share every layer and by which the model does not divide."""
    if workers.dp_attention or workers.ep > 1 or launch.spec.model not in catalog.models:
        return
    model, stage = catalog.models[launch.spec.model], workers.gpus // workers.pp
    weights = next((r for r in model.repositories if r.name == launch.spec.model_path), None)
    block = weights.block if weights and launch.worker.whole_blocks else None
    node = catalog.accelerators[workers.accelerator].gpus_per_node
    check_sharding(Sharding(tp=stage, pp=workers.pp, block=block or 0), model, max(node * workers.pp, workers.gpus))


def _worker_steps(
    launch: _Launch, pool: str, workers: PoolWorkers, place: WorkerPlace, catalog: Catalog
) -> Iterator[LaunchStep]:
    """The command of each node of a worker, or one for all of them."""
    launcher = launch.recipe.worker.launcher
    nodes = 1 if launcher or launch.recipe.container else len(place.hosts)
    for node in range(nodes):
        title = f"{pool} worker {place.number} of {workers.workers}"
        if launch.recipe.container:
            title = f"container of the {pool} workers, {counted(workers.workers, 'replica')}"
        elif nodes > 1:
            title += f", node {node + 1} of {nodes}"
        elif len(place.hosts) > 1:
            title += f", on {', '.join(place.hosts)}"
        host = f"{pool} pods" if launch.recipe.container else place.hosts[node]
        yield _worker_step(launch, pool, workers, place, node, (title, host), catalog)


def _worker_step(
    launch: _Launch,
    pool: str,
    workers: PoolWorkers,
    place: WorkerPlace,
    node: int,
    named: tuple[str, str],
    catalog: Catalog,
) -> LaunchStep:
    places = _words(launch, pool, workers, place, node)
    stage, accelerator = workers.gpus // workers.pp, workers.accelerator
    spec = replace(
        launch.spec,
        accelerator=accelerator,
        vendor=catalog.accelerators[accelerator].vendor,
        gpus=stage,
        ep=workers.ep,
        dp_attention=workers.dp_attention,
        port=int(places["port"]),
        pool=pool,
        nodes=len(place.hosts),
        node=node,
        places=places,
    )
    taken = launch.worker.parameters()
    wanted = _parameters(launch, workers)
    override = Override(set={k: v for k, v in wanted.items() if k in taken}, env=_devices(launch, spec.vendor, place))
    made = command(launch.worker, spec, override)
    launcher = launch.recipe.worker.launcher if len(place.hosts) > 1 else []
    made = replace(made, arguments=(*(filled(word, places) for word in launcher), *made.arguments))
    text = render(made, "shell")
    if left := _RANKS.search(text):
        raise BadConfig(
            f"{launch.name} does not document a {pool} worker whose groups of {counted(workers.tp, 'GPU')} span nodes "
            "of "
            f"{counted(place.gpus, 'GPU')} ({left[0]})"
        )
    return launch.step(*named, text, "; ".join(_notes(wanted, workers, taken, bool(launcher and made.files))))


def _notes(
    wanted: Mapping[str, Value], workers: PoolWorkers, taken: Collection[str], shared_file: bool
) -> Iterator[str]:
    if lost := [f"{k} = {v}" for k, v in wanted.items() if k not in taken and k in workers.set]:
        yield f"without {', '.join(lost)}: the recipe has no flag for it"
    if shared_file:
        yield "write the file where all of the hosts read it"


def _words(launch: _Launch, pool: str, workers: PoolWorkers, place: WorkerPlace, node: int) -> dict[str, str]:
    """The words for the places in a worker's recipe; ranks on a node only where each rank is on one node."""
    tokens = launch.draft_tokens
    words = {
        "pool": pool,
        "speculative": launch.spec.speculative,
        "worker": str(place.number),
        "host": place.hosts[node],
        "head": place.hosts[0],
        "router": ROUTER,
        "nodes": str(len(place.hosts)),
        "node": str(node),
        "all_gpus": str(workers.gpus),
        "local_gpus": str(place.gpus),
        "attention_tp": str(workers.tp),
        "ranks": str(workers.gpus // workers.pp // workers.tp),
        "draft_tokens": str(tokens or DRAFT_TOKENS),
        "verified_tokens": str(tokens + 1 if tokens else f"{DRAFT_TOKENS}_PLUS_1"),
        "draft_model": launch.draft_model or DRAFT_MODEL,
        **place.ports(launch.recipe.worker.port),
    }
    if place.gpus % workers.tp == 0:
        ranks = place.gpus // workers.tp
        words |= {"local_ranks": str(ranks), "start_rank": str(node * ranks)}
    return words


def _parameters(launch: _Launch, workers: PoolWorkers) -> dict[str, Value]:
    """Parameters by the recipe's names beyond those that follow from a `ServerSpec`."""
    wanted: dict[str, Value] = dict(workers.set)
    if workers.ep == 1:
        wanted["ep"] = ""
    if workers.pp > 1:
        wanted["pp"] = workers.pp
    document = launch.worker.document
    if launch.spec.speculative != "none" and document and "draft_tokens" in document.keys:  # others have rules
        wanted["draft_tokens"] = launch.draft_tokens or DRAFT_TOKENS
    if launch.spec.longest:
        wanted["transfer_tokens"] = launch.spec.longest
    return wanted


def _devices(launch: _Launch, vendor: str, place: WorkerPlace) -> dict[str, str]:
    """The environment that selects the GPUs of a worker that does not use all of its host."""
    if not place.devices or launch.recipe.container:
        return {}
    return {"HIP_VISIBLE_DEVICES" if vendor == "AMD" else "CUDA_VISIBLE_DEVICES": ",".join(map(str, place.devices))}


def _router_step(launch: _Launch, router: RouterRecipe, places: Mapping[str, list[WorkerPlace]]) -> LaunchStep:
    base = launch.recipe.worker.port
    arguments = {"prefill": router.each_prefill, "decode": router.each_decode}
    words = [filled(word, {}) for word in router.program]
    for pool, workers in places.items():
        for place in workers:
            words += [filled(word, {"host": place.hosts[0], **place.ports(base)}) for word in arguments[pool]]
    words += [filled(word, {}) for word in router.arguments]
    files = ""
    if file := router.file:
        urls = {pool: [f"{p.hosts[0]}:{base + p.slot}" for p in places[pool]] for pool in places}
        servers = {getattr(file, pool): {"num_instances": len(at), "urls": at} for pool, at in urls.items()}
        files = f"cat > {file.file} <<'END'\n{json.dumps(dict(file.keys) | servers, indent=2)}\nEND\n"
        words += [file.flag, file.file]
    env = "".join(f"{k}={shlex.quote(filled(v, {}))} " for k, v in router.env.items())
    return launch.step(router.name, ROUTER, files + env + shell_lines(words), router.note)
