"""SGLang: registrations, the lists before them, trees that hold both, and suites that only workflows name."""

from __future__ import annotations

import pytest

from paretoken.errors import BadTree
from paretoken.parity.measure import measure_coverage
from paretoken.parity.readers.workflows import event_trigger, suite_runs
from paretoken.parity.scan import scan
from paretoken.parity.tree import Tree
from tests.support.trees import DATE, IN_WORKFLOWS, OLD_SGLANG, SGLANG, SGLANG_WORKFLOWS, write_tree

LISTS_RUN = {
    ".github/workflows/pr-test.yml": """
on: [pull_request]
jobs:
  unit:
    steps:
      - run: cd test/srt && python3 run_suite.py --suite per-commit-1-gpu
      - run: cd test/srt && python3 run_suite.py --suite dependency_test
  amd:
    steps:
      - run: cd test/srt && python3 run_suite.py --suite per-commit-amd
""",
}


def test_sglang_registrations(tmp_path):
    found = scan("sglang", write_tree(tmp_path, SGLANG), date="2026-08-20")
    rows = {(r.key.rpartition("/")[2], r.vendor): r for r in found.rows}
    both = rows["test_both.py", "nvidia"]
    assert (both.trigger, both.est_s, both.gpu_model, both.gpus) == ("gate", 30.0, "H100", 1)
    assert rows["test_night.py", "nvidia"].trigger == rows["test_night.py", "amd"].trigger == "nightly"
    assert rows["test_night.py", "nvidia"].gpus == 8
    assert rows["test_extra.py", "nvidia"].trigger == "optin"
    assert rows["test_extra.py", "amd"].disabled_reason == "flaky, see #1"
    assert rows["test_dead.py", "amd"].trigger == "unknown"
    assert found.snapshot.layout == "registered"
    assert found.snapshot.notes == (
        "0 NVIDIA and 1 AMD steps are in suites that nothing runs as far as the tree shows",
    )
    total = measure_coverage(found)[-1]
    assert (total.files_nvidia, total.files_amd, total.files_both) == (4, 2, 2)
    assert (total.gate_files_nvidia, total.gate_files_both) == (2, 1)


def test_sglang_before_registrations(tmp_path):
    found = scan("sglang", write_tree(tmp_path, OLD_SGLANG), date="2025-09-01")
    total = measure_coverage(found)[-1]
    assert (total.files_nvidia, total.files_amd, total.files_both) == (3, 1, 1)
    assert (total.gate, total.disabled) == (0.5, (("amd", "per-commit-amd", "Disabled, see #7701"),))


def test_workflows_say_when_the_suites_of_the_lists_run(tmp_path):
    lists = OLD_SGLANG["test/srt/run_suite.py"].replace(
        '"nightly-8-gpu"', '"dependency_test": [TestFile("test_dep.py")],\n    "nightly-8-gpu"'
    )
    found = scan("sglang", write_tree(tmp_path, {"test/srt/run_suite.py": lists, **LISTS_RUN}), date="2025-05-23")
    triggers = {(r.label, r.vendor): r.trigger for r in found.rows if r.live}
    assert triggers["dependency_test", "nvidia"] == "gate"
    assert triggers["nightly-8-gpu", "nvidia"] == "unknown"
    total = measure_coverage(found)[-1]
    assert (total.gate_steps_paired, total.gate_steps_nvidia, total.steps_nvidia_unknown) == (1, 3, 1)


def test_a_list_of_what_is_not_in_ci_is_off(tmp_path):
    lists = 'suites = {"per-commit": [TestFile("a.py")], "__not_in_ci__": [TestFile("b.py")]}\n'
    found = scan("sglang", write_tree(tmp_path, {"test/srt/run_suite.py": lists}), date=DATE)
    total = measure_coverage(found)[-1]
    assert (total.files_nvidia, total.disabled) == (1, (("nvidia", "__not_in_ci__", "listed as not in CI"),))


def test_a_tree_in_the_middle_of_a_move_is_read_in_both_layouts(tmp_path):
    apart = [scan("sglang", write_tree(tmp_path / n, t), date=DATE) for n, t in (("a", SGLANG), ("b", OLD_SGLANG))]
    both = scan("sglang", write_tree(tmp_path / "both", SGLANG | OLD_SGLANG), date=DATE)
    assert [s.snapshot.layout for s in (*apart, both)] == ["registered", "suites", "registered+suites"]
    assert set(both.rows) == set(apart[0].rows) | set(apart[1].rows)
    assert both.snapshot.notes[0] == (
        "two layouts: 4 NVIDIA and 3 AMD steps in registrations, 3 NVIDIA and 1 AMD steps in test/srt/run_suite.py"
    )
    counts = [measure_coverage(s)[-1] for s in (*apart, both)]
    assert counts[2].gate_steps_nvidia == counts[0].gate_steps_nvidia + counts[1].gate_steps_nvidia == 4
    assert counts[2].gate_steps_paired == 2


