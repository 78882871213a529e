"""The page's modules: their own tests in Node, and how they become one script."""

from __future__ import annotations

import subprocess
from pathlib import Path

import playwright
import pytest

from paretoken.report.modules import joined

NODE = Path(playwright.__file__).parent / "driver" / "node"
MODULES = Path(__file__).parent / "modules"


def test_the_modules_pass_their_own_tests() -> None:
    """Node's test runner over tests/report/modules; Node is the one that Playwright carries."""
    files = sorted(str(path) for path in MODULES.glob("*.test.mjs"))
    run = subprocess.run([NODE, "--test", *files], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "# pass 0" not in run.stdout


def write(folder: Path, **modules: str) -> None:
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text, encoding="utf-8")


def run_in_node(script: str) -> str:
    run = subprocess.run([NODE, "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_modules_keep_their_own_names_and_run_once_in_the_order_of_imports(tmp_path: Path) -> None:
    write(
        tmp_path,
        main='import { twice as double, own } from "./b.js";\nimport { count } from "./c.js";\n'
        "const local = 3;\nconsole.log(double(local), own, count());\n",
        b='import { count } from "./c.js";\nconst local = 2;\nexport const own = local;\n'
        "export function twice(x) {\n  count();\n  return local * x;\n}\n",
        c="let n = 0;\nexport const count = () => ++n;\n",
    )
    assert run_in_node(joined(tmp_path, "main.js")) == "6 2 2"


def test_a_cycle_of_imports_is_refused(tmp_path: Path) -> None:
    write(tmp_path, a='import { b } from "./b.js";\n', b='import { a } from "./a.js";\n')
    with pytest.raises(ValueError, match=r"a.js → b.js → a.js"):
        joined(tmp_path, "a.js")


@pytest.mark.parametrize("page", ["study", "run", "plan"])
def test_every_page_uses_only_forms_that_the_joiner_reads(page: str) -> None:
    """No other import or export than those of `modules.py` is left in the joined script."""
    from paretoken.report.page import ASSETS

    script = joined(ASSETS, f"{page}/main.js")
    assert not [line for line in script.splitlines() if line.startswith(("import ", "export "))]
