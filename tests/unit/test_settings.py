"""Namespaces of the settings: which are excluded by default, and which are watched one by one."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from appstack.settings import MAX_WATCHED_NAMESPACES, Settings

MANY = tuple(f"team-{number}" for number in range(MAX_WATCHED_NAMESPACES))


def test_system_namespaces_and_the_operators_own_are_excluded_by_default() -> None:
    settings = Settings(operator_namespace="apps")

    assert ("kube-*", "apps") == settings.exclude_namespaces
    assert [False, False, True] == [settings.includes_namespace(name) for name in ("kube-system", "apps", "team")]


def test_exclusions_replace_the_default() -> None:
    settings = Settings(exclude_namespaces=("team-x",), namespaces=("kube-system", "appstack-system"))

    assert settings.includes_namespace("kube-system")
    assert settings.includes_namespace("appstack-system")


@pytest.mark.parametrize(
    ("namespaces", "watched"),
    [
        ((), ()),
        (("team-a", "team-b", "team-a"), ("team-a", "team-b")),
        (("team-a", "team-*"), ()),
        (("team-?",), ()),
        (("team-[ab]",), ()),
        (MANY, MANY),
        ((*MANY, "one-more"), ()),
    ],
)
def test_up_to_twenty_names_are_watched_one_by_one(namespaces: tuple[str, ...], watched: tuple[str, ...]) -> None:
    assert watched == Settings(namespaces=namespaces).watched_namespaces


@pytest.mark.parametrize("name", ["kube-system", "appstack-system"])
def test_name_that_is_listed_and_excluded_is_an_error(name: str) -> None:
    with pytest.raises(ValidationError, match=f"`namespaces` lists {name}, which `excludeNamespaces` excludes"):
        Settings(namespaces=("team", name))
