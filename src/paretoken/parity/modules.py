"""Names of a tree's test modules, followed through imports among them; read from syntax trees alone."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from paretoken.parity.tree import Tree

_FURTHEST = 6


@dataclass(frozen=True, slots=True)
class _Names:
    """What a module binds at its top: the one expression of each name, its functions, and what it imports."""

    values: dict[str, ast.expr | None] = field(default_factory=dict)
    functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)


class Modules:
    """The modules of a tree by their path. A name bound twice, or under a condition, has no one value."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._names: dict[str, _Names] = {}

    def open(self, path: str) -> ast.Module | None:
        """The syntax tree of a file whose names are about to be asked for; None where it cannot be parsed."""
        module = self.tree.module(path)
        self._names[path] = self._read(path, module)
        return module

    def close(self, path: str) -> None:
        """Forget a file: thousands of syntax trees kept would cost more in garbage collection than in parsing."""
        del self._names[path]

    def value(self, path: str, name: str) -> tuple[str, ast.expr] | None:
        """The module and the expression that a name refers to; None if that is not one expression."""
        binding = self._binding(path, name)
        if binding is None:
            return None
        home, own = binding
        node = self.names(home).values.get(own)
        return (home, node) if node is not None else None

    def function(self, path: str, name: str) -> tuple[str, ast.FunctionDef | ast.AsyncFunctionDef] | None:
        """The module and the definition of a function of the tests."""
        binding = self._binding(path, name)
        if binding is None or binding[1] not in self.names(binding[0]).functions:
            return None
        return binding[0], self.names(binding[0]).functions[binding[1]]

    def names(self, path: str) -> _Names:
        if path not in self._names:
            self._names[path] = self._read(path, self.tree.module(path))
        return self._names[path]

    def _binding(self, path: str, name: str) -> tuple[str, str] | None:
        """Where a name is bound, through at most a few imports."""
        for _ in range(_FURTHEST):
            names = self.names(path)
            if name in names.values or name in names.functions:
                return path, name
            if name not in names.imports:
                return None
            path, name = names.imports[name]
        return None

    def _read(self, path: str, module: ast.Module | None) -> _Names:
        names = _Names()
        for node in module.body if module else []:
            self._bind(node, path, names, sure=True)
        return names

    def _bind(self, node: ast.stmt, path: str, names: _Names, *, sure: bool) -> None:
        match node:
            case ast.Assign():
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        _set(names, target.id, node.value if sure else None)
            case ast.AnnAssign(target=ast.Name(id=name)):
                _set(names, name, node.value if sure else None)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                names.functions[node.name] = node
            case ast.ImportFrom():
                home = self._home(path, node)
                for alias in node.names if home else ():
                    names.imports[alias.asname or alias.name] = (home, alias.name)
            case ast.If() | ast.Try() | ast.With():
                for inner in _inner(node):
                    self._bind(inner, path, names, sure=False)

    def _home(self, path: str, node: ast.ImportFrom) -> str:
        """The file that an import names, if it is one of the tree."""
        parts = path.split("/")[: -node.level] if node.level else []
        dotted = [*parts, *((node.module or "").split(".") if node.module else [])]
        roots = [dotted] if node.level else [dotted, [path.split("/")[0], *dotted]]
        for whole in roots:
            for file in (f"{'/'.join(whole)}.py", f"{'/'.join(whole)}/__init__.py"):
                if self.tree.has(file):
                    return file
        return ""


def _set(names: _Names, name: str, value: ast.expr | None) -> None:
    names.values[name] = None if name in names.values else value


def _inner(node: ast.If | ast.Try | ast.With) -> list[ast.stmt]:
    if isinstance(node, ast.Try):
        return [*node.body, *node.orelse, *node.finalbody, *(s for h in node.handlers for s in h.body)]
    return [*node.body, *(node.orelse if isinstance(node, ast.If) else [])]
