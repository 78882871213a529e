"""The quantisation of a checkpoint: bytes of each part of the model, in the terms of each tool."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from paretoken.catalog.entries import Checkpoint
from paretoken.catalog.hf.fields import Fields, Keys, strings
from paretoken.catalog.hf.formats import (
    DTYPES,
    FP8_BLOCK,
    Format,
    algorithm_format,
    dtype_format,
    scheme_format,
    single_format,
)
from paretoken.catalog.hf.modules import ModuleSet, modules
from paretoken.catalog.hf.shapes import Shapes
from paretoken.catalog.names import Precision
from paretoken.errors import BadConfig, quoted

KvDtype = Literal["bf16", "fp8", "fp4"]
LEAVE_OUT = (
    "modules_to_not_convert",
    "ignore",
    "exclude_modules",
    "exclude",
    "ignored_layers",
    "llm_int8_skip_modules",
)
"""Keys that list the modules which are not quantised."""
_GATED_FFN = ("gate_proj", "up_proj", "down_proj")
_UNGATED_FFN = ("up_proj", "down_proj")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """`precision` is that of the experts, or of a dense model's FFNs; `dense` that of what is not an expert."""

    precision: Precision
    dense: Precision
    checkpoint: Checkpoint
    kv_dtype: KvDtype | None
    quantized: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The format of most modules, of those that `out` lists, and of the groups of others."""

    default: Format
    plain: Format
    out: ModuleSet
    groups: tuple[tuple[ModuleSet, Format], ...] = ()
    experts: Format | None = None

    def format_of(self, module: str) -> Format:
        for members, of in self.groups:
            if module in members:
                return of
        if module in self.out:
            return self.plain
        return self.experts if self.experts and ".experts." in module else self.default


@dataclass(slots=True)
class _Tally:
    """Weights and bytes of one part, by precision."""

    bytes: float = 0.0
    weights: dict[Precision, float] = field(default_factory=dict)

    def add(self, of: Format, weights: float) -> None:
        self.bytes += of.bytes * weights
        self.weights[of.precision] = self.weights.get(of.precision, 0.0) + weights

    @property
    def total(self) -> float:
        return sum(self.weights.values())


def read_quantization(f: Fields, beside: Keys | None, shapes: Shapes) -> Quantization:
    """The quantisation of each part by a config's quantization_config, or the hf_quant_config.json `beside` it."""
    q = {**(beside or {}), **f.object("quantization_config", "compression_config")}
    plain = dtype_format(f)
    if isinstance(inner := q.get("quantization"), dict):
        q |= inner
    if q and (expert_dtype := f.get("expert_dtype")) is not None:
        q["expert_dtype"] = expert_dtype
    fields = Fields(q, f"{f.where}: quantization_config", assumed=f.assumed)
    rules = _rules(fields, plain) if q else Rules(default=plain, plain=plain, out=modules(())[0])
    parts: dict[str, _Tally] = {name: _Tally() for name in ("attention", "dense", "experts")}
    for part, module, weights in _modules_of(shapes):
        parts[part].add(rules.format_of(module), weights)
    return _summary(parts, rules, shapes, _kv_dtype(fields), quantized=bool(q))


def _summary(
    parts: Mapping[str, _Tally], rules: Rules, shapes: Shapes, kv_dtype: KvDtype | None, *, quantized: bool
) -> Quantization:
    head_of = next((of for members, of in rules.groups if "lm_head" in members), rules.plain)
    head = head_of.bytes if shapes.tied else (head_of.bytes + rules.plain.bytes) / 2
    each = {name: t.bytes / t.total if t.total else rules.plain.bytes for name, t in parts.items()}
    rest: dict[Precision, float] = {}
    for name in ("attention", "dense"):
        for precision, weights in parts[name].weights.items():
            rest[precision] = rest.get(precision, 0.0) + weights
    dense = max(rest, key=lambda p: rest[p], default=rules.plain.precision)
    main = parts["experts"].weights or parts["dense"].weights or rest
    precision = max(main, key=lambda p: main[p], default=dense)
    return Quantization(
        precision=precision,
        dense=dense,
        checkpoint=Checkpoint(attention=each["attention"], dense=each["dense"], experts=each["experts"], head=head),
        kv_dtype=kv_dtype,
        quantized=quantized,
    )


def _modules_of(s: Shapes) -> Iterator[tuple[str, str, float]]:
    """Part, name and weights of every module of the layers; of the experts only the first of each layer."""
    moe, width = s.moe, s.ffns.width
    latent = (moe.latent_size if moe else None) or s.hidden
    for layer in s.layout.layers:
        mixer = s.recurrent.name if s.recurrent and layer.mixer == "recurrent" else "self_attn"
        for name, weights in s.mixers[layer.mixer].items():
            if weights:
                yield "attention", f"layers.{layer.mixer_index}.{mixer}.{name}", weights
        mlp = f"layers.{layer.ffn_index}.mlp"
        routed = f"layers.{layer.ffn_index}.experts" if s.ffns.beside else f"{mlp}.experts"
        shared = mlp if s.ffns.beside else f"{mlp}.shared_experts"
        for name in _GATED_FFN if s.ffns.matrices == 3 else _UNGATED_FFN:
            if layer.ffn == "dense" and width:
                yield "dense", f"{mlp}.{name}", float(s.hidden * width)
            if layer.ffn == "moe" and moe:
                yield "experts", f"{routed}.0.{name}", float(moe.experts * latent * moe.expert_intermediate_size)
                if s.ffns.shared_width:
                    yield "dense", f"{shared}.{name}", float(s.hidden * s.ffns.shared_width)


