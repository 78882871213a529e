"""Print docs/habits.md: what the options of other load tools are in `paretoken bench`.

python tools/habits_page.py > docs/habits.md
"""

from __future__ import annotations

import shlex

from paretoken.cli.measure.habits import HABITS, Habit
from paretoken.cli.spellings import NAMES

HEAD = (
    "# Options of other tools",
    "",
    "`paretoken bench` and `paretoken quick` read the options of `vllm bench serve`, SGLang's `bench_serving`, AIPerf, "
    "GenAI-Perf and GuideLLM. An option that means exactly the same is replaced, with a note that names the option "
    "here. Any other is refused, with what to write instead.",
    "",
    "```sh",
    "paretoken bench http://127.0.0.1:8000 --until '200 requests' --concurrency 16 --isl 1024 --osl 128",
    "```",
    "",
    "This is what `--base-url http://127.0.0.1:8000 --num-prompts 200 --max-concurrency 16 --random-input-len 1024 "
    "--random-output-len 128` becomes.",
    "",
    "## Load tools",
    "",
    "| option | of | here |",
    "|---|---|---|",
)
NAMES_HEAD = (
    "",
    "## Other names in every verb",
    "",
    "An option has one name in every verb. Further names are understood where the verb has the option:",
    "",
    "| option | other names |",
    "|---|---|",
)
_VALUES = {"0": "0", r"[0-9.]+": "a number", r"[^,]+": "one name", r"\s*\{.*": "JSON", r"/v1/.*": "a path below /v1"}
"""The values that a row accepts, in words."""
_PLACES = {"URL": "the URL", "HOST": "the host of the URL", "PORT": "the port of the URL", "PATH": "the end of the URL"}


def page() -> str:
    """The page as Markdown; it ends with a line break."""
    rows = [f"| {_names(habit)} | {habit.tools} | {_here(habit)} |" for habit in HABITS]
    names = [f"| `{name}` | {', '.join(f'`{other}`' for other in others.split())} |" for name, others in NAMES.items()]
    return "\n".join([*HEAD, *rows, *NAMES_HEAD, *names, ""])


def _names(habit: Habit) -> str:
    """The spellings, a field as `--data prompt_tokens=`."""
    shown = []
    for spelling in habit.names.split():
        name, equals, value = spelling.partition("=")
        option, dot, field = name.partition(".")
        shown.append(f"`{option} {field}={value}`" if dot else f"`{name} {value}`" if equals else f"`{name}`")
    return ", ".join(shown)


def _here(habit: Habit) -> str:
    words, answer = habit.words, habit.answer.replace("|", "\\|")
    if habit.refused:
        return answer
    if not words:
        here = "nothing to write"
    elif words[0] in _PLACES:
        here = _PLACES[words[0]]
    elif words[0] == "RATE IS":
        here = f"`--rate` becomes `{words[1]}`"
    elif words[-1].startswith("SD "):
        here = f"`{words[0]} normal:MEAN:SD`"
    else:
        here = f"`{' '.join(word.replace('{}', 'VALUE') if word == '{}' else _quoted(word) for word in words)}`"
    if habit.needs:
        return f"{here} beside `{habit.needs}`; else {answer}"
    return f"{here} for {_VALUES.get(habit.accepts, 'some values')}; else {answer}" if habit.accepts else here


def _quoted(word: str) -> str:
    """A word as a shell takes it, its value as VALUE."""
    return shlex.quote(word.replace("{}", "VALUE"))


if __name__ == "__main__":
    print(page(), end="")
