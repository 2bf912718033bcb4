"""nginx configuration syntax: directives as values, their serialization, and a parser."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

_UNQUOTED = re.compile(r"[^\s;{}'\"\\#]+")
_MAX_DEPTH: Final = 64  # nginx itself nests only a few blocks: http, server, location, if
MAX_TOKENS: Final = 20_000
"""Maximum number of names, arguments and symbols of a text that is parsed; a long nginx.conf has a few thousand."""

# One token as nginx's own parser reads it. Only white space, `;` and `{` end an unquoted argument, except the `{` of
# `${name}`. A backslash escapes the character after it. No repetition gives back characters, so matching is linear.
_TOKEN = re.compile(
    r"""(?P<space>(?:[ \t\r\n]++|\#[^\n]*+)++)
      | (?P<quoted>"(?:[^"\\]++|\\.)*+"|'(?:[^'\\]++|\\.)*+')(?P<unseparated>(?![ \t\r\n;{)]|\Z))?
      | (?P<punctuation>[;{}])
      | (?P<unquoted>(?!["'])(?:[^ \t\r\n;{\\$]++|\\.|\$\{*+)++)""",
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


def literal(text: str) -> str:
    """Return an argument that nginx evaluates to this text; a `$` would otherwise start a variable."""
    return text.replace("$", "${appstack_dollar}")


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

    Raise NginxSyntaxError where nginx would reject the text too, and for Lua blocks, very deep nesting, and more than
    `MAX_TOKENS` tokens.
    """
    blocks: list[list[Directive]] = [[]]
    headers: list[tuple[str, ...]] = []  # name and arguments of each block that is still open
    values: list[str] = []
    position = 0
    for token, is_punctuation, position in _tokens(config):
        if not is_punctuation:
            values.append(token)
        elif token == "}":
            if values:
                raise _error(f"{values[0]!r} is not terminated by ';'", config, position)
            if not headers:
                raise _error("unexpected '}'", config, position, type_=UnbalancedBlock)
            name, *args = headers.pop()
            inner = tuple(blocks.pop())
            blocks[-1].append(Directive(name, tuple(args), inner))
        elif not values:
            raise _error(f"unexpected {token!r}", config, position)
        elif token == ";":
            blocks[-1].append(Directive(values[0], tuple(values[1:])))
            values = []
        else:
            _check_block(values[0], depth=len(headers), config=config, position=position)
            headers.append(tuple(values))
            blocks.append([])
            values = []
    if values:
        raise _error(f"{values[0]!r} is not terminated by ';'", config, position)
    if headers:
        message = f"the block of {headers[-1][0]!r} is not closed by '}}'"
        raise _error(message, config, position, type_=UnbalancedBlock)
    return tuple(blocks[0])


def _check_block(name: str, *, depth: int, config: str, position: int) -> None:
    """Raise NginxSyntaxError for a block that this parser does not support."""
    if name.endswith("_by_lua_block"):
        raise _error(f"{name!r} contains Lua, which AppStack cannot parse", config, position)
    if depth >= _MAX_DEPTH:
        raise _error(f"{name!r} is nested more than {_MAX_DEPTH} levels deep", config, position)


def _error(
    message: str, config: str, position: int, *, type_: type[NginxSyntaxError] = NginxSyntaxError
) -> NginxSyntaxError:
    return type_(message, line=config.count("\n", 0, position) + 1)


def _tokens(config: str) -> Iterator[tuple[str, bool, int]]:
    """Yield each token without its quotes and escapes, whether it is one of `;`, `{` and `}`, and its position."""
    count = end = 0
    for match in _TOKEN.finditer(config):
        kind, start = match.lastgroup, match.start()
        if start > end:
            break  # the text between is no token
        end = match.end()
        if kind == "space":
            continue
        if kind == "unseparated":
            raise _error(f"unexpected {config[end]!r} after a closing quote", config, end)
        count += 1
        if count > MAX_TOKENS:
            raise _error(f"AppStack parses at most {MAX_TOKENS} words and symbols", config, start)
        if kind == "punctuation":
            yield match[0], True, start
        else:
            yield _unescaped(match[0][1:-1] if kind == "quoted" else match[0]), False, start
    if end < len(config):
        raise _error("a quote or a backslash is not closed", config, end)


def _unescaped(raw: str) -> str:
    if "\\" not in raw:
        return raw
    return _ESCAPE.sub(lambda match: _CONTROL.get(match[1], match[1]), raw)
