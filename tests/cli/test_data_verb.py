"""`paretoken data`, --bundle and --as-of on the command line."""

from __future__ import annotations

import json
import shutil
from datetime import date

import pytest

from paretoken.points import bundles
from paretoken.points.as_of import last_day
from paretoken.points.files import read_points
from tests.cli.test_completion import completions
from tests.support.foreign import DATA

CHAT = "--model deepseek-r1 --precision fp8 --workload chat"


@pytest.fixture(autouse=True)
def data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("PARETOKEN_DATA", str(tmp_path / "user"))
    shutil.copy(DATA / "atom_dashboard.js", tmp_path / "data.js")
    return tmp_path / "user" / "bundles"


def test_install_list_show_verify_remove(call):
    code, out, err = call("data update data.js --name may")
    assert (code, out) == (0, "installed may: 3 rows, 2026-05-17 to 2026-05-17\n")
    assert "skipped: 1 row: is a failed run: its throughput is 0" in err
    assert call("data update data.js")[1] == "may holds this input already; nothing was installed\n"
    listed = json.loads(call("data list --json")[1])
    assert (listed[0]["name"], listed[0]["rows"], listed[0]["rows_used"]) == ("may", 3, 3)
    assert listed[-1]["name"] == "shipped" and listed[0]["licences"] == ["MIT"]
    assert "may" in call("data list")[1]
    shown = call("data show may")[1]
    assert "from: data.js" in shown and "glm-4" in shown and "first: row 4" in shown
    assert json.loads(call("data show may --json")[1])["contents"][0]["rows"] == 1
    assert [line.split()[0] for line in call("data verify")[1].splitlines()[2:]] == ["shipped", "may"]
    assert call("data remove may")[:2] == (0, "removed may\n")
    assert [b["name"] for b in json.loads(call("data list --json")[1])] == ["shipped"]


def test_a_hash_that_is_off_is_one_sentence_and_changes_nothing(call, data_folder):
    call("data update data.js --name may")
    path = data_folder / "may" / "points.parquet"
    path.write_bytes(path.read_bytes() + b"x")
    bundles._stored.cache_clear()
    damaged = path.read_bytes()
    for line in ("data verify", "data verify may", f"compare {CHAT} --e2e 15"):
        code, out, err = call(line)
        assert code == 2 and not out and err.startswith("error: bundle may: the hash") and err.count("\n") == 1
    assert path.read_bytes() == damaged
    assert call(f"compare {CHAT} --e2e 15 --bundle shipped")[0] == 0
    assert call("data remove may")[0] == 0


def test_controls_and_markup_of_a_file_do_not_reach_the_terminal(call, tmp_path):
    text = (tmp_path / "data.js").read_text().replace("gpt-oss-120b", "\\u001b[31m[bold]gpt")
    (tmp_path / "evil.js").write_text(text)
    for line in ("data update evil.js --name evil", "data show evil", "data list"):
        code, out, err = call(line)
        assert code == 0 and "\x1b" not in out + err
    assert "[bold]gpt" in call("data show evil")[1]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("data show no", "unknown bundle 'no'"),
        ("data remove shipped", "cannot be removed"),
        ("data update none.json", "does not exist"),
        ("data update data.js --sha256 12", "has the SHA-256"),
        ("data update ftp://x/y", "not an address of http or https"),
        ("data diff 2026-01-01 x", "unknown bundle, day or file 'x'"),
        (f"compare {CHAT} --e2e 15 --bundle x", "unknown bundle 'x'"),
        (f"compare {CHAT} --e2e 15 --bundle shipped --no-published", "give one of the two"),
        (f"compare {CHAT} --e2e 15 --as-of 2020-01-01", "no point is dated 2020-01-01 or earlier"),
        (f"compare {CHAT} --e2e 15 --as-of yesterday", "is not a day; write it as 2026-05-01"),
        (f"frontier {CHAT} --as-of 2030-01-01", "is in the future"),
    ],
)
def test_bad_input_is_one_sentence(call, line, says):
    code, out, err = call(line)
    assert code == 2 and says in err and not out and err.count("\n") == 1


@pytest.mark.parametrize(
    "line",
    [
        f"compare {CHAT} --e2e 15",
        f"frontier {CHAT}",
        f"cost {CHAT}",
        f"breakeven {CHAT} --accelerator MI355X --against H200 --rent 2.5",
        f"advise {CHAT} --e2e 15",
        "history --model deepseek-r1",
        "outlook --trend",
    ],
)
def test_every_verb_takes_a_day_and_a_bundle(call, line):
    code, out, _ = call(f"{line} --as-of 2026-02-15 --bundle shipped --json")
    assert code == 0 and "2026-03" not in out and json.loads(out)


def test_the_day_of_the_points_is_that_of_the_market(monkeypatch):
    from paretoken.answers.advise import AdviseQuestion
    from paretoken.answers.breakeven import BreakevenQuestion
    from paretoken.answers.market import Market
    from paretoken.catalog.loader import load_catalog

    catalog, day = load_catalog(), date(2026, 3, 1)
    asked = AdviseQuestion(model="deepseek-r1", e2e_s=15, as_of=day)
    assert Market.of(asked, catalog).at == day
    other = BreakevenQuestion(model="deepseek-r1", accelerator="B200", against="H200", as_of=day, at=date(2026, 4, 1))
    assert Market.of(other, catalog).at == date(2026, 4, 1)


def test_a_study_takes_a_day_and_names_its_bundles(call, tmp_path):
    (tmp_path / "s.toml").write_text(
        'models = ["deepseek-r1"]\nprecisions = ["fp8"]\nworkloads = ["chat"]\ne2e_s = [15.0]\n'
        "outlooks = []\ndraws = 100\n"
    )
    code, _, err = call("study s.toml --out out --as-of 2026-02-15 --json")
    assert code == 0, err
    points, _ = read_points(tmp_path / "out" / "points.parquet")
    assert points.select(last_day().max()).item() <= date(2026, 2, 15)
    written = (tmp_path / "out" / "study.toml").read_text()
    assert 'as_of = "2026-02-15"' in written and '"shipped"' in written


def test_names_of_bundles_are_completed(call):
    call("data update data.js --name atom-may")
    assert completions("compare --bundle ") == ["shipped", "atom-may"]
    assert completions("data show at") == ["atom-may"]
    assert completions("data verify sh") == ["shipped"]
