"""Files to begin with: each is read by its verb as written, names every key, and is valid with every line in use."""

from __future__ import annotations

import re
import tomllib
from itertools import takewhile
from pathlib import Path

import pytest
import rich_click as click

from paretoken.answers.study.config import Study, load_study
from paretoken.bench.config import BenchConfig
from paretoken.campaign.config import SET_BY_MATRIX, Campaign, CampaignMatrix, RunSettings, SlurmSettings
from paretoken.campaign.load import load_campaign
from paretoken.catalog.entries import TcoSet, Tier
from paretoken.catalog.loader import load_catalog
from paretoken.cli import option_keys
from paretoken.cli.config_files import ConfigFile
from paretoken.cli.default_values import mistakes
from paretoken.cli.main import paretoken
from paretoken.cli.start.init import KINDS
from paretoken.engines.recipes import Override
from paretoken.prices.market.mapping import ColumnMapping, read_mapping
from paretoken.prices.outlook.scenario import ComingAccelerator, Scenario, ScenarioChange, Speedup, load_scenario
from paretoken.prices.owner.layers import inputs, read_set
from paretoken.prices.owner.parameters import PARAMETERS

SETTING = re.compile(r"^#(?=[^\s#])", re.MULTILINE)
FILES = {kind: f"{kind}.toml" for kind in KINDS} | {"prices": "prices/tco.toml", "config": "paretoken.toml"}
OF_RUNS = {"refused", "tokens_per_word", "tokens_per_recorded_word"}
"""What a benchmark finds out about a server by itself."""
SCHEMAS: dict[str, list[set[str]]] = {
    "study": [set(Study.model_fields)],
    "campaign": [
        set(Campaign.model_fields),
        *(set(table.model_fields) for table in (CampaignMatrix, RunSettings, SlurmSettings, Override)),
        set(BenchConfig.__dataclass_fields__) - SET_BY_MATRIX - OF_RUNS,
    ],
    "owner": [set(PARAMETERS) | {"depreciation", "name", "text"}],
    "prices": [set(TcoSet.model_fields), set(Tier.model_fields)],
    "mapping": [set(ColumnMapping.model_fields)],
    "scenario": [
        {field.alias or name for name, field in Scenario.model_fields.items()},
        *(set(table.model_fields) for table in (ComingAccelerator, ScenarioChange, Speedup)),
    ],
}


@pytest.fixture
def written(call, tmp_path):
    """Write the file of a kind; its path."""

    def write(kind: str) -> Path:
        code, out, err = call(f"init {kind}")
        assert code == 0, err
        assert out.splitlines()[0] == FILES[kind]
        return tmp_path / FILES[kind]

    return write


def in_use(path: Path) -> Path:
    """The file with the # taken off every line that is a setting."""
    path.write_text(SETTING.sub("", path.read_text()))
    return path


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_key_of_the_schema_is_there_with_its_meaning(written, kind):
    text = written(kind).read_text()
    for keys in SCHEMAS[kind]:
        for key in keys:
            stands = re.search(rf"^#?(\[+[\w.-]*)?{key}\b|^#   {key} = ", text, re.MULTILINE)
            assert stands, f"{kind} lacks {key}"
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"#?( {3})?[\w-]+ = ", line):
            above = list(takewhile(re.compile(r"# \S").match, reversed(lines[:number])))
            assert above and not above[-1].startswith("# Default"), f"no meaning above {line!r}"
    assert max(map(len, (line for line in lines if re.match(r"# \S", line)))) <= 90


def test_a_study_as_written_is_the_default_one(written):
    assert load_study(written("study")) == Study()


def test_a_study_with_every_line(written):
    study = load_study(in_use(written("study")))
    assert study.model_fields_set == set(Study.model_fields)


def test_a_campaign_as_written_has_the_defaults_of_all_it_does_not_set(written):
    campaign = load_campaign(written("campaign"))
    assert (campaign.run, campaign.slurm, campaign.bench) == (RunSettings(), SlurmSettings(), {})
    assert campaign.matrix.engine and campaign.matrix.concurrency and not campaign.matrix.rate


def test_a_campaign_with_every_line(written):
    campaign = load_campaign(in_use(written("campaign")))
    assert campaign.run.climb and campaign.override and campaign.engines and len(campaign.bench) > 20


def test_a_campaign_can_be_planned(written, call):
    written("campaign")
    code, out, err = call("campaign run campaign.toml --dry-run")
    assert code == 0, err
    assert "llama-3-70b" in out


