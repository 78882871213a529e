"""A `paretoken.toml` that came with a folder runs no code, sends and writes nothing, and weakens no check."""

from __future__ import annotations

from pathlib import Path

import pytest
import rich_click as click

from paretoken.cli import option_keys
from paretoken.cli.config_files import ConfigFile, files_in_force
from paretoken.cli.default_values import mistakes, of_file
from paretoken.cli.main import paretoken
from paretoken.cli.project_keys import FLAGS, TEXTS, may_be_of_project, names_place

EVERY = [
    (words, key, option)
    for words, command in option_keys.commands(paretoken)
    for key, option in option_keys.options_of(command).items()
]
RUNS_CODE = (
    "env",
    "image",
    "volume",
    "container",
    "extra",
    "path",
    "serve-command",
    "nodes",
    "ray",
    "slurm",
    "lm-eval",
)
SENDS = (
    "url",
    "metrics",
    "otel",
    "metrics-port",
    "mlflow",
    "header",
    "api-key-file",
    "query",
    "extra-body",
    "reference",
    "against:accuracy",
    "host",
)
WRITES = ("out", "junit", "plot", "log", "into", "keep", "resume", "run")
WEAKENS = ("insecure", "cafile", "force", "yes", "same-model", "set", "dialect", "realtime", "measure-here", "sha256")


@pytest.mark.parametrize("name", [*RUNS_CODE, *SENDS, *WRITES, *WEAKENS])
def test_a_dangerous_key_is_refused_in_every_verb_that_has_it(name):
    key, _, verb = name.partition(":")
    having = [(words, option) for words, other, option in EVERY if other == key and verb in ("", words[0])]
    assert having
    assert not [words for words, option in having if may_be_of_project(option)]


def test_no_option_that_takes_a_file_or_folder_is_allowed():
    """By what the type makes of a word, whatever its key is."""
    context = click.Context(paretoken)
    for words, key, option in EVERY:
        if may_be_of_project(option) and not option.is_flag:
            try:
                value = option.type.convert("file.html", option, context)
            except Exception:  # a type that takes no such word takes no file
                continue
            assert not isinstance(value, Path), (words, key)
            assert (option.metavar or "") not in ("FILE", "DIR", "FILE|URL", "PATH", "RUN"), (words, key)


def test_what_is_listed_exists_and_what_projects_set_is_allowed():
    keys = {key for _, key, _ in EVERY}
    assert keys >= TEXTS | FLAGS
    for wanted in ("model", "precision", "accelerator", "isl", "osl", "slo", "price", "concurrency", "until", "tp"):
        assert all(may_be_of_project(option) for _, key, option in EVERY if key == wanted), wanted


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("empirical:/etc/passwd", True),
        ("@file", True),
        ("/etc/passwd", True),
        ("../x", True),
        ("~/x", True),
        ("http://evil.example", True),
        (["1024", "file:///x"], True),
        ("meta-llama/Llama-3.3-70B", False),
        ("lognormal:800:0.5", False),
        ("3x@14:00/30m", False),
        (1024, False),
    ],
)
def test_a_text_that_names_a_place(value, place):
    assert names_place(value) == place


PLANTED = [
    ("launch vllm llama-3-70b", '[launch]\nenv = ["LD_PRELOAD=./x.so"]\n', "[launch] env"),
    ("launch vllm llama-3-70b", '[launch]\nimage = "evil/image"\n', "[launch] image"),
    ("launch vllm llama-3-70b", "[launch]\ncontainer = true\n", "[launch] container"),
    ("plan --model llama-3-70b", '[plan]\nmetrics = "http://127.0.0.1:9"\n', "[plan] metrics"),
    ("accuracy probe", '[accuracy.probe]\nurl = "http://127.0.0.1:9"\n', "[accuracy.probe] url"),
    ("bench http://127.0.0.1:9", '[bench]\nheader = ["X-Q: $AWS_SECRET_ACCESS_KEY"]\n', "[bench] header"),
    ("bench http://127.0.0.1:9", '[defaults]\nheader = ["X-R: @victim.txt"]\n', "[defaults] header"),
    ("bench http://127.0.0.1:9", '[bench]\nisl = "empirical:victim.txt"\n', "[bench] isl = 'empirical:victim.txt'"),
    ("bench https://127.0.0.1:9", "[bench]\ninsecure = true\n", "[bench] insecure"),
    ("quick https://127.0.0.1:9", '[quick]\ncafile = "ca.pem"\n', "[quick] cafile"),
    ("check a b", '[check]\njunit = "victim.txt"\n', "[check] junit"),
    ("bench http://127.0.0.1:9", "[bench]\nnodes = 2\n", "[bench] nodes"),
    ("predict --model llama-3-70b", '[predict]\nserve_command = "@victim.txt"\n', "[predict] serve_command"),
]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-secret")
    (tmp_path / "home" / "paretoken").mkdir(parents=True)
    (tmp_path / "victim.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("line", "text", "place"), PLANTED)
def test_the_project_s_file_is_refused_in_one_sentence(call, home, line, text, place):
    (home / "paretoken.toml").write_text(text)
    code, out, err = call(line)
    own = home / "home" / "paretoken" / "config.toml"
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert err.startswith(f"error: configuration file paretoken.toml, line 2, {place}")
    assert f"may not stand in paretoken.toml, for a folder may come from others; put it into {own} or into" in err
    assert "with --config" in err and "planted-secret" not in err
    assert (home / "victim.txt").read_text() == "mine"


@pytest.mark.parametrize(("text", "place"), [(text, place) for _, text, place in PLANTED])
@pytest.mark.parametrize("own", [True, False], ids=["own file", "--config"])
def test_the_user_s_own_file_and_a_named_one_may_state_it(home, text, place, own):
    file = home / "home" / "paretoken" / "config.toml" if own else home / "paretoken.toml"
    file.write_text(text)
    words = tuple(place[1:].partition("]")[0].split(".")) if "defaults" not in place else ("bench",)
    command = dict(option_keys.commands(paretoken))[words]
    (read,) = files_in_force(None if own else Path("paretoken.toml"))
    assert [origin.key for _, origin in of_file(read, words, command, paretoken).values()] == [place.split()[1]]


@pytest.mark.parametrize("where", ["own", "option", "variable"])
def test_what_the_user_chose_takes_effect(call, home, monkeypatch, where):
    file = home / "home" / "paretoken" / "config.toml" if where == "own" else home / "paretoken.toml"
    file.write_text('[launch]\nenv = ["A=planted"]\n')
    line = "launch vllm llama-3-70b --accelerator H200 --print shell"
    if where == "variable":
        assert call(line)[0] == 2
        monkeypatch.setenv("PARETOKEN_CONFIG", "paretoken.toml")
    code, out, err = call(f"{line} --config paretoken.toml" if where == "option" else line)
    assert code == 0, err
    assert "A=planted" in out


def test_doctor_says_where_to_put_a_refused_key(home):
    (home / "paretoken.toml").write_text('[bench]\nheader = ["X-Q: $AWS_SECRET_ACCESS_KEY"]\nuntil = "60s"\n')
    (text,) = mistakes(ConfigFile.read(Path("paretoken.toml"), of_project=True), paretoken)
    assert "line 2, [bench] header may not stand in" in text and "config.toml or into a file that you name" in text
