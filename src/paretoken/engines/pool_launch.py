"""Launch lines of a disaggregated layout: the workers of both pools, and the router in front of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.catalog.recipe import Value
from paretoken.errors import BadConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWorkers:
    """The workers of one pool, which are alike: `gpus` of one worker in `pp` stages, of which `tp` share a request.

    `set` holds further parameters of the recipe by our names: kv_dtype, gpu_memory, max_num_seqs, …
    """

    accelerator: str
    gpus: int
    tp: int
    workers: int = 1
    ep: int = 1
    pp: int = 1
    dp_attention: bool = False
    set: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchStep:
    """One command to run on `host`, in the order of the list; `version` and `source` say what it was written from."""

    title: str
    host: str
    command: str
    version: str
    source: str
    note: str = ""


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
    longest: int = 0,
    catalog: Catalog | None = None,
) -> list[LaunchStep]:
    """What to run on which host to serve a model from two pools. BadConfig where the engine documents no such layout.

    `engine` is a disaggregated engine of the catalog, or a core that can be split (sglang, vllm, trtllm). Hosts are
    placeholders: PREFILL_HOST_1, DECODE_HOST_1, ROUTER_HOST. `longest` is the most tokens of a request, 0 for the
    model's context.
    """
    name = (catalog or load_catalog()).engines[engine].name
    raise BadConfig(f"{name} has no launch recipe for separate pools")
