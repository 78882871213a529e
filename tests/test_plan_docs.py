"""tools/plan_docs.py: it finds the plans that documents show, and puts new output below them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = """Text.

```
$ paretoken plan --coarse \\
    --rate 1/s | head -2
old line

old line
$ paretoken plan --rate 2/s
```

```sh
paretoken plan --rate 3/s
```

```
$ paretoken tco
Kept.
```
"""


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])
    import plan_docs

    return plan_docs


def test_only_blocks_that_begin_with_a_plan_have_output(tool):
    assert list(tool.commands(PAGE)) == [
        "paretoken plan --coarse \\\n    --rate 1/s | head -2\n",
        "paretoken plan --rate 2/s\n",
    ]


def test_output_is_replaced_and_nothing_else(tool):
    page = tool.refreshed(PAGE, lambda command: f"new of {command.split()[-1]}\n")
    assert page == PAGE.replace("old line\n\nold line\n", "new of -2\n").replace("2/s\n", "2/s\nnew of 2/s\n")
    assert tool.refreshed(page, lambda command: f"new of {command.split()[-1]}\n") == page


def test_output_of_other_commands_stays(tool):
    assert tool.refreshed(PAGE, lambda command: None) == PAGE


def test_a_command_runs_in_the_repository(tool):
    assert "--coarse" in tool.run("paretoken plan --help | head -200\n")


def test_every_page_shows_output_of_its_plans(tool):
    """No plan is shown without what it prints."""
    for page in tool.pages():
        text = page.read_text(encoding="utf-8")
        assert text == tool.refreshed(text, lambda command: None)
        for block in tool.BLOCK.finditer(text):
            assert all(shown[2].strip() for shown in tool.SHOWN.finditer(block[1])), page.name
