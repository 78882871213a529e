"""Skip conditions in three values: an expression is known for a vendor, or UNKNOWN. Nothing is run.

The facts are those that hold for every data-centre GPU of a vendor; what depends on the GPU, on a package or on a
variable of the environment stays UNKNOWN.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from paretoken.parity.modules import Modules
from paretoken.parity.rows import AMD, NVIDIA


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


class _Something:
    """A value known only to be true and not None."""

    def __bool__(self) -> bool:
        return True


Value: TypeAlias = Any
"""A value of the project's own Python expressions: a constant, a tuple, UNKNOWN or SOMETHING."""
UNKNOWN = _Unknown()
SOMETHING = _Something()
DEEPEST = 12

_BOTH = {
    "is_cuda_alike": True,
    "is_cpu": False,
    "is_tpu": False,
    "is_xpu": False,
    "is_hpu": False,
    "is_neuron": False,
    "is_npu": False,
    "is_out_of_tree": False,
    "is_musa": False,
    "is_mps": False,
    "is_zen_cpu": False,
    "torch.cuda.is_available": True,
    "torch.accelerator.is_available": True,
    "torch.xpu.is_available": False,
    "torch.backends.mps.is_available": False,
}
_CALLS: Mapping[str, Mapping[str, Value]] = {
    NVIDIA: {
        **_BOTH,
        "is_cuda": True,
        "is_rocm": False,
        "is_hip": False,
        "on_gfx9": False,
        "on_gfx90a": False,
        "on_gfx942": False,
        "on_gfx950": False,
        "on_mi3xx": False,
        "on_mi250": False,
        "on_gfx1x": False,
        "on_gfx11": False,
        "on_gfx12x": False,
        "on_gfx1250": False,
        "on_cdna": False,
        "on_cdna4": False,
        "is_aiter_found": False,
        "is_aiter_found_and_supported": False,
        "is_fp8_fnuz": False,
    },
    AMD: {
        **_BOTH,
        "is_cuda": False,
        "is_rocm": True,
        "is_hip": True,
        "on_cdna": True,
        "on_gfx9": True,
        "on_gfx1x": False,
        "on_gfx11": False,
        "on_gfx12x": False,
        "on_gfx1250": False,
        "is_deep_gemm_supported": False,
    },
}
_ATTRIBUTES: Mapping[str, Mapping[str, Value]] = {
    NVIDIA: {"torch.version.hip": None, "torch.version.cuda": SOMETHING},
    AMD: {"torch.version.hip": SOMETHING, "torch.version.cuda": None},
}
_PLATFORM_NAMES = {NVIDIA: "cuda", AMD: "rocm"}
# gfx90a, gfx942 and gfx950 report themselves as 9.0, 9.4 and 9.5.
_CDNA_LOWEST, _CDNA_HIGHEST = 90, 95

