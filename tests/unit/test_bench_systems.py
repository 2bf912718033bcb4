"""The selection of systems under test, and the checkout that `appstack@PATH` names."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import machine
from bench.checkout import ROOT, THIS, Checkout
from bench.report.findings import ORDER
from bench.systems import NAMES, Selection, all_systems, configured, select, supported_suites
from bench.systems.appstack import BEFORE, AppStack
from tools.cluster import shell


def test_every_system_has_a_position_in_the_tables() -> None:
    assert set(ORDER) == {one.name for one in all_systems(in_flight=8, before=THIS)}


def test_all_systems_of_this_checkout_are_selected_by_default() -> None:
    assert Selection(NAMES, before=None) == Selection()
    assert set(NAMES) == {one.name for one in all_systems(in_flight=8)}


def test_another_checkout_is_selected_by_its_path() -> None:
    selection = select(f"appstack, appstack@{ROOT},bare")

    assert Selection(("appstack", BEFORE, "bare"), before=Checkout(ROOT)) == selection


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("appstack@/missing", "/missing is no checkout of AppStack: it needs operator/appstack and crds"),
        (f"kro@{ROOT}", "unknown system kro@"),
        (f"appstack@{ROOT},appstack@{ROOT}", "and one appstack@PATH"),
    ],
)
def test_selection_without_a_usable_checkout_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        select(text)


def test_supported_suites_keep_the_order_in_which_they_run() -> None:
    requested = ["restart", "edit", "backlog", "ready"]
    supported = {one.name: supported_suites(one, requested) for one in all_systems(in_flight=8, before=THIS)}

    assert ["backlog"] == supported["bare"]
    assert ["backlog", "edit", "ready"] == supported["bare-status"]
    assert ["backlog", "edit", "restart", "ready"] == supported["appstack"] == supported[BEFORE]
    assert ["backlog", "edit", "restart"] == supported["kro"] == supported["go"]


def test_system_of_another_checkout_keeps_its_name_in_every_suite() -> None:
    before = AppStack(THIS, name=BEFORE)

    assert {BEFORE} == {configured(before, suite).name for suite in ("backlog", "ready", "callbacks")}


def test_settings_are_those_of_the_checkout() -> None:
    settings = THIS.settings()

    assert {"version", "python", "workers", "requests in flight"} == set(settings)


def test_checkout_without_an_importable_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(shell.Failure, match=r"`import appstack` for the checkout .* finds "):
        Checkout(tmp_path).settings()


def test_run_with_another_commit_of_the_earlier_checkout_is_refused() -> None:
    machine.require_same_code({}, before=THIS)
    with pytest.raises(shell.Failure, match="this folder has results of appstack-before at commit 0000000, not at"):
        machine.require_same_code({BEFORE: "commit 0000000"}, before=THIS)
