"""nginx syntax: serialized directives are parsed back, and text that nginx rejects is rejected."""

from __future__ import annotations

import pytest

from appstack.render.nginx_syntax import (
    MAX_TOKENS,
    Directive,
    NginxSyntaxError,
    UnbalancedBlock,
    directive,
    parse,
    serialize,
)

VALID = {
    "": (),
    "# only a comment }": (),
    "a;": (directive("a"),),
    "a b\tc\r\nd ;": (directive("a", "b", "c", "d"),),
    "a{b;}c{}": (directive("a", block=[directive("b")]), directive("c", block=[])),
    'a "b c;{}" \'d"\';': (directive("a", "b c;{}", 'd"'),),
    r'a "b\"c" d\;e "\t\\";': (directive("a", 'b"c', r"d\;e", "\t\\"),),
    "a ${b}c$d;": (directive("a", "${b}c$d"),),
    "a b#c; # d;\ne;": (directive("a", "b#c"), directive("e")),
    "a b}c;": (directive("a", "b}c"),),
    'if ($a ~ "b") { c; }': (directive("if", "($a", "~", "b", ")", block=[directive("c")]),),
}

INVALID = {
    "a": (NginxSyntaxError, "line 1: 'a' is not terminated by ';'"),
    "a;\nb }": (NginxSyntaxError, "line 2: 'b' is not terminated by ';'"),
    ";": (NginxSyntaxError, "line 1: unexpected ';'"),
    "\n{}": (NginxSyntaxError, "line 2: unexpected '{'"),
    "a;\n\n}": (UnbalancedBlock, "line 3: unexpected '}'"),
    "a {\nb;\n": (UnbalancedBlock, "line 2: the block of 'a' is not closed by '}'"),
    "a\n'b;": (NginxSyntaxError, "line 2: a quote or a backslash is not closed"),
    "a \\": (NginxSyntaxError, "line 1: a quote or a backslash is not closed"),
    'a "b\n"c;': (NginxSyntaxError, "line 2: unexpected 'c' after a closing quote"),
    "content_by_lua_block { }": (
        NginxSyntaxError,
        "line 1: 'content_by_lua_block' contains Lua, which AppStack cannot parse",
    ),
    "a {" * 99: (NginxSyntaxError, "line 1: 'a' is nested more than 64 levels deep"),
}


@pytest.mark.parametrize(("config", "directives"), VALID.items(), ids=repr)
def test_valid_text_is_parsed(config: str, directives: tuple[Directive, ...]) -> None:
    assert parse(config) == directives


@pytest.mark.parametrize(("config", "expected"), INVALID.items(), ids=lambda value: repr(value)[:30])
def test_invalid_text_is_rejected_with_its_line(config: str, expected: tuple[type[ValueError], str]) -> None:
    error_type, message = expected
    with pytest.raises(error_type) as error:
        parse(config)
    assert str(error.value) == message


@pytest.mark.parametrize(
    "argument", ["a", "", "a b", "a;b", "{}", "#a", '"', "'", "\\", "\\n", "a\nb", "$a", "${a}", "ä"]
)
def test_serialized_argument_is_parsed_back(argument: str) -> None:
    directives = (directive("a", argument, block=[directive("b", argument)]),)
    assert parse(serialize(directives)) == directives


def test_text_with_too_many_tokens_is_not_parsed() -> None:
    assert MAX_TOKENS // 2 == len(parse("a;" * (MAX_TOKENS // 2)))
    with pytest.raises(NginxSyntaxError, match="line 2: AppStack parses at most 20000 words and symbols"):
        parse("a;" * (MAX_TOKENS // 2) + "\na;")
