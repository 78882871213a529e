"""`share --mlflow`: the figures of each level, in a store of MLflow's own; a server is run by hand."""

from __future__ import annotations

import json
import sys

import pytest

from paretoken.bench.run_folder import RunFolder
from paretoken.bench.telemetry.mlflow_run import level_figures
from tests.support.runs import ladder, rates

pytestmark = pytest.mark.slow


@pytest.fixture
def store(tmp_path, monkeypatch) -> str:
    """The address of a store in files, which MLflow's small client can write by itself."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return (tmp_path / "mlruns").as_uri()


def logged(store: str, line_output: str):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=store)
    return client, client.get_run(json.loads(line_output)["run_id"])


def test_the_store_has_the_figures_of_every_level(call, tmp_path, store):
    ladder(tmp_path / "run", (1, 4, 16))
    code, out, err = call(f"share run --mlflow {store} --json")
    assert code == 0, err
    client, run = logged(store, out)
    assert run.info.status == "FINISHED" and run.info.run_name == "run"
    params = run.data.params
    assert (params["accelerator"], params["model"], params["seed"]) == ("H200", "llama-3-70b", "7")
    for level in RunFolder(tmp_path / "run").levels():
        for name, value in level_figures(level.summary).items():
            history = {m.step: m.value for m in client.get_metric_history(run.info.run_id, name)}
            assert history.get(level.summary.load.users) == (None if value is None else pytest.approx(float(value)))
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert files == {"share.md", "share.json", "points.parquet"}
    everything = " ".join(p.read_text() for p in (tmp_path / "mlruns").rglob("*") if p.suffix in (".md", ".json"))
    assert "10.0.0.7" not in everything + str(params) and "hunter2" not in everything + str(params)


def test_levels_of_an_open_loop_are_steps_by_their_number(call, tmp_path, store):
    levels = RunFolder(rates(tmp_path / "run")).levels()
    code, out, err = call(f"share run --mlflow {store} --experiment mine --json")
    assert code == 0, err
    client, run = logged(store, out)
    offered = client.get_metric_history(run.info.run_id, "offered_requests_s")
    assert sorted((m.step, m.value) for m in offered) == [
        (n, level.summary.load.rate) for n, level in enumerate(levels, 1)
    ]
    assert client.get_experiment(run.info.experiment_id).name == "mine"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--mlflow http://me:pw@127.0.0.1:9", "keep keys out of the URI"),
        ("--mlflow http://[", "is no URI"),
        ("--mlflow ftp://127.0.0.1", "--mlflow ftp://127.0.0.1"),
        ("--mlflow http://127.0.0.1:9", "MLflow at http://127.0.0.1:9: nothing answers there"),
        ("--experiment x", "--experiment needs --mlflow"),
    ],
)
def test_an_unusable_address_is_one_sentence(call, tmp_path, options, words):
    ladder(tmp_path / "run", (1,))
    code, out, err = call(f"share run {options}")
    assert code == 2 and words in err and not out and err.startswith("error: ") and err.count("\n") == 1, err


def test_a_missing_package_is_one_sentence(call, tmp_path, monkeypatch):
    ladder(tmp_path / "run", (1,))
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    code, _, err = call("share run --mlflow http://127.0.0.1:9")
    assert code == 2 and "pip install 'paretoken[mlflow]'" in err
