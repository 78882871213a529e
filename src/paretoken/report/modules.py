"""The page's JavaScript modules as one inline script.

A page that is a file cannot load modules, so each becomes a function that returns its exports, run in the order of
the imports. The modules themselves are plain ES modules, which Node runs in tests. Of the language's forms only
`import { a, b as c } from "./file.js";` and `export` before a declaration are used. In the browser's console they are
`paretoken["study/verdict.js"]` and so on.
"""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import dirname, join, normpath

_IMPORT = re.compile(r"^import \{([^}]*)\} from \"(\.[^\"]+)\";\n", re.M)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:const|function|class) ([\w$]+))", re.M)


def joined(folder: Path, entry: str) -> str:
    """The module `entry` of a folder and all that it imports; ValueError for a cycle of imports."""
    order: dict[str, str] = {}
    _add(folder, entry, order, ())
    return "const modules = (globalThis.paretoken = {});\n" + "".join(order.values())


def _add(folder: Path, name: str, order: dict[str, str], above: tuple[str, ...]) -> None:
    if name in above:
        raise ValueError(f"modules import each other: {' → '.join((*above, name))}")
    if name in order:
        return
    text = (folder / name).read_text(encoding="utf-8")
    for match in _IMPORT.finditer(text):
        _add(folder, _target(name, match), order, (*above, name))
    order[name] = _as_function(name, text)


def _target(name: str, match: re.Match[str]) -> str:
    return normpath(join(dirname(name), match[2]))


def _as_function(name: str, text: str) -> str:
    exports = ", ".join(match[1] for match in _EXPORT.finditer(text))
    body = _IMPORT.sub(lambda m: f'const {{{m[1].replace(" as ", ": ")}}} = modules["{_target(name, m)}"];\n', text)
    return f'modules["{name}"] = await (async () => {{\n{_EXPORT.sub("", body)}return {{ {exports} }};\n}})();\n'
