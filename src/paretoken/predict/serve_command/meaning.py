"""What the parameters of a server mean for a deployment."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

from paretoken.catalog.names import PRECISIONS, precision_id, precision_of
from paretoken.errors import BadConfig, shown
from paretoken.predict.memory import BLOCK_TOKENS
from paretoken.predict.serve_command.flags import CommandFlags, require_set
from paretoken.predict.settings import MAX_COUNT
from paretoken.predict.speculation import SPECULATIVE

Stated = int | float | str | bool
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([kKmM]?)")
_SIZES = {"": 1, "k": 1000, "K": 1024, "m": 1_000_000, "M": 1 << 20}
"""Suffixes of counts, as vLLM reads them."""
_SPECULATION = {
    "nextn": "mtp",
    "standalone": "draft_model",
    "model": "draft_model",
    "drafttarget": "draft_model",
    "dflash": "dspark",
}
_SHARED_LIMITS = ("sglang",)
"""Engines that share the limits on sequences and on tokens of a step among the ranks of attention DP."""
_AT_LEAST_ONE = ("max_num_seqs", "max_batched_tokens", "max_model_len", "kv_tokens", "kv_blocks")
_ROLES = {"kv_producer": "prefill", "kv_consumer": "decode"}
"""Roles in vLLM's --kv-transfer-config that leave decode or prefill to another server."""
_ONE_POOL = re.compile(rf"(?:{'|'.join(_ROLES)})\b")
_NO_TRANSFER = ("", "none")


@dataclass(slots=True)
class _Parameters:
    """The parameters of a command with their values as numbers or words."""

    command: CommandFlags

    def text(self, name: str) -> str:
        return require_set(self.command.parameters.get(name, ""), name.replace("_", " "))

    def on(self, name: str) -> bool:
        return self.text(name).lower() == "true"

    def flag(self, name: str) -> str:
        """The flag of a parameter as the command writes it."""
        return self.command.spellings.get(name, name)

    def count(self, name: str, default: int = 1) -> int:
        """A number of something, 1k and 1K included; the default where it is left to the engine (auto, -1).

        BadConfig for a value below 1, except for a parameter outside `_AT_LEAST_ONE` whose default is 0.
        """
        text = self.text(name)
        if text in ("", "auto", "-1", "None", "null"):
            return default
        if not (number := _SIZE.fullmatch(text)) or (value := float(number[1]) * _SIZES[number[2]]) != int(value):
            if re.fullmatch(r"-\d+", text):
                raise BadConfig(f"{self.flag(name)} in the serve command is {shown(text)}; it must be at least 1")
            raise BadConfig(f"{self.flag(name)} in the serve command is {shown(text)!r}, which is not a whole number")
        if value < 1 and (default or name in _AT_LEAST_ONE):
            raise BadConfig(f"{self.flag(name)} in the serve command is {shown(text)}; it must be at least 1")
        if value > MAX_COUNT:
            raise BadConfig(f"{self.flag(name)} in the serve command is {shown(text)}, above {MAX_COUNT:,}; lower it")
        return int(value)

    def share(self, name: str) -> float:
        """A share of the memory."""
        text, error = self.text(name), None
        try:
            value = float(text)
        except ValueError as e:
            value, error = nan, e
        if not 0 < value <= 1:
            raise BadConfig(
                f"{self.flag(name)} in the serve command is {shown(text)}; it must be a number above 0, at most 1"
            ) from error
        return value

    def keys(self, name: str) -> dict[str, object]:
        """The keys of a JSON value, and those that dotted flags set."""
        text = self.text(name)
        try:
            value = json.loads(text) if text else {}
        except ValueError as e:
            raise BadConfig(f"{name} in the serve command is not valid JSON: {shown(text)!r}; check its quotes") from e
        if not isinstance(value, dict):
            raise BadConfig(f"{name} in the serve command is {shown(text)!r}; it must be a JSON object")
        return value | self.command.keys.get(name, {})


def stated_fields(engine: str, command: CommandFlags, *, moe: bool | None) -> dict[str, Stated]:
    """The fields of a deployment that a command states or implies, by the names in `request.FIELDS`.

    `moe` is None for a model that the catalog does not have.
    """
    p = _Parameters(command)
    fields: dict[str, Stated] = {"engine": engine, "model": require_set(command.model, "the model")}
    if precision := _precision(p, command.model):
        fields["precision"] = precision
    fields |= _LAYOUTS[engine](p, moe)
    if speculative := _speculative(engine, p):
        fields |= {"speculative": speculative, **_drafts(engine, speculative, p)}
    ranks = int(fields.pop("ranks", 1))
    return fields | _settings(p, ranks if engine in _SHARED_LIMITS else 1)


