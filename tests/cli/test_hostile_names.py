"""Names of files and servers on the terminal: brackets are text, controls are shown, folders have any name."""

from __future__ import annotations

import http.server
import json
import os
import pty
import shutil
import sys
import threading
import unicodedata
from contextlib import contextmanager
from dataclasses import replace

import pytest
from rich.progress import Progress

from paretoken.bench.run_folder import RunFolder
from paretoken.bench.truth.server import Pace, truth_server
from paretoken.cli.measure.campaign_view import CampaignView
from paretoken.cli.output import console, echo, echo_lines, print_table, with_bold
from paretoken.cli.progress import told_on_stderr
from paretoken.predict.calibration.file import SHIPPED as SHIPPED_CALIBRATION
from paretoken.predict.calibration.file import read_calibration, shipped_calibration
from paretoken.prices.market.book import SHIPPED as SHIPPED_PRICES
from paretoken.prices.market.book import price_book, shipped_prices
from tests.support.levels import closed
from tests.support.runs import COLUMNS, METADATA, Closed, keep, ladder, proof

NASTY = "e[/b]\x1b]0;own\x07\x1b[2J\u202e\u2066\u200b[link=http://x]\nrow\r[bold]:smile:"
SHOWN = r"e[/b]\x1b]0;own\x07\x1b[2J\u202e\u2066\u200b[link=http://x]\nrow\r[bold]:smile:"
FOLDERS = ("m[/b]/run", "r[8", "a*b", "w?", "[bold]", "{x}", "esc\x1b[2J", "\u202eltr", "new\nline")


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command in an empty folder: (exit code, stdout, stderr)."""
    from paretoken.cli.main import main

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["paretoken", *map(str, arguments)])
        try:
            main()
        except SystemExit as e:
            return int(e.code or 0), *capsys.readouterr()
        return 0, *capsys.readouterr()

    return call


def obeyed(text):
    """The characters of a text that a terminal would obey, line breaks aside."""
    return [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


# The functions that print


def test_tables_titles_and_notes(capsys):
    print_table(f"\n{NASTY}", (NASTY, "n"), [(NASTY, 1.0), (None, 2.0)], NASTY)
    out = capsys.readouterr().out
    assert not obeyed(out)
    assert out.startswith("\n")
    assert out.count(SHOWN) == 4


def test_lines(capsys):
    console().print(NASTY, style="bold")
    console(stderr=True).print(with_bold(f"\n{NASTY} ", (NASTY, "bold")))
    echo(NASTY)
    echo_lines(f"one\ntwo {NASTY}", err=True)
    out, err = capsys.readouterr()
    assert not obeyed(out + err)
    assert out.count(SHOWN) == 2
    assert err.splitlines()[0] == ""
    assert "one\ntwo e[/b]" in err


def on_a_terminal(show):
    """What `show` writes to its standard error, a terminal."""
    reader, writer = pty.openpty()
    kept = os.dup(2)
    stderr = sys.stderr
    try:
        os.dup2(writer, 2)
        with os.fdopen(os.dup(writer), "w") as sys.stderr:
            show()
    finally:
        sys.stderr = stderr
        os.dup2(kept, 2)
        os.close(kept)
        os.close(writer)
    pieces = []
    with os.fdopen(reader, "rb", 0) as terminal:
        while True:
            try:
                piece = terminal.read(65536)
            except OSError:
                break
            if not piece:
                break
            pieces.append(piece)
    return b"".join(pieces).decode()


def progress_line():
    with told_on_stderr(f"reading {NASTY}") as say:
        say(NASTY)


def campaign_bar():
    view = CampaignView(bar=True)
    assert isinstance(view.progress, Progress)
    with view:
        view.task = view.progress.add_task("", total=2)
        view.progress.update(view.task, description=NASTY.replace("\x1b", "").replace("\x07", "").replace("\u202e", ""))


def test_progress_on_a_terminal():
    shown = on_a_terminal(progress_line)
    assert "]0;own\x07" not in shown
    assert "\x1b]0" not in shown
    assert "\u202e" not in shown
    assert "[/b]" in on_a_terminal(campaign_bar)


def test_a_price_book_and_a_calibration_in_any_folder(tmp_path):
    folder = tmp_path / "r[8*?"
    folder.mkdir()
    shutil.copytree(SHIPPED_PRICES.parent, folder / "prices", ignore=lambda _, names: {*names} - {SHIPPED_PRICES.name})
    shutil.copy(SHIPPED_CALIBRATION, folder / "c.parquet")
    assert price_book([folder / "prices"], shipped=False).height == shipped_prices().height
    assert read_calibration(folder / "c.parquet").effects == shipped_calibration().effects


# Commands


@pytest.fixture
def points(tmp_path):
    """A CSV of points with hostile names, and the Parquet that import makes of it."""
    rows = [
        f'measured,"{NASTY}",{gpu},8,llama-3-70b,"{NASTY}",fp8,none,false,false,1024,1024,closed,'
        f"{users},{users / tpot * 2 / 8},{tpot}"
        for gpu, faster in (("H100", 1.0), ("H200", 0.8))
        for users, tpot in ((16, 0.02 * faster), (32, 0.025 * faster), (64, 0.04 * faster))
    ]
    head = (
        "origin,source,accelerator,n_gpus,model,engine,precision,speculative,disaggregated,multinode,isl,osl,"
        "load_kind,concurrency,total_tput_per_gpu_tok_s,median_tpot_s"
    )
    (tmp_path / "points.csv").write_text("\n".join([head, *rows]) + "\n", newline="")
    return tmp_path / "points.csv"


QUESTION = ("--model", "llama-3-70b", "--precision", "fp8", "--isl", 1024, "--osl", 1024)


@pytest.mark.parametrize("folder", FOLDERS)
def test_points_in_any_folder_with_any_names(folder, run, points, tmp_path):
    (tmp_path / folder).mkdir(parents=True)
    own = f"{folder}/p.parquet"
    code, out, err = run("import", points, "--out", own)
    assert (code, obeyed(out + err)) == (0, []), err
    for verb in (
        ("frontier", *QUESTION),
        ("compare", *QUESTION, "--interactivity", 30),
        ("cost", *QUESTION),
    ):
        code, out, err = run(*verb, "--points", own, "--no-published")
        assert (code, obeyed(out + err)) == (0, []), err


def test_brackets_and_controls_are_shown_whole(run, points):
    assert run("import", points, "--out", "p.parquet")[0] == 0
    out = run("frontier", *QUESTION, "--points", "p.parquet", "--no-published")[1]
    assert "e[/b]" in out
    assert r"\x1b]0;own\x07" in out
    name = json.loads(run("frontier", *QUESTION, "--points", "p.parquet", "--no-published", "--json")[1])[0]["engine"]
    assert name.startswith("e[/b]")


def test_a_study_with_a_hostile_title(run, points, tmp_path):
    assert run("import", points, "--out", "p.parquet")[0] == 0
    title = 'title = "x[/b]\\u001B[2J\\u202E"\n'
    (tmp_path / "s.toml").write_text(
        title + 'models = ["llama-3-70b"]\nprecisions = ["fp8"]\nworkloads = ["1k/1k"]\npublished = false\n'
        'points = ["p.parquet"]\n'
    )
    code, out, err = run("study", "s.toml", "--out", "o[8", "--all")
    assert (code, obeyed(out + err)) == (0, []), err
    assert r"x[/b]\x1b[2J\u202e" in out
    assert (tmp_path / "o[8" / "costs.csv").is_file()


@pytest.mark.parametrize("folder", ["m[/b]/run", "r[8", "a*b?", "esc\x1b[2J\u202e"])
def test_runs_in_any_folder(folder, run, tmp_path):
    ladder(tmp_path / folder, (1, 4))
    for verb in ("report", "share", "check"):
        more = ("--baseline", folder) if verb == "check" else ()
        code, out, err = run(verb, folder, *more)
        assert (code, obeyed(out.replace("@\u200b", "@") + err)) == (0, []), err


def test_a_run_with_hostile_names(run, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create(replace(METADATA, notes=(NASTY,)))
    keep(
        folder,
        closed(2, 30.0),
        Closed(2),
        columns={**COLUMNS, "model": NASTY, "model_variant": NASTY, "engine": NASTY, "accelerator": NASTY},
        fidelity=proof(2),
        failed=NASTY,
    )
    for verb in ("report", "share"):
        code, out, err = run(verb, "run")
        assert (code, obeyed(out.replace("@\u200b", "@") + err)) == (0, []), err
    assert r"\x1b" in run("share", "run")[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("report", NASTY),
        ("frontier", "--model", NASTY, "--workload", "chat"),
        ("import", NASTY),
        (NASTY,),
        ("accuracy", "probe", "--url", f"http://{NASTY}"),
        ("accuracy", "probe", "--url", "http://[::1"),
        ("study", NASTY),
        ("launch", NASTY, "m"),
        ("report", "byte\udcff"),
    ],
)
def test_errors_show_what_they_quote(arguments, run):
    code, out, err = run(*arguments)
    assert code == 2
    assert not obeyed(out + err)
    err.encode()


# A server


@contextmanager
def listing(models):
    """A server that lists these models and refuses all else with words of its own."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(200, {"data": [{"id": m, "owned_by": "vllm"} for m in models]} if "models" in self.path else {})

        def do_POST(self):
            self.answer(500, {"error": {"message": NASTY}})

        def answer(self, status, body):
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


LOAD = (
    "--isl",
    8,
    "--osl",
    4,
    "--vocab-size",
    1000,
    "--prompt-unit",
    "words",
    "--concurrency",
    2,
    "--until",
    "4 requests",
)


@pytest.mark.slow
def test_models_and_errors_of_a_server(run, tmp_path):
    with listing([NASTY, "b"]) as url:
        code, out, err = run("bench", url, *LOAD, "--out", "run")
        assert (code, out, obeyed(err)) == (2, "", [])
    with listing([NASTY]) as url:
        code, out, err = run("bench", url, *LOAD, "--out", "run")
        assert not obeyed(out + err)
        assert "Traceback" not in err
    if (tmp_path / "run").exists():
        assert not obeyed(run("share", "run")[1].replace("@\u200b", "@"))


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["m[/b]/run", "r[8*?"])
def test_a_benchmark_into_any_folder(folder, run, tmp_path):
    with truth_server(Pace(ttft_ms=5, itl_ms=2), log=tmp_path / "log") as server:
        code, out, err = run("bench", server.base_url, *LOAD, "--out", folder)
    assert code == 0, err
    assert f"paretoken report {folder}" in out
    assert run("report", folder)[0] == 0
