"""nginx configuration syntax: directives as values, their serialization, and a parser."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

_UNQUOTED = re.compile(r"[^\s;{}'\"\\#]+")
_MAX_DEPTH: Final = 64  # nginx itself nests only a few blocks: http, server, location, if

# One token as nginx's own parser reads it. Only white space, `;` and `{` end an unquoted argument, except the `{` of
# `${name}`. A backslash escapes the character after it.
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<comment>\#[^\n]*)
      | (?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')(?P<unseparated>(?![ \t\r\n;{)]|\Z))?
      | (?P<punctuation>[;{}])
      | (?P<unquoted>(?!["'])(?:\\.|\$\{*|[^ \t\r\n;{\\$])+)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\([\"'\\trn])")
_CONTROL: Final = {"t": "\t", "r": "\r", "n": "\n"}


class NginxSyntaxError(ValueError):
    """Text is not valid nginx configuration."""

    def __init__(self, message: str, *, line: int) -> None:
        super().__init__(f"line {line}: {message}")
        self.message = message
        self.line = line


class UnbalancedBlock(NginxSyntaxError):
    """A block is opened and not closed, or closed and not opened."""


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive: its name, its arguments without quotes, and the directives of its block if it has one."""

    name: str
    args: tuple[str, ...] = ()
    block: tuple[Directive, ...] | None = None


def directive(name: str, *args: str | int, block: Iterable[Directive] | None = None) -> Directive:
    """Return a directive; numbers become text."""
    return Directive(name, tuple(str(arg) for arg in args), None if block is None else tuple(block))


def serialize(directives: Iterable[Directive]) -> str:
    """Return the text of a configuration file; `parse` reads it back."""
    return "".join(_lines(directives, indent=""))


def _lines(directives: Iterable[Directive], *, indent: str) -> Iterable[str]:
    for item in directives:
        line = " ".join((item.name, *(_quoted(arg) for arg in item.args)))
        if item.block is None:
            yield f"{indent}{line};\n"
        else:
            yield f"{indent}{line} {{\n"
            yield from _lines(item.block, indent=f"{indent}    ")
            yield f"{indent}}}\n"


def _quoted(arg: str) -> str:
    """Return an argument in quotes if nginx would otherwise not read it as one argument; variables are kept."""
    if _UNQUOTED.fullmatch(arg):
        return arg
    escaped = arg.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def parse(config: str) -> tuple[Directive, ...]:
    """Return the directives of a configuration text.

    Raise NginxSyntaxError where nginx would reject the text too, and for Lua blocks and very deep nesting.
    """
    blocks: list[list[Directive]] = [[]]
    headers: list[tuple[str, ...]] = []  # name and arguments of each block that is still open
    values: list[str] = []
    line = 1
    for token in _tokens(config):
        line = token.line
        if token.punctuation == "":
            values.append(token.value)
        elif token.punctuation == "}":
            if values:
                raise NginxSyntaxError(f"{values[0]!r} is not terminated by ';'", line=line)
            if not headers:
                raise UnbalancedBlock("unexpected '}'", line=line)
            name, *args = headers.pop()
            inner = tuple(blocks.pop())
            blocks[-1].append(Directive(name, tuple(args), inner))
        elif not values:
            raise NginxSyntaxError(f"unexpected {token.punctuation!r}", line=line)
        elif token.punctuation == ";":
            blocks[-1].append(Directive(values[0], tuple(values[1:])))
            values = []
        else:
            _check_block(values[0], depth=len(headers), line=line)
            headers.append(tuple(values))
            blocks.append([])
            values = []
    if values:
        raise NginxSyntaxError(f"{values[0]!r} is not terminated by ';'", line=line)
    if headers:
        raise UnbalancedBlock(f"the block of {headers[-1][0]!r} is not closed by '}}'", line=line)
    return tuple(blocks[0])


def _check_block(name: str, *, depth: int, line: int) -> None:
    """Raise NginxSyntaxError for a block that this parser does not support."""
    if name.endswith("_by_lua_block"):
        raise NginxSyntaxError(f"{name!r} contains Lua, which AppStack cannot parse", line=line)
    if depth >= _MAX_DEPTH:
        raise NginxSyntaxError(f"{name!r} is nested more than {_MAX_DEPTH} levels deep", line=line)


@dataclass(frozen=True, slots=True)
class _Token:
    """A name or argument with its quotes and escapes resolved, or one of `;`, `{` and `}`."""

    line: int
    value: str = ""
    punctuation: str = ""


def _tokens(config: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(config):
        match = _TOKEN.match(config, position)
        if match is None:
            raise NginxSyntaxError("a quote or a backslash is not closed", line=line)
        raw = match[0]
        if match["unseparated"] is not None:
            following = config[match.end()]
            raise NginxSyntaxError(f"unexpected {following!r} after a closing quote", line=line + raw.count("\n"))
        if match["punctuation"]:
            yield _Token(line, punctuation=raw)
        elif match["quoted"]:
            yield _Token(line, value=_unescaped(raw[1:-1]))
        elif match["unquoted"]:
            yield _Token(line, value=_unescaped(raw))
        position = match.end()
        line += raw.count("\n")


def _unescaped(raw: str) -> str:
    return _ESCAPE.sub(lambda match: _CONTROL.get(match[1], match[1]), raw)
