"""Decisions of the cluster tool: reuse of programs and clusters, owner of the engine, available capabilities."""

from __future__ import annotations

import fcntl
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tools.cluster import engine, images, kube, lifecycle, namespace, programs, runtime, shell, state, trace

AVAILABLE = frozenset({"CAP_CHOWN", "CAP_KILL"})
PROCESS = {"args": ["sh"], "capabilities": {"bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"], "ambient": []}}
FILTERED = {"args": ["sh"], "capabilities": {"bounding": ["CAP_CHOWN"], "ambient": []}}
COMPLETE = lifecycle.Record("key", own=True, complete=True)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("APPSTACK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_bounding_set_is_parsed_by_bit() -> None:
    assert runtime.bounding_set("Name:\tsh\nCapBnd:\t0000000000000021\n") == AVAILABLE


def test_unavailable_capabilities_are_not_requested() -> None:
    assert runtime.restrict_capabilities(PROCESS, AVAILABLE) == FILTERED
    assert runtime.restrict_capabilities({"args": ["sh"]}, AVAILABLE) == {"args": ["sh"]}


@pytest.mark.parametrize(
    ("file", "content", "arguments", "expected"),
    [
        (
            "config.json",
            {"process": PROCESS},
            ["--root", "/r", "create", "--bundle", "HERE", "id"],
            {"process": FILTERED},
        ),
        ("config.json", {"process": PROCESS}, ["run", "--bundle=HERE", "id"], {"process": FILTERED}),
        ("process.json", PROCESS, ["exec", "--process", "HERE/process.json", "id"], FILTERED),
        ("process.json", PROCESS, ["state", "id"], PROCESS),
    ],
)
def test_runc_gets_only_available_capabilities(
    tmp_path: Path, file: str, content: dict[str, Any], arguments: list[str], expected: dict[str, Any]
) -> None:
    (tmp_path / file).write_text(json.dumps(content))
    runtime.filter_files([argument.replace("HERE", str(tmp_path)) for argument in arguments], AVAILABLE)
    assert json.loads((tmp_path / file).read_text()) == expected


@pytest.mark.parametrize("source", programs.SOURCES.values(), ids=lambda source: source.name)
def test_each_source_is_pinned(source: programs.Source) -> None:
    assert programs.version(source).startswith("v")
    pins = (programs.PINS / source.name / "go.mod").read_text()
    for package in source.packages.values():
        assert package in pins, "each command needs a tool directive"


def test_key_of_a_program_changes_with_its_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = programs.SOURCES["etcd"]
    before = programs.key(source)
    monkeypatch.setattr(programs, "PINS", tmp_path)
    (tmp_path / "etcd").mkdir()
    for name, text in (("go.mod", f"require {source.module} v3.6.0\n"), ("go.sum", "other\n")):
        (tmp_path / "etcd" / name).write_text(text)
    assert programs.key(source) != before


def test_error_for_an_unknown_program_lists_the_known_ones() -> None:
    with pytest.raises(shell.Failure, match=r"unknown program 'kubctl'; choose from .*kubectl"):
        programs.path("kubctl")


@pytest.mark.parametrize(
    ("record", "unhealthy", "reason"),
    [
        (None, None, "there is no cluster"),
        (replace(COMPLETE, foreign=True), None, "the last cluster was the user's own"),
        (replace(COMPLETE, complete=False), None, "its creation was not completed"),
        (replace(COMPLETE, key="old"), None, "it was created from other inputs"),
        (COMPLETE, "its API server does not respond", "its API server does not respond"),
        (COMPLETE, None, None),
    ],
)
def test_cluster_is_reused_only_without_a_reason_against_it(
    monkeypatch: pytest.MonkeyPatch, record: lifecycle.Record | None, unhealthy: str | None, reason: str | None
) -> None:
    monkeypatch.setattr(lifecycle, "key", lambda **_: "key")
    monkeypatch.setattr(kube, "unhealthy", lambda: unhealthy)
    assert lifecycle.unusable_reason(record) == reason


def test_engine_has_an_owner_only_while_it_runs(cache: Path) -> None:
    (cache / "engine").mkdir(parents=True)
    (cache / "engine/owner.json").write_text('{"checkout": "/other", "pid": 7, "socket": "/s"}')
    assert engine.owner() is None, "without a lock, the record is of an engine that has ended"
    with (cache / "engine/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert engine.owner() == engine.Owner("/other", 7, "/s")


def test_socket_path_is_short_for_every_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "CLUSTER", Path("/short/.cluster"))
    assert engine.socket_path() == Path("/short/.cluster/docker.sock")
    monkeypatch.setattr(state, "CLUSTER", Path("/", *["long" * 5] * 10, ".cluster"))
    assert len(str(engine.socket_path())) <= engine.SOCKET_PATH_LIMIT


def test_each_cache_has_its_own_link_and_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    first = (namespace.name(), namespace.link_addresses())
    monkeypatch.setenv("APPSTACK_CACHE", "/another/cache")
    assert first != (namespace.name(), namespace.link_addresses())
    assert len(namespace.name()) <= 15, "Linux's limit for the name of a link"


def test_engine_replaces_runc_only_where_capabilities_are_restricted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "has_restricted_capabilities", lambda: False)
    assert "runtimes" not in engine.configuration()
    monkeypatch.setattr(runtime, "has_restricted_capabilities", lambda: True)
    assert engine.configuration()["default-runtime"] in engine.configuration()["runtimes"]


def test_additions_are_the_difference_of_two_snapshots() -> None:
    before = {"mount": ["/a", "/a"], "link": ["lo"]}
    after = {"mount": ["/a", "/a", "/a"], "link": ["lo", "br-1"], "firewall rule": ["-A"]}

    assert trace.added(before, after) == ["mount /a", "link br-1"]


def test_snapshot_is_recorded_with_the_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "CLUSTER", tmp_path / ".cluster")
    assert trace.load_snapshot() is None

    trace.save_snapshot()

    recorded = trace.load_snapshot()
    assert recorded is not None
    assert recorded["link"] == sorted(trace.links())


@pytest.fixture
def no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without a cluster, in which the creation is replaced by a stub."""
    folder = tmp_path / ".cluster"
    monkeypatch.setattr(state, "CLUSTER", folder)
    monkeypatch.setattr(state, "KUBECONFIG", folder / "kubeconfig")
    monkeypatch.setattr(state, "RECORD", folder / "cluster.json")
    monkeypatch.setattr(lifecycle, "_make", lambda: replace(COMPLETE, own=False))
    monkeypatch.setattr(images, "ensure", lambda *_, **__: None)
    return tmp_path


def test_a_kubeconfig_in_the_environment_is_ignored_with_a_notice(
    no_cluster: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/user/kubeconfig")

    lifecycle.up()

    output = capsys.readouterr().err
    assert "KUBECONFIG=/user/kubeconfig is ignored; to use that cluster, set USE_KUBECONFIG=1" in output
    assert "creating a cluster" in output


def test_use_of_the_users_cluster_needs_kubeconfig_as_well(no_cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_KUBECONFIG", "1")
    monkeypatch.delenv("KUBECONFIG", raising=False)

    with pytest.raises(shell.Failure, match="set KUBECONFIG as well"):
        lifecycle.up()


def test_users_cluster_does_not_replace_an_existing_one(no_cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_KUBECONFIG", "1")
    monkeypatch.setenv("KUBECONFIG", "/user/kubeconfig")
    state.CLUSTER.mkdir()
    state.RECORD.write_text(json.dumps(asdict(COMPLETE)))

    with pytest.raises(shell.Failure, match="run `make cluster-down` before"):
        lifecycle.up()