def test_an_owner_s_file_changes_nothing_as_written_and_with_every_line(written):
    catalog, path = load_catalog(), written("owner")
    shipped = inputs(catalog, "H200", "neocloud")
    assert inputs(catalog, "H200", "neocloud", [read_set(path)]).values == shipped.values
    own = inputs(catalog, "H200", "neocloud", [read_set(in_use(path))]).values
    assert own == pytest.approx(shipped.values | {"gpus_per_rack": 72}, rel=1e-4)


def test_prices_are_a_set_of_the_catalog(written):
    path = written("prices")
    assert load_catalog(path.parent).tco["our-prices"].tiers["contract"].usd_per_gpu_h["MI355X"] == 2.6
    assert load_catalog(in_use(path).parent).tco["our-prices"].kw_per_gpu


def test_a_mapping(written):
    path = written("mapping")
    assert read_mapping(path) == ColumnMapping()
    assert read_mapping(in_use(path)).model_fields_set == set(ColumnMapping.model_fields)


def test_a_scenario(written):
    path = written("scenario")
    assert load_scenario(path).interactivity == 40
    scenario = load_scenario(in_use(path))
    assert scenario.coming and scenario.change and scenario.speedup


@pytest.mark.parametrize("kind", ["plan", "bench", "config"])
def test_a_file_of_options_states_only_what_is_not_commented(written, kind):
    file = ConfigFile.read(written(kind))
    assert mistakes(file, paretoken) == []
    assert set(file.tables) == (set() if kind == "config" else {kind})


@pytest.mark.parametrize("verb", ["plan", "bench"])
def test_every_option_of_a_verb_is_in_its_file_and_is_taken(written, verb):
    command = paretoken.get_command(click.Context(paretoken), verb)
    keys = [key for key in option_keys.options_of(command) if not option_keys.is_confirmation(key)]
    path = written(verb)
    text = path.read_text()
    assert all(re.search(rf"^(#|#   )?{key} = ", text, re.MULTILINE) for key in keys)
    path = in_use(path)
    assert set(tomllib.loads(path.read_text())[verb]) <= set(keys)
    context = command.make_context(verb, ["--config", str(path)])
    stated = {
        o.name for key, o in option_keys.options_of(command).items() if key in tomllib.loads(path.read_text())[verb]
    }
    assert stated <= set(context.default_map)


def test_every_built_in_default_of_a_file_of_options_is_the_option_s(written):
    """With every line in use, an option with a built-in default keeps it."""
    for verb in ("plan", "bench"):
        command = paretoken.get_command(click.Context(paretoken), verb)
        base = command.make_context(verb, ["--no-config", "--model", "m", "--slo", "ttft=1s"])
        full = command.make_context(verb, ["--config", str(in_use(written(verb))), "--model", "m", "--slo", "ttft=1s"])
        set_by_file = {"rate", "isl", "osl", "day_curve", "precisions", "concurrency"}
        for name, value in base.params.items():
            if value not in (None, (), "", "unknown", [], {}) and name not in set_by_file:
                assert full.params[name] == value, (verb, name)


def test_all_of_the_shared_defaults_may_be_used(written):
    path = in_use(written("config"))
    assert mistakes(ConfigFile.read(path, of_project=True), paretoken) == []


def test_a_file_is_not_overwritten(call, tmp_path):
    (tmp_path / "study.toml").write_text("mine")
    code, _, err = call("init study")
    assert code == 2 and "study.toml exists" in err and (tmp_path / "study.toml").read_text() == "mine"
    assert call("init study --force")[0] == 0
    assert "name =" in (tmp_path / "study.toml").read_text()


def test_the_next_command_is_named_and_is_one(call, tmp_path):
    for kind in KINDS:
        code, out, err = call(f"init {kind} {tmp_path}/x/{kind}.toml")
        assert code == 0 and out == f"{tmp_path}/x/{kind}.toml\n"
        words = err.removeprefix("next: paretoken ").split()
        command = paretoken.get_command(click.Context(paretoken), words[0])
        assert command, err


def test_a_file_can_be_printed(call, tmp_path):
    code, out, _ = call("init scenario --print")
    assert code == 0 and tomllib.loads(out)["reference"] == "H200" and not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_one_sentence(call, tmp_path):
    (tmp_path / "f").write_text("")
    code, _, err = call("init study f/study.toml")
    assert code == 2 and "cannot be written" in err
