"""The GitHub Action, the GitLab template and the workflow: the platforms' schemas, and their scripts on real runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs

import pytest
import yaml

from paretoken.cli.compare.check_view import MARK
from tests.support.runs import ladder, slower

ROOT = Path(__file__).parents[2]
ACTION = ROOT / "deploy" / "github" / "action.yml"
GITLAB = ROOT / "deploy" / "gitlab" / "check.yml"
EXAMPLES = ROOT / "docs" / "regression.md"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A folder with runs `same`, `slow` and their baseline `a run`."""
    folder = tmp_path_factory.mktemp("runs")
    ladder(folder / "a run", (8,), seed=0)
    ladder(folder / "same", (8,), seed=1)
    slower(folder / "slow", (8,))
    return folder


@pytest.fixture
def tools(tmp_path) -> Path:
    """A folder with a `paretoken` command, as an installation puts on the PATH."""
    place = tmp_path / "bin"
    place.mkdir()
    command = place / "paretoken"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m paretoken "$@"\n')
    command.chmod(0o755)
    return place


def valid(schema: str, *files: Path) -> None:
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_action_and_the_workflows_have_the_schemas_of_github(tmp_path):
    valid("vendor.github-actions", ACTION)
    valid("vendor.github-workflows", *WORKFLOWS)


@pytest.mark.slow
def test_the_template_has_the_schema_of_gitlab(tmp_path):
    head, job = yaml.safe_load_all(GITLAB.read_text())
    for name, part in (("head", head), ("job", job)):
        (tmp_path / f"{name}.json").write_text(json.dumps(part))
        valid("vendor.gitlab-ci", tmp_path / f"{name}.json")


@pytest.mark.parametrize("file", [ACTION, *WORKFLOWS, EXAMPLES], ids=lambda file: file.name)
def test_actions_of_others_are_pinned_by_commit(file):
    uses = re.findall(r"uses: (?!OWNER)(\S+)(.*)", file.read_text())
    assert uses and all(re.search(r"@[0-9a-f]{40}$", action) and "# v" in rest for action, rest in uses)


def test_no_input_is_part_of_a_script():
    steps = yaml.safe_load(ACTION.read_text())["runs"]["steps"]
    scripts = [step.get("run") or step["with"].get("script", "") for step in steps]
    assert any(scripts) and not any("${{" in script for script in scripts)
    _, job = yaml.safe_load_all(GITLAB.read_text())
    (body,) = job.values()
    assert not any("$[[" in line for line in (*body["script"], *body["before_script"]))


def check_step(runs: Path, tools: Path, new: str, tmp_path: Path) -> tuple[int, dict[str, str], str]:
    """The step `check` of the action as its runner starts it: (exit code, outputs, step summary)."""
    (step,) = (s for s in yaml.safe_load(ACTION.read_text())["runs"]["steps"] if s.get("id") == "check")
    output, shown = tmp_path / "output", tmp_path / "shown.md"
    environment = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_OUTPUT": str(output),
        "GITHUB_STEP_SUMMARY": str(shown),
        "RUNS": f"{new}\n",
        "BASELINES": f"{runs / 'a run'}\n",
        "AT": "auto",
        "ALLOW": "2%",
    }
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(words, env={**os.environ, **environment}, capture_output=True, text=True, cwd=tmp_path)
    outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
    return done.returncode, outputs, shown.read_text() if shown.exists() else ""


@pytest.mark.slow
@pytest.mark.parametrize(("new", "regressed"), [("same", "false"), ("slow", "true")])
def test_the_action_checks_and_shows_the_verdict(runs, tools, tmp_path, new, regressed):
    code, outputs, shown = check_step(runs, tools, str(runs / new), tmp_path)
    assert (code, outputs["regressed"]) == (0, regressed)
    assert shown.startswith(MARK) and ("REGRESSION" in shown) == (regressed == "true")
    assert Path(outputs["summary"]).read_text() == shown
    assert (tmp_path / "paretoken-check" / "junit.xml").exists()


@pytest.mark.slow
def test_the_action_fails_where_nothing_can_be_compared(runs, tools, tmp_path):
    """A name is never an option or a command."""
    code, outputs, shown = check_step(runs, tools, "--help $(touch pwned)", tmp_path)
    assert (code, outputs, shown) == (2, {"code": "2"}, "") and not (tmp_path / "pwned").exists()


class Notes(BaseHTTPRequestHandler):
    """The notes of one merge request, as GitLab's API keeps them."""

    notes: list[dict[str, object]]

    def _answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> str:
        assert self.headers["PRIVATE-TOKEN"] == "secret"
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]

    def do_GET(self):
        place, _, query = self.path.partition("?")
        assert place == "/projects/7/merge_requests/3/notes"
        size, page = (int(parse_qs(query)[name][0]) for name in ("per_page", "page"))
        self._answer(self.notes[size * (page - 1) : size * page])

    def do_POST(self):
        self.notes.append({"id": len(self.notes) + 1, "body": self._body()})
        self._answer(self.notes[-1])

    def do_PUT(self):
        self.notes[int(self.path.rsplit("/", 1)[1]) - 1]["body"] = self._body()
        self._answer({})

    def log_message(self, *words):
        pass


@pytest.mark.slow
def test_the_gitlab_job_leaves_reports_and_one_comment(runs, tools, tmp_path):
    _, job = yaml.safe_load_all(GITLAB.read_text())
    (body,) = job.values()
    venv = tmp_path / ".paretoken-venv" / "bin"
    venv.mkdir(parents=True)
    (venv / "paretoken").symlink_to(tools / "paretoken")
    (venv / "python").symlink_to(sys.executable)
    notes = type("OneMergeRequest", (Notes,), {"notes": [{"id": n, "body": "a review"} for n in range(1, 151)]})
    server = ThreadingHTTPServer(("127.0.0.1", 0), notes)
    Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        "CHECK_RUN": str(runs / "slow"),
        "CHECK_BASELINE": str(runs / "a run"),
        "CHECK_AT": "auto",
        "CHECK_ALLOW": "2%",
        "CI_API_V4_URL": f"http://127.0.0.1:{server.server_port}",
        "CI_PROJECT_ID": "7",
        "CI_MERGE_REQUEST_IID": "3",
        "PARETOKEN_NOTE_TOKEN": "secret",
    }
    try:
        for _ in range(2):
            done = subprocess.run(
                ["bash", "-eo", "pipefail", "-c", "\n".join(body["script"])],
                env={**os.environ, **environment},
                capture_output=True,
                text=True,
                cwd=tmp_path,
            )
            assert done.returncode == 1, done.stderr
    finally:
        server.shutdown()
        server.server_close()
    assert [n["body"].splitlines()[0] for n in notes.notes] == ["a review"] * 150 + [MARK]
    assert "could not be written" not in done.stdout
    for file in (body["artifacts"]["reports"]["junit"], body["artifacts"]["reports"]["codequality"], "check.md"):
        assert (tmp_path / file).stat().st_size
