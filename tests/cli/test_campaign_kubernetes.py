"""`campaign run --kubernetes` on the command line: printed manifests, and mistakes in one sentence."""

from __future__ import annotations

import pytest
import yaml

from tests.campaign.kubernetes.test_manifests import ON_CLUSTER, check


@pytest.fixture
def file(tmp_path):
    (tmp_path / "c.toml").write_text(ON_CLUSTER)
    return "c.toml"


def test_printed_manifests_are_valid_and_nothing_is_written(call, file, tmp_path):
    code, out, err = call(f"campaign run {file} --kubernetes --print")
    assert (code, err) == (0, "")
    documents = list(yaml.safe_load_all(out))
    check(documents)
    assert {d["kind"] for d in documents} == {"Job", "Service"}
    assert [p.name for p in tmp_path.iterdir()] == ["c.toml"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ("--slurm --kubernetes", "runs with --slurm or with --kubernetes; give one of them"),
        ("--print", "--print shows the manifests of --kubernetes; add --kubernetes"),
    ],
)
def test_mistakes_are_one_sentence(call, file, options, match):
    code, _, err = call(f"campaign run {file} {options}")
    assert code == 2 and match in err and err.count("\n") == 1


def test_without_a_cluster_no_folder_is_left(call, file, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = call(f"campaign run {file} --kubernetes --out out")
    assert code == 2 and "kubectl is not on the PATH" in err and not (tmp_path / "out").exists()
