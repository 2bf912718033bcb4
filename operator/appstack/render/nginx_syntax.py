"""nginx's configuration language: directives as values, their text, and the way back. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

_PLAIN = re.compile(r"[^\s;{}'\"\\#]+")
_MAX_DEPTH: Final = 64  # nginx itself nests http, server, location and if: a handful

# What nginx's own reader takes for one token. Inside a word only white space, `;` and `{` end it, and not the `{` of
# `${name}`; a backslash takes the next character with it.
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<comment>\#[^\n]*)
      | (?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')(?P<glued>(?![ \t\r\n;{)]|\Z))?
      | (?P<mark>[;{}])
      | (?P<word>(?!["'])(?:\\.|\$\{*|[^ \t\r\n;{\\$])+)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\([\"'\\trn])")
_CONTROL: Final = {"t": "\t", "r": "\r", "n": "\n"}


class Unreadable(ValueError):
    """Text that can't be read as nginx's configuration."""

    def __init__(self, what: str, *, line: int) -> None:
        super().__init__(f"line {line}: {what}")
        self.what = what
        self.line = line


class Unbalanced(Unreadable):
    """The same, because a block begins or ends where no other brace answers."""


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive: its name, its arguments unquoted, and the directives of its block if it has one."""

    name: str
    args: tuple[str, ...] = ()
    block: tuple[Directive, ...] | None = None


def directive(name: str, *args: str | int, block: Iterable[Directive] | None = None) -> Directive:
    """Return a directive; the short way to write one down."""
    return Directive(name, tuple(str(arg) for arg in args), None if block is None else tuple(block))


def text(directives: Iterable[Directive]) -> str:
    """Return the text of a configuration file."""
    return "".join(_lines(directives, indent=""))


def _lines(directives: Iterable[Directive], *, indent: str) -> Iterable[str]:
    for item in directives:
        words = " ".join((item.name, *(_quoted(arg) for arg in item.args)))
        if item.block is None:
            yield f"{indent}{words};\n"
        else:
            yield f"{indent}{words} {{\n"
            yield from _lines(item.block, indent=f"{indent}    ")
            yield f"{indent}}}\n"


def _quoted(arg: str) -> str:
    """Return an argument so that nginx reads it as this one word, whatever it holds; variables stay variables."""
    if _PLAIN.fullmatch(arg):
        return arg
    escaped = arg.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def parse(config: str) -> tuple[Directive, ...]:
    """Return the directives of a text; raise Unreadable where nginx, too, would find no directive or no end of one."""
    blocks: list[list[Directive]] = [[]]
    opened: list[tuple[str, ...]] = []  # the words before each `{` that is still open
    words: list[str] = []
    line = 1
    for token in _tokens(config):
        line = token.line
        if token.mark == "":
            words.append(token.word)
        elif token.mark == "}":
            if words:
                raise Unreadable(f"{words[0]!r} is not ended by ';'", line=line)
            if not opened:
                raise Unbalanced("'}' ends no block", line=line)
            name, *args = opened.pop()
            inner = tuple(blocks.pop())
            blocks[-1].append(Directive(name, tuple(args), inner))
        elif not words:
            raise Unreadable(f"{token.mark!r} follows no directive", line=line)
        elif token.mark == ";":
            blocks[-1].append(Directive(words[0], tuple(words[1:])))
            words = []
        else:
            _refuse_block(words[0], depth=len(opened), line=line)
            opened.append(tuple(words))
            blocks.append([])
            words = []
    if words:
        raise Unreadable(f"{words[0]!r} is not ended by ';'", line=line)
    if opened:
        raise Unbalanced(f"the block of {opened[-1][0]!r} is not ended by '}}'", line=line)
    return tuple(blocks[0])


def _refuse_block(name: str, *, depth: int, line: int) -> None:
    if name.endswith("_by_lua_block"):
        raise Unreadable(f"{name!r} holds Lua, which is not read here", line=line)
    if depth >= _MAX_DEPTH:
        raise Unreadable(f"{name!r} is nested more than {_MAX_DEPTH} deep", line=line)


@dataclass(frozen=True, slots=True)
class _Token:
    """A word with its quotes and escapes resolved, or one of the marks `;`, `{` and `}`."""

    line: int
    word: str = ""
    mark: str = ""


def _tokens(config: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(config):
        match = _TOKEN.match(config, position)
        if match is None:
            raise Unreadable("a quote or a backslash is left open", line=line)
        found = match[0]
        if match["glued"] is not None:
            raise Unreadable(f"{config[match.end()]!r} follows a closing quote", line=line + found.count("\n"))
        if match["mark"]:
            yield _Token(line, mark=found)
        elif match["quoted"]:
            yield _Token(line, word=_plain(found[1:-1]))
        elif match["word"]:
            yield _Token(line, word=_plain(found))
        position = match.end()
        line += found.count("\n")


def _plain(word: str) -> str:
    return _ESCAPE.sub(lambda match: _CONTROL.get(match[1], match[1]), word)
