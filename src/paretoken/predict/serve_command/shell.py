"""As much of the shell's grammar as commands that start a server use: quotes, variables, assignments, operators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from paretoken.errors import BadConfig

UNSET = "\ue000"
"""Marks both ends of a variable that the text does not set, or of a substitution that only a shell can run."""
_OPERATORS = ";&|<>()\n"
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::?-([^}]*))?\}|\{([^}]*)\}|([@*#?0-9]))")
_HERE = re.compile(r"<<-?[ \t]*['\"]?(\w+)['\"]?")
_DECLARES = ("export", "declare", "local", "readonly", "-x", "env")


@dataclass(slots=True)
class _ShellText:
    """Text, and how far it is read; `variables` are those set so far, `kept` counts the words before a redirection.

    The words of an array are read as a command: scripts store a command in one and run it later.
    """

    text: str
    variables: dict[str, str]
    at: int = 0
    words: list[str] = field(default_factory=list)
    word: str | None = None
    kept: int | None = None
    array: bool = False

    def add(self, part: str) -> None:
        self.word = (self.word or "") + part

    def end_word(self) -> None:
        if self.word is not None:
            self.words.append(self.word)
        self.word = None

    def statement(self) -> list[str]:
        """The words of the command that ends here; its assignments are set."""
        self.end_word()
        self.array = False
        words, self.words, self.kept = self.words[: self.kept], [], None
        while words and (words[0] in _DECLARES or _ASSIGNMENT.fullmatch(words[0])):
            if assignment := _ASSIGNMENT.fullmatch(words[0]):
                self.variables[assignment[1]] = assignment[2]
            words = words[1:]
        return words


def statements(text: str, variables: dict[str, str] | None = None) -> Iterator[list[str]]:
    """The words of each command in a text, without redirections and assignments; variables are filled in.

    BadConfig for an unclosed quote.
    """
    reader = _ShellText(text.replace("\r\n", "\n").replace("\\\n", " "), {} if variables is None else variables)
    while reader.at < len(reader.text):
        char = reader.text[reader.at]
        if char in " \t" or (char == "\n" and reader.array):
            reader.end_word()
            reader.at += 1
        elif char == "(" and (reader.word or "").endswith("="):
            reader.word, reader.array = None, True
            reader.at += 1
        elif char == "#" and reader.word is None:
            reader.at = _line_end(reader.text, reader.at)
        elif char in _OPERATORS:
            if not _redirects(reader, char) and (words := reader.statement()):
                yield words
            reader.at += 1
        else:
            _part(reader, char)
    if words := reader.statement():
        yield words


def _redirects(reader: _ShellText, char: str) -> bool:
    """Whether an operator redirects: the words after it are files. The text of a here-document is skipped."""
    text, at = reader.text, reader.at
    between = char == "&" and (text[at + 1 : at + 2] == ">" or (at > 0 and text[at - 1] in "<>"))
    if char not in "<>" and not between:
        return False
    if char in "<>" and (reader.word or "").isdecimal():
        reader.word = None
    reader.end_word()
    reader.kept = len(reader.words) if reader.kept is None else reader.kept
    if here := _HERE.match(text, at):
        start = _line_end(text, at)
        end = re.compile(rf"\n[ \t]*{here[1]}[ \t]*(?=\n|$)").search(text, start)
        reader.text = text[:start] + (text[end.end() :] if end else "")
        reader.at = here.end() - 1
    return True


def _part(reader: _ShellText, char: str) -> None:
    """Read one character, quoted text or variable into the word."""
    text, at = reader.text, reader.at
    if char == "'":
        end = _end_quote(text, "'", at)
        reader.add(text[at + 1 : end])
        reader.at = end + 1
    elif char == '"':
        reader.add("")
        reader.at += 1
        while (inner := text[reader.at : reader.at + 1]) != '"':
            if not inner:
                _end_quote(text, '"', at)
            _quoted(reader, inner)
        reader.at += 1
    elif char == "\\":
        reader.add(text[at + 1 : at + 2])
        reader.at += 2
    elif char == "$":
        value = _variable(reader)
        parts = [value] if UNSET in value else re.split(r"(\s+)", value)
        for part in parts:
            if part.isspace():
                reader.end_word()
            elif part:
                reader.add(part)
    else:
        reader.add(char)
        reader.at += 1


def _quoted(reader: _ShellText, char: str) -> None:
    """Read one character or variable inside double quotes."""
    if char == "\\" and reader.text[reader.at + 1 : reader.at + 2] in tuple('"\\$`'):
        reader.add(reader.text[reader.at + 1])
        reader.at += 2
    elif char == "$":
        reader.add(_variable(reader))
    else:
        reader.add(char)
        reader.at += 1


def _variable(reader: _ShellText) -> str:
    """The value of what begins at `$`; a name between UNSET marks if the text does not set it."""
    text, at = reader.text, reader.at
    if text.startswith("$(", at):
        depth, end = 1, at + 2
        while end < len(text) and depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        reader.at = end
        return f"{UNSET}{text[at:end]}{UNSET}"
    match = _VARIABLE.match(text, at)
    if not match:
        reader.at += 1
        return "$"
    reader.at = match.end()
    name = match[1] or match[2]
    if name in reader.variables:
        return reader.variables[name]
    return match[3] if match[3] is not None else f"{UNSET}{match[0]}{UNSET}"


def _end_quote(text: str, quote: str, start: int) -> int:
    end = text.find(quote, start + 1)
    if end < 0:
        raise BadConfig(f"the serve command has a quote {quote} that does not end; close it")
    return end


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end
