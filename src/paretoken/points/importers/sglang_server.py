"""What SGLang servers say of themselves in a result file's `server_info`, as columns.

One server answers with its arguments, older ones under `server_args`; a router with a list of them; the load
balancer of disaggregated serving with lists under `prefill` and `decode`.
"""

from __future__ import annotations

from paretoken.catalog.names import PRECISIONS, precision_id
from paretoken.points.importers.reading import dig
from paretoken.points.server_config import sglang_config
from paretoken.points.values import number

ServerInfo = dict[str, object]
_QUANTISED = {
    "modelopt": "fp8",
    "modelopt_fp8": "fp8",
    "w8a8_fp8": "fp8",
    "fbgemm_fp8": "fp8",
    "modelopt_fp4": "fp4",
    "petit_nvfp4": "fp4",
    "awq_marlin": "int4",
    "gptq_marlin": "int4",
    "moe_wna16": "int4",
}
"""Precision of the weights by SGLang's word for their quantisation, beside the words that the catalog knows."""


def server_columns(info: object) -> dict[str, object]:
    """Model, version, parallelism and configuration of the server, or of both pools."""
    pools = {pool: _servers(dig(info, pool)) for pool in ("prefill", "decode")}
    if pools["prefill"] and pools["decode"]:
        return _disaggregated(pools["prefill"], pools["decode"])
    servers = _servers(info)
    if not servers:
        return {}
    server, mode = servers[0], servers[0].get("disaggregation_mode")
    columns = {**_identity(server), **_parallelism(server), **sglang_config(server)}
    if mode not in (None, "null", ""):
        return {**columns, "disaggregated": True}
    shape = {"n_gpus": _gpus(servers), "multinode": _multinode(servers)}
    if "disaggregation_mode" in server:
        shape["disaggregated"] = False
    return _stated({**columns, **shape})


def _disaggregated(prefill: list[ServerInfo], decode: list[ServerInfo]) -> dict[str, object]:
    first, last = prefill[0], decode[0]
    gpus = {"prefill": _gpus(prefill), "decode": _gpus(decode)}
    of_prefill = {f"prefill_{name}": value for name, value in _parallelism(first).items()}
    # Prompts are prefilled where there is nothing to decode, in chunks or not.
    configuration = {**sglang_config(last), "chunked_prefill": sglang_config(first).get("chunked_prefill")}
    shape = {
        "disaggregated": True,
        "prefill_workers": len(prefill),
        "decode_workers": len(decode),
        **{f"{pool}_gpus": count for pool, count in gpus.items()},
        "n_gpus": sum(gpus.values()),
    }
    return _stated({**_identity(last), **of_prefill, **_parallelism(last), **configuration, **shape})


def _servers(info: object) -> list[ServerInfo]:
    """The servers of an answer, each with its arguments at the top."""
    listed = info if isinstance(info, list) else [info]
    flat = [
        {**server, **args} if isinstance(args := server.get("server_args"), dict) else server
        for server in listed
        if isinstance(server, dict)
    ]
    return [server for server in flat if server.get("model_path")]


def _identity(server: ServerInfo) -> dict[str, object]:
    return _stated(
        {
            "model": server["model_path"],
            "engine_version": server.get("version"),
            "precision": _precision(server.get("quantization")),
        }
    )


def _precision(quantisation: object) -> str | None:
    """The precision that a quantisation means; without one the checkpoint may still be quantised by itself."""
    word = str(quantisation or "").lower()
    known = _QUANTISED.get(word, precision_id(word))
    return known if known in PRECISIONS else None


def _parallelism(server: ServerInfo) -> dict[str, object]:
    attention, tp, ep = (server.get(key) for key in ("enable_dp_attention", "tp_size", "ep_size"))
    if ep is None and server.get("enable_ep_moe") is True:  # until summer 2025, over all of tensor parallelism
        ep = tp
    return _stated({"tp": tp, "ep": ep, "dp_attention": attention if isinstance(attention, bool) else None})


def _gpus(servers: list[ServerInfo]) -> float:
    """GPUs of all servers: attention data parallelism reuses those of TP, plain data parallelism adds its own."""
    return sum(
        _size(s, "tp_size") * _size(s, "pp_size") * (1 if s.get("enable_dp_attention") else _size(s, "dp_size"))
        for s in servers
    )


def _size(server: ServerInfo, key: str) -> float:
    return number(server.get(key)) or 1.0


def _multinode(servers: list[ServerInfo]) -> bool | None:
    nodes = number(servers[0].get("nnodes"))
    return None if nodes is None or len(servers) > 1 else nodes > 1


def _stated(columns: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in columns.items() if value is not None}