_COMPARES: Mapping[type[ast.cmpop], Callable[[Value, Value], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Where names of an expression are looked up: the module, and the arguments of a function."""

    vendor: str
    modules: Modules
    module: str
    local: Mapping[str, Value] = field(default_factory=dict)
    depth: int = 0


def truth(node: ast.expr, scope: Scope) -> bool | None:
    """Whether the expression is true for the vendor; None where that cannot be known."""
    value = evaluate(node, scope)
    return None if value is UNKNOWN else bool(value)


def evaluate(node: ast.expr, scope: Scope) -> Value:
    """The value of an expression for the vendor, or UNKNOWN."""
    if scope.depth > DEEPEST:
        return UNKNOWN
    match node:
        case ast.Constant():
            return node.value
        case ast.UnaryOp(op=ast.Not()):
            operand = truth(node.operand, scope)
            return UNKNOWN if operand is None else not operand
        case ast.BoolOp():
            return _bool_op(node, scope)
        case ast.Compare():
            return _compare(node, scope)
        case ast.Call():
            return _call(node, scope)
        case ast.Name():
            return _name(node.id, scope)
        case ast.Attribute():
            return _attribute(node, scope)
        case ast.IfExp():
            chosen = truth(node.test, scope)
            return UNKNOWN if chosen is None else evaluate(node.body if chosen else node.orelse, scope)
        case ast.List() | ast.Tuple() | ast.Set():
            values = [evaluate(e, scope) for e in node.elts]
            return UNKNOWN if UNKNOWN in values else tuple(values)
    return UNKNOWN


def _bool_op(node: ast.BoolOp, scope: Scope) -> Value:
    """`and` is false as soon as one part is, `or` true; an unknown part leaves the rest open."""
    decides = isinstance(node.op, ast.Or)
    parts = [truth(v, scope) for v in node.values]
    if decides in parts:
        return decides
    return UNKNOWN if None in parts else not decides


def _compare(node: ast.Compare, scope: Scope) -> Value:
    if len(node.ops) != 1:
        return UNKNOWN
    left, right = evaluate(node.left, scope), evaluate(node.comparators[0], scope)
    if UNKNOWN in (left, right):
        return UNKNOWN
    is_none = isinstance(node.ops[0], ast.Is | ast.IsNot | ast.Eq | ast.NotEq) and None in (left, right)
    if SOMETHING in (left, right) and not is_none:
        return UNKNOWN
    try:
        return _COMPARES[type(node.ops[0])](left, right)
    except TypeError:
        return UNKNOWN


def dotted(node: ast.expr) -> str:
    """`a.b.c` of an attribute chain; empty for any other expression."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed([*parts, node.id])) if isinstance(node, ast.Name) else ""


def _call(node: ast.Call, scope: Scope) -> Value:
    name = dotted(node.func)
    last = name.rpartition(".")[2]
    if name == "bool" and len(node.args) == 1:
        argument = truth(node.args[0], scope)
        return UNKNOWN if argument is None else argument
    if "capability" in last and scope.vendor == AMD:
        return _capability(last, node, scope)
    facts = _CALLS[scope.vendor]
    for fact in (name, last, last.removeprefix("_")):
        if fact in facts:
            return facts[fact]
    return _inlined(node, last, scope) if name and "." not in name else UNKNOWN


def _capability(name: str, node: ast.Call, scope: Scope) -> Value:
    """What vLLM's checks of compute capability return on AMD's data-centre GPUs."""
    wanted = evaluate(node.args[0], scope) if node.args else UNKNOWN
    if isinstance(wanted, tuple) and len(wanted) == 2 and all(isinstance(a, int) for a in wanted):
        wanted = wanted[0] * 10 + wanted[1]
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        return UNKNOWN
    if wanted > _CDNA_HIGHEST:
        return False
    return True if name.endswith("has_device_capability") and wanted <= _CDNA_LOWEST else UNKNOWN


def _name(name: str, scope: Scope) -> Value:
    if name in scope.local:
        return scope.local[name]
    bound = scope.modules.value(scope.module, name)
    if bound is None:
        return UNKNOWN
    module, node = bound
    return evaluate(node, Scope(scope.vendor, scope.modules, module, depth=scope.depth + 1))


def _attribute(node: ast.Attribute, scope: Scope) -> Value:
    name = dotted(node)
    if name in _ATTRIBUTES[scope.vendor]:
        return _ATTRIBUTES[scope.vendor][name]
    if name == "sys.platform":
        return "linux"
    if name.endswith("platform.device_name"):
        return _PLATFORM_NAMES[scope.vendor]
    return "cuda" if name.endswith("platform.device_type") else UNKNOWN


def _inlined(node: ast.Call, name: str, scope: Scope) -> Value:
    """The value of a function of the tests that only returns an expression."""
    bound = scope.modules.function(scope.module, name)
    if bound is None:
        return UNKNOWN
    module, function = bound
    body = [s for s in function.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    body = [s for s in body if not isinstance(s, ast.Import | ast.ImportFrom)]
    if len(body) != 1 or not isinstance(body[0], ast.Return) or body[0].value is None or node.keywords:
        return UNKNOWN
    names = [a.arg for a in function.args.args]
    arguments = dict(zip(names, (evaluate(a, scope) for a in node.args), strict=False))
    inner = Scope(scope.vendor, scope.modules, module, {**dict.fromkeys(names, UNKNOWN), **arguments}, scope.depth + 1)
    return evaluate(body[0].value, inner)
