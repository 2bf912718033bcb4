"""Whether two operators could meet in one namespace."""

from __future__ import annotations

import pytest

from appstack.leaderelection.scope import Scope, meet, overlap

ALL = Scope()


@pytest.mark.parametrize(
    ("sentence", "one", "other", "may_meet"),
    [
        ("all and all", ALL, ALL, True),
        ("all and some", ALL, Scope(("team-*",)), True),
        ("all except what the other has", Scope(excluded=("team-*",)), Scope(("team-*",)), False),
        ("all except more than that", Scope(excluded=("t*",)), Scope(("team-*", "test")), False),
        ("all except less than that", Scope(excluded=("team-a*",)), Scope(("team-*",)), True),
        ("names that differ", Scope(("a",)), Scope(("b",)), False),
        ("a name that the other has, too", Scope(("a", "b")), Scope(("b", "c")), True),
        ("prefixes that differ", Scope(("demo*", "e2e-*")), Scope(("api-*",)), False),
        ("prefix and suffix meet", Scope(("api-*",)), Scope(("*-test",)), True),
        ("unless one leaves the other's alone", Scope(("api-*",), ("*-test",)), Scope(("*-test",)), False),
        ("unless it leaves its own alone", Scope(("api-*",), ("api-*",)), ALL, False),
        ("a part that is left alone is not all", Scope(("api-*", "x"), ("api-*",)), Scope(("x",)), True),
        ("one character", Scope(("a?",)), Scope(("ab",)), True),
        ("one character is not two", Scope(("a?",)), Scope(("abc",)), False),
        ("an exclusion with one character is not trusted", Scope(("a*",)), Scope(("a*",), ("a?",)), True),
        ("a class counts as any character", Scope(("a[bc]",)), Scope(("ad",)), True),
    ],
)
def test_overlap(sentence: str, one: Scope, other: Scope, may_meet: bool) -> None:
    assert may_meet is overlap(one, other), sentence
    assert may_meet is overlap(other, one), f"{sentence}, the other way round"


@pytest.mark.parametrize(
    ("one", "other", "may_meet"),
    [("*", "", True), ("a*b*c", "a*c", True), ("*a", "b*", True), ("a*", "b*", False), ("*ab", "*b", True)],
)
def test_patterns_meet(one: str, other: str, may_meet: bool) -> None:
    assert may_meet is meet(one, other)


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        (ALL, "all namespaces"),
        (Scope(("a", "b-*")), "a, b-*"),
        (Scope(excluded=("kube-*",)), "all namespaces except kube-*"),
    ],
)
def test_a_scope_is_a_part_of_a_sentence(scope: Scope, text: str) -> None:
    assert text == str(scope)
