"""The words of commands as a shell passes them on."""

from __future__ import annotations

import pytest

from paretoken.errors import BadConfig
from paretoken.predict.serve_command.shell import UNSET, statements


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("vllm serve a -tp 2", [["vllm", "serve", "a", "-tp", "2"]]),
        ("a \\\n  --b c", [["a", "--b", "c"]]),
        ("a \\\r\n  --b c", [["a", "--b", "c"]]),
        ("""a '{"x": "$y"}' "it's" b\\ c""", [["a", '{"x": "$y"}', "it's", "b c"]]),
        ("X=1 Y='two words' a $Y", [["a", "$Y"]]),
        ("export TP=8\na -tp $TP ${TP}x ${NO:-3}", [["a", "-tp", "8", "8x", "3"]]),
        ("ARGS='--b 1  --c'\na $ARGS \"$ARGS\"", [["a", "--b", "1", "--c", "--b 1  --c"]]),
        ("a > log 2>&1 & b", [["a"], ["b"]]),
        ("a &> log && b | c; d", [["a"], ["b"], ["c"], ["d"]]),
        ("# don't\na # 'x\nb", [["a"], ["b"]]),
        ("cat > f <<'EOF'\nit's: x\nEOF\na", [["cat"], ["a"]]),
        ("CMD=(\n a --b\n c\n)\nd", [["a", "--b", "c"], ["d"]]),
        ("", []),
    ],
)
def test_words_of_each_command(text, words):
    expected = [[w.replace("$Y", f"{UNSET}$Y{UNSET}") if w == "$Y" else w for w in line] for line in words]
    assert list(statements(text)) == expected


def test_what_only_a_shell_can_run_is_marked():
    (words,) = statements('a "$(nproc --all)" $((2 * 4)) $HOME')
    assert words[1:] == [f"{UNSET}{part}{UNSET}" for part in ("$(nproc --all)", "$((2 * 4))", "$HOME")]


@pytest.mark.parametrize("text", ["a 'b", 'a "b', 'a "$(x)'])
def test_an_open_quote_is_refused(text):
    with pytest.raises(BadConfig, match="quote"):
        list(statements(text))