def _rules(q: Fields, plain: Format) -> Rules:
    """The rules of a quantization_config; BadConfig for numbers that no tool has."""
    method, algorithm = q.word("quant_method"), str(q.get("quant_algo") or "")
    if method not in ("fp8", "mxfp4", "fbgemm_fp8") and (algorithm or q.keys.get("config_groups")):
        method = "modelopt" if algorithm else "compressed-tensors"
    out = _listed(q, (name for key in LEAVE_OUT for name in strings(q.items(key) or [])))
    if layers := q.table("quantized_layers"):
        base = FP8_BLOCK if method == "fp8" else plain
        return Rules(default=base, plain=plain, out=_listed(q, ()), groups=_by_algorithm(q, layers))
    if algorithm.upper() == "MIXED_PRECISION":
        raise BadConfig(
            f"{q.where}: quant_algo is MIXED_PRECISION, but quantized_layers does not list its layers; add it"
        )
    if algorithm and method == "modelopt":
        return Rules(default=algorithm_format(algorithm, q.where), plain=plain, out=out)
    if groups := q.table("config_groups"):
        return _grouped(q, groups, plain, out)
    if method == "quark":
        return _quark(q, plain, out)
    expert = q.word("expert_dtype")
    return Rules(
        default=single_format(q, method, plain), plain=plain, out=out, experts=DTYPES.get(expert) if expert else None
    )


def _grouped(q: Fields, groups: Keys, plain: Format, out: ModuleSet) -> Rules:
    """Groups of compressed-tensors: one for all linear layers, or several with targets of their own."""
    formats: list[tuple[list[str], Format]] = []
    for group in groups.values():
        weights = group.get("weights") if isinstance(group, dict) else None
        if isinstance(group, dict) and isinstance(weights, dict):
            targets = group.get("targets")
            formats.append((strings(targets) if isinstance(targets, list) else [], scheme_format(q, weights)))
    if not formats:
        q.assume("config_groups quantise no weights")
        return Rules(default=plain, plain=plain, out=out)
    general = [of for targets, of in formats if not targets or "Linear" in targets]
    special = tuple((_listed(q, targets), of) for targets, of in formats if targets and "Linear" not in targets)
    return Rules(default=general[0] if general else plain, plain=plain, out=out, groups=special)


def _quark(q: Fields, plain: Format, out: ModuleSet) -> Rules:
    """AMD Quark: a global configuration, and others by the names of layers."""
    default = _quark_format(q, q.table("global_quant_config"), plain)
    layers = q.table("layer_quant_config")
    groups = tuple(
        (_listed(q, [name]), _quark_format(q, config, plain))
        for name, config in layers.items()
        if isinstance(config, dict)
    )
    return Rules(default=default, plain=plain, out=out, groups=groups)


def _quark_format(q: Fields, config: Keys, plain: Format) -> Format:
    weight = config.get("weight")
    if isinstance(weight, list) and weight:
        weight = weight[0]
    if not isinstance(weight, dict):
        return plain
    word = str(weight.get("dtype") or "").lower()
    if word not in DTYPES:
        q.assume(f"weights that Quark keeps in {quoted(word)} are not quantised")
    return DTYPES.get(word, plain)


def _by_algorithm(q: Fields, layers: Keys) -> tuple[tuple[ModuleSet, Format], ...]:
    """The layers of mixed checkpoints, by their format."""
    names: dict[Format, list[str]] = {}
    for name, config in layers.items():
        algorithm = config.get("quant_algo") if isinstance(config, dict) else None
        if algorithm:
            names.setdefault(algorithm_format(algorithm, q.where), []).append(name)
    return tuple((_listed(q, members), of) for of, members in names.items())


def _listed(q: Fields, names: Iterable[str]) -> ModuleSet:
    members, unusable = modules(names)
    for pattern in unusable[:3]:
        q.assume(f"the pattern {quoted(pattern)} of modules that are not quantised matches none")
    return members


def _kv_dtype(q: Fields) -> KvDtype | None:
    """The type that the checkpoint asks the KV cache to have."""
    algorithm, scheme = str(q.get("kv_cache_quant_algo") or ""), q.get("kv_cache_scheme")
    if isinstance(scheme, dict):
        return "fp8" if scheme.get("num_bits") == 8 and scheme.get("type") == "float" else None
    word = (algorithm or (scheme if isinstance(scheme, str) else "")).upper()
    export = q.table("export")
    if "FP8" in word or q.items("kv_cache_group") or export.get("kv_cache_group"):
        return "fp8"
    return "fp4" if "FP4" in word else None
