"""What an llm-d benchmark report says of the servers: accelerators, parallelism, engines, pools of prefill and decode.

Version 0.1 lists every instance of an engine; later ones list kinds of instances with their number of replicas.
A count of accelerators is that of one instance, of one worker of it where it spans several nodes, or already that of
all replicas; the parallelism tells which, and without it one replica's count is taken. With a count of 0 nothing of
the server is known, and its sizes of 1 are defaults.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from paretoken.catalog.names import PRECISIONS, precision_id
from paretoken.points.importers.reading import dig
from paretoken.points.server_config import kv_cache_dtype
from paretoken.points.values import number

_ENGINES = {"llm-d": "llm-d", "sglang": "sglang", "tensorrt": "trtllm", "trtllm": "trtllm", "vllm": "vllm"}
"""The engine by a word in the name of the tool or its image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instances:
    """Instances of one engine of the same kind; `role` is prefill, decode, or replica for both."""

    role: str
    replicas: int
    accelerator: object
    count: object
    parallelism: object
    engine: object
    version: object
    args: Mapping[str, object]

    def size(self, kind: str) -> int | None:
        """One size of the parallelism (tp, dp, pp, …), None where it is not stated, or only by default."""
        size = number(dig(self.parallelism, kind))
        return int(size) if size is not None and size >= 1 and number(self.count) != 0 else None

    @property
    def expert_parallel(self) -> int | None:
        """The stated size; a 1 beside the engine's option for expert parallelism is only the report's default."""
        size = self.size("ep")
        return (self.size("tp") or 1) * (self.size("dp") or 1) if size == 1 and _has(self.args) else size

    @property
    def dp_attention(self) -> bool | None:
        """True where the experts span data-parallel ranks, which then share no attention; else not stated."""
        return True if (self.size("dp") or 1) > 1 and (self.expert_parallel or 1) > 1 else None

    @property
    def gpus(self) -> int | None:
        """GPUs of all replicas."""
        stated = number(self.count)
        if stated is None or stated < 1:
            return None
        tensor, pipeline, data = (self.size(kind) or 1 for kind in ("tp", "pp", "dp"))
        local = self.size("dp_local") or self.size("dpLocal") or data
        spread = max(1, data // local) if stated == tensor * pipeline * local else 1
        in_all = self.size("tp") is not None and stated == self.replicas * tensor * pipeline * data
        return int(stated) if in_all else int(stated) * spread * self.replicas


def stack_columns(report: dict[str, object]) -> dict[str, object]:
    """The columns of the configuration; nothing for what the report leaves open or states in two ways."""
    instances = _listed(report) or _stack(report)
    prefill = [i for i in instances if i.role == "prefill"]
    serving = [i for i in instances if i.role != "prefill"]
    columns: dict[str, object] = {
        "model": _model(report),
        "accelerator": _one(i.accelerator for i in instances),
        "n_gpus": _sum(i.gpus for i in instances),
        "engine": _one(_engine(i.engine, i.version) for i in instances),
        "engine_version": _one(_version(i) for i in serving),
        "precision": _precision(report, serving),
        "kv_cache_dtype": _one(kv_cache_dtype(_argument(i.args, "kv-cache-dtype")) for i in serving),
        "tp": _one(i.size("tp") for i in serving),
        "ep": _one(i.expert_parallel for i in serving),
        "dp_attention": _one(i.dp_attention for i in serving),
        "multinode": True if any((i.size("workers") or 1) > 1 for i in instances) else None,
    }
    if instances:
        columns["disaggregated"] = bool(prefill and serving)
    if prefill and serving:
        columns |= {
            "prefill_tp": _one(i.size("tp") for i in prefill),
            "prefill_ep": _one(i.expert_parallel for i in prefill),
            "prefill_dp_attention": _one(i.dp_attention for i in prefill),
            "prefill_workers": sum(i.replicas for i in prefill),
            "decode_workers": sum(i.replicas for i in serving),
            "prefill_gpus": _sum(i.gpus for i in prefill),
            "decode_gpus": _sum(i.gpus for i in serving),
        }
    return columns


def _listed(report: dict[str, object]) -> list[Instances]:
    """Version 0.1: lists of accelerators, roles and engines that go together."""
    hosts, roles = dig(report, "scenario", "host", "accelerator"), dig(report, "scenario", "host", "type")
    engines = dig(report, "scenario", "platform", "engine")
    return [
        Instances(
            role=str(dig(roles, n) or "replica"),
            replicas=1,
            accelerator=dig(host, "model"),
            count=dig(host, "count"),
            parallelism=dig(host, "parallelism"),
            engine=dig(engines, n, "name"),
            version=dig(engines, n, "version"),
            args=_mapping(dig(engines, n, "args")),
        )
        for n, host in enumerate(hosts if isinstance(hosts, list) else [])
    ]


def _stack(report: dict[str, object]) -> list[Instances]:
    """Later versions: the components that are inference engines."""
    components = dig(report, "scenario", "stack")
    return [
        Instances(
            role=str(dig(engine, "role") or "replica"),
            replicas=max(1, int(number(dig(engine, "replicas")) or 1)),
            accelerator=dig(engine, "accelerator", "model"),
            count=dig(engine, "accelerator", "count"),
            parallelism=dig(engine, "accelerator", "parallelism"),
            engine=dig(engine, "tool"),
            version=dig(engine, "tool_version"),
            args=_mapping(dig(component, "native", "args")),
        )
        for component in (components if isinstance(components, list) else [])
        if dig(engine := dig(component, "standardized"), "kind") == "inference_engine"
    ]


def _model(report: dict[str, object]) -> object:
    scenario = report.get("scenario")
    stack = dig(scenario, "stack")
    of_stack = [dig(c, "standardized", "model", "name") for c in stack] if isinstance(stack, list) else []
    of_load = dig(scenario, "load", "native", "config", "server", "model_name")
    return next((n for n in (dig(scenario, "model", "name"), *of_stack, of_load) if isinstance(n, str) and n), None)


def _engine(name: object, version: object) -> str | None:
    words = f"{name or ''} {version or ''}".lower()
    return next((engine for word, engine in _ENGINES.items() if word in words), None)


def _version(instances: Instances) -> object:
    """The version, or the image that the report has for a name."""
    return instances.version or (instances.engine if ":" in str(instances.engine) else None)


def _precision(report: dict[str, object], serving: list[Instances]) -> str | None:
    """The precision of the weights, where the report or an option of the engine states one."""
    stated = dig(report, "scenario", "model", "quantization")
    options = (_argument(i.args, "quantization") for i in serving)
    words = (precision_id(str(word)) for word in (stated, *options) if word)
    return next((word for word in words if word in PRECISIONS), None)


def _argument(args: Mapping[str, object], name: str) -> object:
    return args.get(f"--{name}", args.get(name))


def _has(args: Mapping[str, object]) -> bool:
    option = "enable-expert-parallel"
    return _argument(args, option) not in (False, "false") and (option in args or f"--{option}" in args)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _one(values: Iterable[object]) -> object:
    """The value that all of them are, None where they differ or one is not stated."""
    listed = list(values)
    return listed[0] if listed and listed[0] and all(v == listed[0] for v in listed) else None


def _sum(values: Iterable[int | None]) -> int | None:
    listed = list(values)
    counts = [v for v in listed if v is not None]
    return sum(counts) if counts and len(counts) == len(listed) else None
