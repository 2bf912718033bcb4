"""Overlap of the scopes of two operators."""

from __future__ import annotations

import pytest

from appstack.leaderelection.scope import Scope, overlap, patterns_overlap

ALL = Scope()


@pytest.mark.parametrize(
    ("sentence", "one", "other", "expected"),
    [
        ("all namespaces twice", ALL, ALL, True),
        ("all namespaces and some", ALL, Scope(("team-*",)), True),
        ("all except those of the other scope", Scope(excluded=("team-*",)), Scope(("team-*",)), False),
        ("an exclusion that covers more", Scope(excluded=("t*",)), Scope(("team-*", "test")), False),
        ("an exclusion that covers less", Scope(excluded=("team-a*",)), Scope(("team-*",)), True),
        ("different names", Scope(("a",)), Scope(("b",)), False),
        ("a common name", Scope(("a", "b")), Scope(("b", "c")), True),
        ("different prefixes", Scope(("demo*", "e2e-*")), Scope(("api-*",)), False),
        ("a prefix and a suffix", Scope(("api-*",)), Scope(("*-test",)), True),
        ("an exclusion of the other's names", Scope(("api-*",), ("*-test",)), Scope(("*-test",)), False),
        ("an exclusion of the own names", Scope(("api-*",), ("api-*",)), ALL, False),
        ("an exclusion of some of the own names", Scope(("api-*", "x"), ("api-*",)), Scope(("x",)), True),
        ("`?` is one character", Scope(("a?",)), Scope(("ab",)), True),
        ("`?` is not two characters", Scope(("a?",)), Scope(("abc",)), False),
        ("an exclusion with `?` is not evaluated", Scope(("a*",)), Scope(("a*",), ("a?",)), True),
        ("a character class counts as any character", Scope(("a[bc]",)), Scope(("ad",)), True),
    ],
)
def test_scopes_overlap(sentence: str, one: Scope, other: Scope, expected: bool) -> None:
    assert expected is overlap(one, other), sentence
    assert expected is overlap(other, one), f"{sentence}, in reverse order"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("*", "", True), ("a*b*c", "a*c", True), ("*a", "b*", True), ("a*", "b*", False), ("*ab", "*b", True)],
)
def test_patterns_overlap(one: str, other: str, expected: bool) -> None:
    assert expected is patterns_overlap(one, other)


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        (ALL, "all namespaces"),
        (Scope(("a", "b-*")), "a, b-*"),
        (Scope(excluded=("kube-*",)), "all namespaces except kube-*"),
    ],
)
def test_scope_is_described_as_a_noun_phrase(scope: Scope, text: str) -> None:
    assert text == str(scope)
