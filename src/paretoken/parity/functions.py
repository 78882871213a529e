"""The test functions of a file, and which of them are certainly skipped on a vendor's GPUs (level 2).

Read are marks of modules, classes and functions, `unittest` skips, conditions around definitions, and calls of
`pytest.skip` at the top of a module or of a function. Parameters, fixtures and hooks are not modelled.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from paretoken.parity.conditions import Scope, dotted, truth
from paretoken.parity.modules import Modules
from paretoken.parity.rows import AMD, NVIDIA, FileCount

# Skipped: certainly (True), certainly not (False), or not to be known (None).
Skip = bool | None
Function = ast.FunctionDef | ast.AsyncFunctionDef
Guard = tuple[ast.expr, bool]


@dataclass(frozen=True, slots=True)
class _Test:
    """A test function with every place that can skip it, outermost first."""

    function: Function
    decorators: tuple[ast.expr, ...]
    guards: tuple[Guard, ...]


def count(modules: Modules, path: str) -> FileCount:
    """The functions of one file; an unreadable file has none and is marked."""
    module = modules.open(path)
    if module is None:
        return _unreadable(path)
    try:
        tests = list(_tests(module.body, (), ()))
        skips = {v: _skips(tests, module, Scope(v, modules, path)) for v in (NVIDIA, AMD)}
    except RecursionError:
        return _unreadable(path)
    finally:
        modules.close(path)
    runs = {v: [s is not True for s in skips[v]] for v in skips}
    return FileCount(
        path=path,
        functions=len(tests),
        nvidia=sum(runs[NVIDIA]),
        amd=sum(runs[AMD]),
        both=sum(n and a for n, a in zip(runs[NVIDIA], runs[AMD], strict=True)),
        unknown_nvidia=sum(s is None for s in skips[NVIDIA]),
        unknown_amd=sum(s is None for s in skips[AMD]),
    )


def _unreadable(path: str) -> FileCount:
    return FileCount(path=path, functions=0, nvidia=0, amd=0, both=0, unknown_nvidia=0, unknown_amd=0, readable=False)


def _tests(body: list[ast.stmt], decorators: tuple[ast.expr, ...], guards: tuple[Guard, ...]) -> Iterator[_Test]:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if node.name.startswith("test"):
                yield _Test(node, (*decorators, *node.decorator_list), guards)
            case ast.ClassDef() if _is_test_class(node):
                yield from _tests(node.body, (*decorators, *node.decorator_list, *_marks(node.body)), guards)
            case ast.If():
                yield from _tests(node.body, decorators, (*guards, (node.test, True)))
                yield from _tests(node.orelse, decorators, (*guards, (node.test, False)))
            case ast.Try():
                yield from _tests(node.body, decorators, guards)


def _is_test_class(node: ast.ClassDef) -> bool:
    return node.name.startswith("Test") or any("TestCase" in dotted(b) for b in node.bases)


def _marks(body: Iterable[ast.stmt]) -> Iterator[ast.expr]:
    """The marks that `pytestmark` sets for a module or class."""
    for node in body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets):
            yield from node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]


def _skips(tests: list[_Test], module: ast.Module, scope: Scope) -> list[Skip]:
    """For each test whether it is skipped, alone or with its module."""
    whole = _or([_mark(m, scope) for m in _marks(module.body)] + [_statement(s, scope) for s in module.body])
    return [_or([whole, _skipped(t, scope)]) for t in tests]


def _or(skips: list[Skip]) -> Skip:
    return True if True in skips else None if None in skips else False


def _skipped(test: _Test, scope: Scope) -> Skip:
    skips = [_mark(m, scope) for m in test.decorators]
    skips += [_not(_same(truth(condition, scope), wanted)) for condition, wanted in test.guards]
    skips += [_statement(s, scope) for s in test.function.body]
    return _or(skips)


def _same(value: bool | None, wanted: bool) -> bool | None:
    return None if value is None else value is wanted


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _mark(node: ast.expr, scope: Scope, depth: int = 0) -> Skip:
    """Whether a decorator or mark skips."""
    call = node if isinstance(node, ast.Call) else None
    name = dotted(call.func if call else node)
    last = name.rpartition(".")[2]
    if last == "skip" and ("mark" in name or "unittest" in name):
        return True
    if last == "skipif" and call:
        return _any(call, scope)
    if name in ("unittest.skipIf", "skipIf") and call:
        return _any(call, scope, positional=1)
    if name in ("unittest.skipUnless", "skipUnless") and call:
        return _not(_any(call, scope, positional=1))
    return _named(name, scope, depth) if name and "." not in name and depth < 4 else False


def _any(call: ast.Call, scope: Scope, positional: int | None = None) -> Skip:
    conditions = [*call.args[:positional], *(k.value for k in call.keywords if k.arg == "condition")]
    values = [truth(_unquoted(c), scope) for c in conditions]
    return True if True in values else None if None in values or not values else False


def _unquoted(node: ast.expr) -> ast.expr:
    """pytest takes a condition as text as well."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return ast.parse(node.value, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return node
    return node


def _named(name: str, scope: Scope, depth: int) -> Skip:
    """A mark kept under a name, or a decorator of the tests, which is unknown where it can skip at all."""
    if bound := scope.modules.value(scope.module, name):
        home, value = bound
        return _mark(value, Scope(scope.vendor, scope.modules, home), depth + 1)
    if defined := scope.modules.function(scope.module, name):
        return None if any(_says_skip(n) for n in ast.walk(defined[1])) else False
    return False


def _says_skip(node: ast.AST) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.lower() in ("skip", "skipif", "skipunless", "skiptest")


def _statement(node: ast.stmt, scope: Scope) -> Skip:
    """Whether a statement at the top of a module or function skips it."""
    if _calls_skip(node):
        return True
    if isinstance(node, ast.If) and any(map(_calls_skip, node.body)):
        return truth(node.test, scope)
    if isinstance(node, ast.If) and any(map(_calls_skip, node.orelse)):
        return _not(truth(node.test, scope))
    return None if _imports_or_skips(node) else False


def _calls_skip(node: ast.stmt) -> bool:
    if isinstance(node, ast.Raise):
        return node.exc is not None and dotted(getattr(node.exc, "func", node.exc)).endswith("SkipTest")
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return False
    return dotted(node.value.func) in ("pytest.skip", "self.skipTest")


def _imports_or_skips(node: ast.stmt) -> bool:
    value = getattr(node, "value", None)
    return isinstance(value, ast.Call) and dotted(value.func).endswith("importorskip")
