"""Label selectors: parsing, matching and disjointness."""

from __future__ import annotations

import pytest

from appstack.k8s.selectors import disjoint, matches, parse
from appstack.leaderelection.scope import Scope, overlap


@pytest.mark.parametrize(
    ("selector", "matching", "other"),
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
def test_selector_matches_labels(selector: str, matching: dict[str, str], other: dict[str, str] | None) -> None:
    assert matches(parse(selector), matching)
    assert other is None or not matches(parse(selector), other)


@pytest.mark.parametrize("text", ["shard=a=b", "shard in a,b", "shard in (a b)", "a,,b", "a>1", "-a", "shard in (a"])
def test_invalid_selector_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not a requirement of a label selector"):
        parse(text)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
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
def test_selectors_are_disjoint_if_their_requirements_leave_no_value(one: str, other: str, expected: bool) -> None:
    assert expected is disjoint(parse(one), parse(other))
    assert expected is disjoint(parse(other), parse(one)), "with the selectors exchanged"


def test_scopes_with_disjoint_selectors_do_not_overlap() -> None:
    assert not overlap(Scope(selector="shard=a"), Scope(selector="shard=b"))
    assert overlap(Scope(selector="shard=a"), Scope())
    assert overlap(Scope(selector="shard=a"), Scope(selector="not a selector?")), "an invalid selector overlaps"
    assert "all namespaces labelled shard=a" == str(Scope(selector="shard=a"))
