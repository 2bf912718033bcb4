"""nginx's configuration language: directives as values, and their text. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_PLAIN = re.compile(r"[^\s;{}'\"\\#]+")


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
