"""The notebooks of the docs run from top to bottom in Jupyter's own nbconvert."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import paretoken

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs(notebook, tmp_path):
    source = str(Path(paretoken.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "nbconvert", "--execute", "--to", "notebook", "--output-dir", str(tmp_path), notebook],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": source, "IPYTHONDIR": str(tmp_path / "ipython")},
    )
    assert done.returncode == 0, done.stderr
    cells = json.loads((tmp_path / notebook.name).read_text(encoding="utf-8"))["cells"]
    for cell in (c for c in cells if c["cell_type"] == "code"):
        kinds = {kind for output in cell["outputs"] for kind in output.get("data", {})}
        assert ("image/png" in kinds) == (".plot()" in "".join(cell["source"])), cell["source"]
        assert not any(output.get("name") == "stderr" for output in cell["outputs"]), cell["outputs"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_no_output_is_kept_in_a_notebook(notebook):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
