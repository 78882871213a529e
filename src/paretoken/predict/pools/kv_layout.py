"""Which pairs of prefill and decode workers can exchange a KV cache, by the documentation of their engine."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from paretoken.catalog.disaggregation import KvExchange, Split, Stages
from paretoken.catalog.engine_files import disaggregation_of
from paretoken.catalog.entries import Model
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import BadConfig
from paretoken.plural import counted
from paretoken.predict.deployment import Deployment
from paretoken.predict.engine_defaults import settings_in_force

CACHES = {
    "latent": "the KV cache",
    "heads": "the KV heads",
    "windows": "the layers with a window",
    "states": "the recurrent states",
}
"""Parts of a cache that move by rules of their own."""


def require_shared_kv(engine: str, prefill: Deployment, decode: Deployment, catalog: Catalog | None = None) -> None:
    """BadConfig if the engine (a catalog id) cannot move the KV cache of resolved prefill workers to decode workers.

    Checked are the vendors, the type of the cache, and what `catalog.disaggregation.KvExchange` lists.
    """
    catalog = catalog or load_catalog()
    disaggregation = disaggregation_of(engine)
    if disaggregation is None:
        raise BadConfig(
            f"{catalog.engines[engine].name} does not serve from separate pools; use {_engines(decode, catalog)}"
        )
    _require_vendor(engine, prefill, decode, catalog)
    _require_kv_dtype(prefill, decode, catalog)
    exchange = _exchange(engine, decode.date)
    name = catalog.engines[engine].name
    if exchange and (problem := next(_problems(name, prefill, decode, exchange, catalog), "")):
        later = [table.since for table in disaggregation.exchange if decode.date and table.since > decode.date]
        cured = (
            day
            for day in later
            if (then := _exchange(engine, day)) and not any(_problems(name, prefill, decode, then, catalog))
        )
        since = next(cured, "")
        raise BadConfig(problem + (f", or give a date from {since} on" if since else ""))


@lru_cache(maxsize=1024)
def _exchange(engine: str, date: str | None) -> KvExchange | None:
    """The differences between workers that the engine's transfer bridges on a day."""
    disaggregation = disaggregation_of(engine)
    return disaggregation.exchange_on(date) if disaggregation else None


def _problems(name: str, p: Deployment, d: Deployment, exchange: KvExchange, catalog: Catalog) -> Iterator[str]:
    """One sentence for each difference between prefill and decode workers that the exchange does not bridge."""
    model = catalog.models[d.model]
    for cache in _caches(model):
        rule = getattr(exchange, cache)
        if rule and (remedy := _remedy(rule, p.attention_tp, d.attention_tp, model.kv_heads or model.heads)):
            yield (
                f"{name} cannot move {CACHES[cache]} of {d.model} from prefill workers with attention TP "
                f"{p.attention_tp} to decode workers with attention TP {d.attention_tp}; {remedy}"
            )
    if exchange.attention_dp == "same" and p.dp_attention != d.dp_attention:
        yield f"{name} needs attention data parallelism in both pools or in neither; change one of them"
    if exchange.stages and (remedy := _stages_remedy(exchange.stages, p.pp, d.pp)):
        yield f"{name} cannot move a KV cache from {_stages(p)} to {_stages(d)}; {remedy}"


def _stages(d: Deployment) -> str:
    return counted(d.pp, "pipeline stage")


def _caches(model: Model) -> Iterator[str]:
    """The parts that a model's cache has, those with the stricter rules first."""
    latent = model.mla is not None or model.kv_heads == 1
    if model.recurrent:
        yield "states"
    if model.sliding_window and not latent:
        yield "windows"
    yield "latent" if latent else "heads"


def _remedy(rule: Split, prefill: int, decode: int, kv_heads: int) -> str:
    """What to change about two attention TP sizes; "" if the rule allows them."""
    if rule == "any" or prefill == decode:
        return ""
    if rule == "same":
        return f"use attention TP {prefill} in both"
    if prefill % decode and decode % prefill:
        return "make one a multiple of the other"
    if prefill > decode and rule == "fan-out":
        return f"use attention TP {prefill} or a multiple of it to decode"
    if prefill > decode and rule == "unreplicated" and prefill > kv_heads:
        return f"use at most attention TP {kv_heads}, a KV head for each GPU, to prefill"
    return ""


def _stages_remedy(rule: Stages, prefill: int, decode: int) -> str:
    if rule == "any" or prefill == decode == 1:
        return ""
    if rule == "none":
        return "use pp 1 in both pools"
    if rule == "prefill" and decode > 1:
        return "use pp 1 to decode"
    return f"use pp 1 or pp {prefill} to decode" if rule == "same or one" and decode not in (1, prefill) else ""


def _require_vendor(engine: str, prefill: Deployment, decode: Deployment, catalog: Catalog) -> None:
    makers = {d.accelerator: catalog.accelerators[d.accelerator].vendor for d in (prefill, decode)}
    if len(set(makers.values())) > 1:
        both = " and ".join(f"{name} ({vendor})" for name, vendor in makers.items())
        raise BadConfig(f"the pools run on {both}, and no engine documents a transfer between vendors; use one")
    entry = catalog.engines[engine]
    name, vendor = next(iter(makers.items()))
    if vendor not in entry.vendors:
        raise BadConfig(f"{entry.name} does not run on {name} ({vendor}); use {_engines(decode, catalog)}")


def _require_kv_dtype(prefill: Deployment, decode: Deployment, catalog: Catalog) -> None:
    if len({(d.engine, d.precision, d.date, d.settings.kv_dtype) for d in (prefill, decode)}) == 1:
        return  # what the default follows from
    before, after = (settings_in_force(d, catalog).kv_dtype for d in (prefill, decode))
    if before != after:
        raise BadConfig(
            f"the prefill pool has a KV cache in {before} and the decode pool one in {after}; a cache keeps its type "
            "when it moves, so set one kv_dtype for both"
        )


def _engines(decode: Deployment, catalog: Catalog) -> str:
    """Engines that serve from separate pools on the decode workers' accelerator."""
    vendor = catalog.accelerators[decode.accelerator].vendor
    return ", ".join(key for key, e in catalog.engines.items() if disaggregation_of(key) and vendor in e.vendors)