def test_empty_lists_are_no_second_layout(tmp_path):
    lists = {"test/srt/run_suite.py": 'suites = {"__not_in_ci__": []}\nsuite_xeon = {"per-commit-cpu": ["a.py"]}\n'}
    found = scan("sglang", write_tree(tmp_path, SGLANG | lists), date=DATE)
    assert found.snapshot.layout == "registered"
    assert not any("two layouts" in n for n in found.snapshot.notes)
    assert "cpu" in {r.vendor for r in found.rows}


def test_registrations_beside_the_kernels_count(tmp_path):
    kernel = "python/sglang/jit_kernel/tests/test_norm.py"
    text = 'register_cuda_ci(est_time=9, stage="base-b", runner_config="1-gpu-large")\n'
    found = scan("sglang", write_tree(tmp_path, {**SGLANG, kernel: text}), date=DATE)
    row = next(r for r in found.rows if r.key == kernel)
    assert (row.trigger, row.area, row.vendor) == ("gate", "jit_kernel", "nvidia")


def test_suites_that_only_workflows_name(tmp_path):
    tests = {f"test/registered/amd/{name}": f"{call}\n" for name, (call, _) in IN_WORKFLOWS.items()}
    found = scan("sglang", write_tree(tmp_path, SGLANG | SGLANG_WORKFLOWS | tests), date=DATE)
    triggers = {r.key.rpartition("/")[2]: r.trigger for r in found.rows if r.area == "amd"}
    assert triggers == {name: trigger for name, (_, trigger) in IN_WORKFLOWS.items()}


def test_what_nothing_runs_is_counted_apart(tmp_path):
    before = measure_coverage(scan("sglang", write_tree(tmp_path / "a", SGLANG), date=DATE))[-1]
    nowhere = {f"test/registered/amd/test_{n}.py": 'register_amd_ci(5, "nowhere")\n' for n in "abc"}
    after = measure_coverage(scan("sglang", write_tree(tmp_path / "b", SGLANG | nowhere), date=DATE))[-1]
    assert after.steps_amd_unknown == before.steps_amd_unknown + 3
    assert (after.steps_amd, after.files_amd, after.amd_only) == (before.steps_amd, before.files_amd, before.amd_only)


@pytest.mark.parametrize(
    ("on", "trigger"),
    [
        ("pull_request", "gate"),
        (["push", "pull_request"], "gate"),
        ({"pull_request": None, "schedule": [{"cron": "0 0 * * 0"}]}, "gate"),
        ({"schedule": [{"cron": "0 14 */2 * *"}]}, "nightly"),
        ({"schedule": [{"cron": "0 0 * * SUN"}], "workflow_dispatch": None}, "weekly"),
        ({"schedule": [{"cron": "0 0 * * 0"}, {"cron": "0 0 * * *"}]}, "nightly"),
        ({"schedule": None}, "nightly"),
        ({"workflow_dispatch": None}, "optin"),
        ({"workflow_call": {"inputs": {}}}, ""),
        (None, ""),
    ],
)
def test_events_of_a_workflow(on, trigger):
    assert event_trigger({True: on}) == event_trigger({"on": on}) == trigger


def test_a_workflow_that_cannot_be_read_is_a_note(tmp_path):
    broken = {".github/workflows/bad.yml": "run_suite: [\n", ".github/workflows/odd.yml": "- run_suite.py --suite x\n"}
    tree = write_tree(tmp_path, SGLANG | broken)
    assert suite_runs(Tree(tree)) == ({}, [".github/workflows/bad.yml"])
    assert scan("sglang", tree, date=DATE).snapshot.notes[0].startswith("workflow .github/workflows/bad.yml cannot")


def test_registrations_of_a_newer_layout_are_refused(tmp_path):
    newer = {
        **{k: v for k, v in SGLANG.items() if "registered" not in k},
        "test/registered/test_new.py": 'register_cuda_ci(est_time=1, lane="base", machine="h100")\n',
    }
    with pytest.raises(BadTree, match="newer than this paretoken supports: new are lane, machine"):
        scan("sglang", write_tree(tmp_path, newer), date=DATE)
