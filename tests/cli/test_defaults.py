"""Defaults of options: which of several wins, what is refused and where it stands, and what is said about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import rich_click as click

from paretoken.cli import option_keys
from paretoken.cli.config_files import ConfigFile
from paretoken.cli.default_values import mistakes
from paretoken.cli.defaults import variables_set
from paretoken.cli.main import paretoken


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Write the files by their place: the user's, the project's, or another by its name."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    user = tmp_path / "home" / "paretoken"
    user.mkdir(parents=True)
    places = {"user": user / "config.toml", "project": tmp_path / "paretoken.toml"}

    def write(**texts: str) -> None:
        for place, text in texts.items():
            places.get(place, tmp_path / f"{place}.toml").write_text(text, encoding="utf-8")

    return write


def operator_of(call, line: str = "tco --accelerator H200 --json") -> str:
    code, out, err = call(line)
    assert code == 0, err
    return json.loads(out)[0]["operator"]


ENTERPRISE, HYPERSCALER = '[tco]\noperator = "enterprise"\n', '[tco]\noperator = "hyperscaler"\n'


@pytest.mark.parametrize(
    ("given", "variable", "typed", "operator"),
    [
        ({}, None, "", "neocloud"),
        ({"user": ENTERPRISE}, None, "", "enterprise"),
        ({"user": ENTERPRISE, "project": HYPERSCALER}, None, "", "hyperscaler"),
        ({"user": ENTERPRISE, "project": '[defaults]\noperator = "hyperscaler"\n'}, None, "", "hyperscaler"),
        ({"project": '[defaults]\noperator = "enterprise"\n' + HYPERSCALER}, None, "", "hyperscaler"),
        ({"project": HYPERSCALER}, "enterprise", "", "enterprise"),
        ({"project": HYPERSCALER}, "enterprise", "--operator neocloud", "neocloud"),
        ({"project": HYPERSCALER, "other": ENTERPRISE}, None, "--config other.toml", "enterprise"),
        ({"user": HYPERSCALER, "other": "[tco]\n"}, None, "--config other.toml", "neocloud"),
        ({"user": ENTERPRISE, "project": HYPERSCALER}, None, "--no-config", "neocloud"),
    ],
)
def test_the_nearest_default_wins(call, files, monkeypatch, given, variable, typed, operator):
    files(**given)
    if variable:
        monkeypatch.setenv("PARETOKEN_TCO_OPERATOR", variable)
    assert operator_of(call, f"tco --accelerator H200 --json {typed}") == operator


@pytest.mark.parametrize("options", ["--config other.toml", "--no-config"])
def test_the_file_is_chosen_before_the_verb_too(call, files, options):
    files(project=HYPERSCALER, other=ENTERPRISE)
    expected = "neocloud" if options == "--no-config" else "enterprise"
    assert operator_of(call, f"{options} tco --accelerator H200 --json") == expected


def test_the_environment_names_a_file(call, files, monkeypatch):
    files(project=HYPERSCALER, other=ENTERPRISE)
    monkeypatch.setenv("PARETOKEN_CONFIG", "other.toml")
    assert operator_of(call) == "enterprise"


def test_what_a_default_changes_is_said_and_what_is_typed_over_it_is_not(call, files, monkeypatch):
    files(user="[defaults]\ncatalog = []\n[tco]\ntax_rate = 0.2\n", project='[tco]\noperator = "enterprise"\n')
    monkeypatch.setenv("PARETOKEN_TCO_ACCELERATOR", "H200 MI355X")
    code, out, err = call("tco --json")
    assert code == 0
    assert {row["accelerator"] for row in json.loads(out)} == {"H200", "MI355X"}
    assert err.startswith("defaults: ") and err.count("\n") == 1
    assert "--operator from paretoken.toml" in err and "--tax-rate" in err and "PARETOKEN_TCO_ACCELERATOR" in err
    _, _, err = call("tco --json --operator neocloud --accelerator H200 --tax-rate 0")
    assert "--operator" not in err and "ACCELERATOR" not in err and "--tax-rate" not in err


REFUSED = [
    ('[tco]\nopertor = "x"\n', "line 2, [tco] opertor is no option of paretoken tco; did you mean operator?"),
    ('\n[tcoo]\noperator = "x"\n', "line 2, tcoo is no verb or table; did you mean tco?"),
    ('operator = "x"\n', "line 1, operator is no verb or table"),
    ("tco = 1\n", "line 1, tco is not a table; write [tco]"),
    ('[defaults]\n\nacelerator = "H200"\n', "line 3, [defaults] acelerator is no option of any verb; did you mean acc"),
    ('[tco]\nexplain = "yes"\n', "line 2, [tco] explain = 'yes': it is a flag; write true or false"),
    ("[tco]\noperator = true\n", "line 2, [tco] operator = True: write what you would type after --operator"),
    ('[tco]\noperator = ["a", "b"]\n', "line 2, [tco] operator is a list, and --operator takes one value"),
    ('[tco]\noperator = "own"\n', "(from paretoken.toml, line 2, [tco] operator)"),
    ("[tco]\nseed = 1.5\n", "(from paretoken.toml, line 2, [tco] seed)"),
    ('[tco]\nprice = ["H200"]\n', "'H200' is not a price"),
    ('[defaults]\napi_key = "abcdefgh123"\n', "line 2, [defaults] api_key holds a secret"),
    ('[defaults]\nheader = ["Authorization: Bearer abcdefgh123"]\n', "holds a secret"),
    ("[tco]\nx = \n", "configuration file paretoken.toml is not valid TOML"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_a_mistake_in_a_file_is_one_sentence_with_its_line(call, files, text, words):
    files(project=text)
    code, out, err = call("tco --accelerator H200 --json")
    assert (code, out) == (2, "")
    assert words in err and err.startswith("error: ") and err.count("\n") == 1
    assert "abcdefgh" not in err


@pytest.mark.parametrize("place", ["user", "project", "other"])
@pytest.mark.parametrize(("verb", "key"), [("bench", "force"), ("check", "force"), ("quick", "yes")])
def test_a_confirmation_has_no_default_in_any_file(call, files, place, verb, key):
    files(**{place: f"[{verb}]\n{key} = true\n"})
    named = "--config other.toml" if place == "other" else ""
    code, _, err = call(f"{verb} http://127.0.0.1:9/v1 {named}")
    assert code == 2
    assert f"line 2, [{verb}] {key} is a confirmation; give --{key} on the command line" in err


@pytest.mark.parametrize("name", ["PARETOKEN_BENCH_FORCE", "PARETOKEN_QUICK_YES"])
def test_a_confirmation_has_no_variable(name):
    _, verb, key = name.lower().split("_")
    command = paretoken.get_command(click.Context(paretoken), verb)
    option = option_keys.options_of(command)[key]
    assert option.envvar is None
    assert (f"{name} is read by nothing") in [text for text, _ in variables_set({name: "1"}, paretoken)]


def test_a_wrong_value_in_the_environment_names_the_variable(call, monkeypatch):
    monkeypatch.setenv("PARETOKEN_TCO_SEED", "abc")
    code, _, err = call("tco")
    assert code == 2 and "the environment variable PARETOKEN_TCO_SEED" in err


def test_a_file_that_is_named_must_exist(call):
    code, _, err = call("tco --config none.toml")
    assert code == 2 and "configuration file none.toml does not exist" in err


def test_a_project_file_of_another_user_is_not_read(call, files, monkeypatch, tmp_path):
    files(project=HYPERSCALER)
    if os.getuid() == 0:
        os.chown(tmp_path / "paretoken.toml", 4_242, -1)
    else:
        monkeypatch.setattr(os, "getuid", lambda: 4_242)
    code, out, err = call("tco --accelerator H200 --json")
    assert code == 0 and json.loads(out)[0]["operator"] == "neocloud"
    assert "belongs to another user" in err


def test_subcommands_have_tables_of_their_own(call, files):
    files(project='[rent.show]\nterm = ["spot"]\n')
    code, _, err = call("rent H200")
    assert code == 0 and "--term from paretoken.toml" in err
    files(project='[rent]\nterm = ["spot"]\n')
    assert "line 2, [rent] term is no subcommand of paretoken rent" in call("rent H200")[2]


def test_a_repeatable_option_takes_one_value_or_a_list(call, files):
    for text, expected in (('"H200"', {"H200"}), ('["H200", "B200"]', {"H200", "B200"})):
        files(project=f"[tco]\naccelerator = {text}\n")
        _, out, _ = call("tco --json")
        assert {row["accelerator"] for row in json.loads(out)} == expected


def test_a_file_may_state_what_a_verb_requires(call, files):
    files(other='[compare]\nmodel = "llama-3-70b"\nprecision = "fp8"\nworkload = "chat"\ne2e = 15\n')
    code, out, _ = call("compare --config other.toml --json")
    assert code == 0 and json.loads(out)["winner"]


def test_every_option_of_every_verb_has_a_variable_of_its_own():
    every = [(words, o) for words, c in option_keys.commands(paretoken) for o in option_keys.options_of(c).values()]
    every = [(words, o) for words, o in every if not option_keys.is_confirmation(option_keys.keys_of(o)[0])]
    names = [option.envvar for _, option in every]
    assert len(names) == len(set(names)) > 300
    assert all(
        str(option.envvar).startswith("_".join(("PARETOKEN", *words)).upper().replace("-", "_"))
        for words, option in every
    )


def test_no_file_costs_no_reader_of_files():
    code = (
        "import sys\nfrom paretoken.cli.main import main\nsys.argv = ['paretoken', 'compare', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print({'yaml', 'tomllib', 'orjson'} & set(sys.modules), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "tomllib" not in run.stderr


def test_mistakes_of_every_verb_are_listed(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text("[tco]\nx = 1\n[plan]\ny = 2\n")
    texts = "\n".join(mistakes(ConfigFile.read(file), paretoken))
    assert texts.count("\n") == 1 and "[tco] x" in texts and "[plan] y" in texts


def test_completion_is_not_stopped_by_a_broken_file(files, tmp_path, monkeypatch):
    from click.shell_completion import BashComplete

    monkeypatch.chdir(tmp_path)
    files(project="[[[")
    items = BashComplete(paretoken, {}, "paretoken", "_PARETOKEN_COMPLETE").get_completions(["tco"], "--opera")
    assert [item.value for item in items] == ["--operator"]


def test_the_options_are_named_in_the_help_of_paretoken_alone(call):
    assert "--no-config" in call("--help")[1]
    assert "--no-config" not in call("tco --help")[1]
    assert isinstance(paretoken.params[-1], click.Option)


@pytest.mark.slow
def test_a_run_records_what_a_file_and_the_environment_set(call, files, monkeypatch, tmp_path):
    from paretoken.bench.truth.server import Pace, truth_server

    files(project='[bench]\nuntil = "2 requests"\nmax-error-rate = 0.25\nprompt-unit = "words"\n')
    monkeypatch.setenv("PARETOKEN_BENCH_OSL", "4")
    with truth_server(Pace(ttft_ms=2, itl_ms=1), log=tmp_path / "log") as server:
        line = f"bench {server.base_url} --model truth --isl 8 --concurrency 1 --warmup-per-user 0 --out run --json"
        code, _, err = call(line)
    assert code == 0, err
    config = json.loads((tmp_path / "run" / "run.json").read_text())["config"]
    assert (config["until"], config["max_error_rate"], config["osl"]) == ("2 requests", 0.25, "4")
    (line,) = [line for line in err.splitlines() if line.startswith("defaults: ")]
    stated = dict(part.split(" from ")[::-1] for part in line.removeprefix("defaults: ").split("; "))
    assert set(stated["paretoken.toml"].split(", ")) == {"--until", "--max-error-rate", "--prompt-unit"}
    assert "PARETOKEN_BENCH_OSL from the environment" in err


def test_a_default_counts_where_an_option_decides(call, files):
    """Of the embedded engine and of a serve command, an option that is set replaces what is found."""
    files(project="[predict]\ntp = 4\n")
    line = "predict --accelerator H200 --model llama-3-70b --isl 1024 --osl 128 --concurrency 8 --json"
    code, out, err = call(f"{line} --engine vllm --precision fp8")
    assert code == 0, err
    assert "--tp from paretoken.toml" in err and json.loads(out)


def test_a_header_may_name_where_its_value_is(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text('[bench]\nheader = ["Authorization: $KEY", "X-Key: @key.txt"]\n')
    assert mistakes(ConfigFile.read(file), paretoken) == []