def pool_of(command: CommandFlags) -> str:
    """The pool whose worker a command starts, prefill or decode; "" for a whole server."""
    if (pool := _Parameters(command).text("pool")) in _ROLES.values():
        return pool
    role = next(filter(None, map(_ONE_POOL.search, command.not_modelled)), None)
    return _ROLES[role[0]] if role else ""


def worker_kind_of(fields: Mapping[str, Stated]) -> str:
    """How the server of these fields shares the model, in short: TP8, TEP8, DP4, DEP32."""
    tp = int(fields["tp"])
    ep = int(fields.get("ep", 1)) > 1
    kind = ("DEP" if ep else "DP") if fields.get("dp_attention") else ("TEP" if ep else "TP")
    return f"{kind}{fields.get('gpus', tp * int(fields.get('pp', 1)))}"


def notices(command: CommandFlags) -> list[str]:
    """Sentences on flags whose effect is not predicted."""
    p, lines = _Parameters(command), []
    if command.not_modelled:
        flags = ", ".join(command.not_modelled).replace("\ue000", "")
        lines.append(f"the serve command has flags whose effect is not predicted: {flags}")
    if p.text("chunked_prefill") == "false":
        lines.append("the serve command turns chunked prefill off; prefill is predicted in chunks")
    if p.count("draft_topk") > 1:
        lines.append("the serve command drafts a tree of tokens; predicted as a chain of as many tokens")
    return lines


def _precision(p: _Parameters, model: str) -> str | None:
    """The precision that the flags or the model's name state."""
    method, of_name = p.text("quantization"), precision_of(model)
    if method.lower() == "modelopt" and of_name:  # the tool of FP8 and FP4 checkpoints
        return of_name
    if (named := precision_id(method)) in PRECISIONS:
        return named
    return "fp32" if p.text("dtype") in ("float32", "float") else of_name


def _vllm(p: _Parameters, moe: bool | None) -> dict[str, Stated]:
    """Each of the `dp` ranks has `tp` GPUs; all of them share the experts of an MoE model."""
    prefill_cp = p.count("prefill_cp")
    tp, pp, dp, cp = p.count("tp") * prefill_cp, p.count("pp"), p.count("dp"), p.count("decode_cp")
    fields = _shape(tp, pp, tp * pp * dp, dp if moe is not False else 1)
    if p.on("ep") and moe is not False and tp * dp > 1:
        fields["ep"] = tp * dp
    if max(cp, prefill_cp) > 1:
        fields["context_parallel"] = max(cp, prefill_cp)
    redundant = p.keys("eplb").get("num_redundant_experts", p.text("redundant_experts"))
    return fields | ({"redundant_experts": int(str(redundant))} if str(redundant).isdecimal() else {})


