"""Label selectors: what they take, and whether two can meet."""

from __future__ import annotations

import pytest

from appstack.k8s.selectors import disjoint, matches, parse
from appstack.leaderelection.scope import Scope, overlap


@pytest.mark.parametrize(
    ("selector", "taken", "not_taken"),
    [
        ("", {}, None),
        ("shard=a", {"shard": "a"}, {"shard": "b"}),
        ("shard==a", {"shard": "a"}, {}),
        ("shard!=a", {}, {"shard": "a"}),
        ("shard in (a, b)", {"shard": "b"}, {"shard": "c"}),
        ("shard notin (a,b)", {}, {"shard": "b"}),
        ("shard", {"shard": ""}, {}),
        ("!shard", {}, {"shard": ""}),
        ("example.org/shard=a,env in (x,y),!old", {"example.org/shard": "a", "env": "y"}, {"example.org/shard": "a"}),
    ],
)
def test_what_a_selector_takes(selector: str, taken: dict[str, str], not_taken: dict[str, str] | None) -> None:
    assert matches(parse(selector), taken)
    assert not_taken is None or not matches(parse(selector), not_taken)


@pytest.mark.parametrize("text", ["shard=a=b", "shard in a,b", "shard in (a b)", "a,,b", "a>1", "-a", "shard in (a"])
def test_what_is_no_selector(text: str) -> None:
    with pytest.raises(ValueError, match="no part of a label selector"):
        parse(text)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("shard=a", "shard=b", True),
        ("shard=a", "shard=a", False),
        ("shard=a", "", False),
        ("shard=a", "region=b", False),
        ("shard in (a,b)", "shard in (c,d)", True),
        ("shard in (a,b)", "shard in (b,c)", False),
        ("shard in (a,b)", "shard notin (a,b,c)", True),
        ("shard notin (a)", "shard notin (b)", False),
        ("shard", "!shard", True),
        ("shard=a", "!shard", True),
        ("shard!=a", "!shard", False),
        ("shard!=a,shard", "!shard", True),
        ("shard=a,region=x", "shard=a,region=y", True),
        ("shard=a,shard=b", "region=y", True),
    ],
)
def test_whether_two_selectors_are_apart(one: str, other: str, apart: bool) -> None:
    assert apart is disjoint(parse(one), parse(other))
    assert apart is disjoint(parse(other), parse(one)), "the other way round"


def test_scopes_apart_by_labels_do_not_overlap() -> None:
    assert not overlap(Scope(selector="shard=a"), Scope(selector="shard=b"))
    assert overlap(Scope(selector="shard=a"), Scope())
    assert overlap(Scope(selector="shard=a"), Scope(selector="what is this?")), "in doubt, yes"
    assert "all namespaces labelled shard=a" == str(Scope(selector="shard=a"))
