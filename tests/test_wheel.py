"""The built wheel carries its data and runs without the source tree."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(place),
        ".",
    ]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, env={**os.environ, "PIP_NO_INDEX": "1"})
    return next(place.glob("*.whl"))


def test_it_carries_every_data_file(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    wanted = {
        str(p.relative_to(source))
        for p in (source / "paretoken").rglob("*")
        if p.is_file() and p.suffix not in (".pyc",) and "__pycache__" not in p.parts
    }
    assert wanted <= held
    assert {Path(n).name for n in held} >= {"LICENSE", "ATTRIBUTION.md", "published.parquet", "accelerators.toml"}
    assert {Path(n).name for n in held} >= {p.name for p in (ROOT / "LICENSES").iterdir()}
    scripts = {
        f"paretoken/report/assets/{name}.js" for name in ("vendor/echarts", "study/main", "run/main", "plan/main")
    }
    assert scripts <= held


def test_it_runs_from_the_wheel_alone(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    line = "compare --model llama-3-70b --precision fp8 --workload chat --e2e 15"
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); sys.argv = {['paretoken', *line.split()]!r}\n"
        "import paretoken; print(paretoken.__file__)\nfrom paretoken.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(tmp_path)) and "Cheapest tokens" in done.stdout