def _sglang(p: _Parameters, moe: bool | None) -> dict[str, Stated]:
    """`tp` GPUs in total: `dp` groups with attention DP. Without it, `dp` servers of `tp` GPUs share one port."""
    tp, pp, dp, attention_dp = p.count("tp"), p.count("pp"), p.count("dp"), p.count("attention_dp")
    ranks = max(dp if p.on("dp_attention") else 1, attention_dp)
    if tp % ranks:
        raise BadConfig(f"the serve command splits tp {tp} into {ranks} attention groups; use a divisor of {tp}")
    if ranks > 1:
        fields = _shape(tp // ranks, pp, tp * pp, ranks)
    elif dp > 1 and moe:
        raise BadConfig(
            f"the serve command starts {dp} replicas of an MoE model; leave out --dp-size and predict one of them "
            f"with the load divided by {dp}"
        )
    else:
        fields = _shape(tp, pp, tp * pp * dp, 1)
    ep = tp if p.text("a2a").lower() not in _NO_TRANSFER else p.count("ep")
    if ep > 1 and moe is not False:
        fields["ep"] = ep
    return fields | _waits_and_copies(p)


def _trtllm(p: _Parameters, moe: bool | None) -> dict[str, Stated]:
    """`tp` GPUs in each stage; with attention DP each of them has requests of its own."""
    tp, pp, cp, ep = p.count("tp"), p.count("pp"), p.count("prefill_cp"), p.count("ep")
    fields = _shape(1 if p.on("dp_attention") else tp * cp, pp, tp * cp * pp, tp if p.on("dp_attention") else 1)
    if ep > 1 and moe is not False:
        fields["ep"] = ep
    return fields | _waits_and_copies(p)


_LAYOUTS = {"vllm": _vllm, "sglang": _sglang, "trtllm": _trtllm}
ENGINES = tuple(_LAYOUTS)
"""Engines whose commands can be read."""


def _shape(tp: int, pp: int, gpus: int, ranks: int) -> dict[str, Stated]:
    """GPUs in attention groups; groups of one GPU are written as the whole stage, as published runs write them."""
    stage = gpus // pp
    fields: dict[str, Stated] = {"tp": stage if ranks > 1 and tp == 1 else tp, "ranks": ranks}
    if pp > 1:
        fields["pp"] = pp
    if gpus != tp * pp:
        fields["gpus"] = gpus
    return fields | ({"dp_attention": True} if ranks > 1 else {})


def _waits_and_copies(p: _Parameters) -> dict[str, Stated]:
    """Context parallelism, redundant experts, and the steps that requests wait."""
    cp, redundant = max(p.count("prefill_cp"), p.count("decode_cp")), p.count("redundant_experts", 0)
    fields: dict[str, Stated] = {"context_parallel": cp} if cp > 1 else {}
    waits = {name: p.count(name, 0) for name in ("receive_interval", "batch_wait")}
    return fields | {name: n for name, n in {"redundant_experts": redundant, **waits}.items() if n}


def _speculative_keys(p: _Parameters) -> dict[str, object]:
    text = p.text("speculative")
    return p.keys("speculative") if text.startswith("{") or "speculative" in p.command.keys else {}


def _speculative(engine: str, p: _Parameters) -> str | None:
    """Our word for the kind of speculative decoding; BadConfig for a kind without one."""
    keys = _speculative_keys(p)
    draft = str(keys.get("model") or p.text("draft_model"))
    method = str(keys.get("method") or ("" if keys else p.text("speculative"))).lower().replace("-", "_")
    if method in ("", "none") and draft in ("", "[ngram]"):
        return "ngram" if draft else "mtp" if keys else None
    if method in ("", "none"):
        method = next((name for name in ("eagle3", "eagle", "medusa") if name in draft.lower()), "draft_model")
    if engine == "sglang" and method == "eagle" and not draft:
        method = "mtp"  # SGLang drafts with the model's own layers
    kind = "mtp" if method.endswith("_mtp") else _SPECULATION.get(method, method)
    if kind not in SPECULATIVE:
        raise BadConfig(
            f"the serve command drafts by {shown(method)!r}, which is not predicted; leave it out, or set --speculative"
        )
    return kind


def _drafts(engine: str, method: str, p: _Parameters) -> dict[str, Stated]:
    """Tokens drafted a step, the engine's synthetic acceptance length, and the draft model's path."""
    keys = _speculative_keys(p)
    drafts: dict[str, Stated] = {}
    if tokens := _tokens(engine, p, keys):
        drafts["speculative_tokens"] = tokens
    if isinstance(length := keys.get("synthetic_acceptance_length"), int | float):
        drafts["acceptance_length"] = float(length)
    if method == "draft_model" and (path := str(keys.get("model") or p.text("draft_model"))):
        drafts["draft_model"] = path
    return drafts


def _tokens(engine: str, p: _Parameters, keys: Mapping[str, object]) -> int:
    """Tokens drafted a step, 0 where the command leaves them to the engine.

    SGLang drafts as many as its steps in a chain, and in a tree all that it verifies but one.
    """
    if engine != "sglang":
        stated = str(keys.get("num_speculative_tokens", "")) or p.text("draft_tokens") or p.text("draft_length")
        return int(stated) if stated.isdecimal() and len(stated) < 7 else 0
    verified = max(p.count("draft_tokens", 0) - 1, 0)
    steps = p.count("draft_steps", 0)
    return (steps or verified) if p.count("draft_topk") == 1 else (verified or steps)


def _settings(p: _Parameters, shared: int) -> dict[str, Stated]:
    """Settings of one rank; `shared` ranks divide the limits that the command states."""
    fields, sequences = dict[str, Stated](), p.count("max_num_seqs", 0)
    if (kv_dtype := p.text("kv_dtype")) and kv_dtype.lower() != "auto":
        fields["kv_dtype"] = kv_dtype
    if p.text("gpu_memory"):
        fields["memory_utilization"] = p.share("gpu_memory")
    counts: Mapping[str, int] = {
        "max_num_seqs": sequences // shared or min(sequences, 1),
        "max_batched_tokens": p.count("max_batched_tokens", 0) // shared,
        "max_model_len": p.count("max_model_len", 0),
        "kv_tokens": p.count("kv_tokens", 0) or p.count("kv_blocks", 0) * p.count("kv_block_size", BLOCK_TOKENS),
    }
    fields |= {name: value for name, value in counts.items() if value}
    switches = {"enforce_eager": "eager", "two_batch_overlap": "two_batch_overlap"}
    return fields | {name: True for name, parameter in switches.items() if p.on(parameter)}
