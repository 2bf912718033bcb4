"""nginx's language: what is printed is read back, and what nginx refuses is refused."""

from __future__ import annotations

import pytest

from appstack.render.nginx_syntax import Directive, Unbalanced, Unreadable, directive, parse, text

READ = {
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

REFUSED = {
    "a": (Unreadable, "line 1: 'a' is not ended by ';'"),
    "a;\nb }": (Unreadable, "line 2: 'b' is not ended by ';'"),
    ";": (Unreadable, "line 1: ';' follows no directive"),
    "\n{}": (Unreadable, "line 2: '{' follows no directive"),
    "a;\n\n}": (Unbalanced, "line 3: '}' ends no block"),
    "a {\nb;\n": (Unbalanced, "line 2: the block of 'a' is not ended by '}'"),
    "a\n'b;": (Unreadable, "line 2: a quote or a backslash is left open"),
    "a \\": (Unreadable, "line 1: a quote or a backslash is left open"),
    'a "b\n"c;': (Unreadable, "line 2: 'c' follows a closing quote"),
    "content_by_lua_block { }": (Unreadable, "line 1: 'content_by_lua_block' holds Lua, which is not read here"),
    "a {" * 99: (Unreadable, "line 1: 'a' is nested more than 64 deep"),
}


@pytest.mark.parametrize(("config", "directives"), READ.items(), ids=repr)
def test_what_is_read(config: str, directives: tuple[Directive, ...]) -> None:
    assert parse(config) == directives


@pytest.mark.parametrize(("config", "complaint"), REFUSED.items(), ids=lambda value: repr(value)[:30])
def test_what_is_refused(config: str, complaint: tuple[type[ValueError], str]) -> None:
    kind, sentence = complaint
    with pytest.raises(kind) as caught:
        parse(config)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("word", ["a", "", "a b", "a;b", "{}", "#a", '"', "'", "\\", "\\n", "a\nb", "$a", "${a}", "ä"])
def test_what_is_printed_is_read_back(word: str) -> None:
    written = (directive("a", word, block=[directive("b", word)]),)
    assert parse(text(written)) == written
