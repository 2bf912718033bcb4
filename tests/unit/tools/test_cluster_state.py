"""How the cluster's tool decides: what is built anew, whose engine runs, what a machine lacks."""

from __future__ import annotations

import fcntl
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tools.cluster import engine, images, kube, life, namespace, programs, runtime, shell, state, trace

AVAILABLE = frozenset({"CAP_CHOWN", "CAP_KILL"})
PROCESS = {"args": ["sh"], "capabilities": {"bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"], "ambient": []}}
FILTERED = {"args": ["sh"], "capabilities": {"bounding": ["CAP_CHOWN"], "ambient": []}}
WELL = life.Record("key", own=True, complete=True)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("APPSTACK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_bounding_set_is_read_by_bit() -> None:
    assert runtime.bounding_set("Name:\tsh\nCapBnd:\t0000000000000021\n") == AVAILABLE


def test_what_the_machine_lacks_is_not_asked_for() -> None:
    assert runtime.without_missing(PROCESS, AVAILABLE) == FILTERED
    assert runtime.without_missing({"args": ["sh"]}, AVAILABLE) == {"args": ["sh"]}


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
def test_runc_sees_only_available_capabilities(
    tmp_path: Path, file: str, content: dict[str, Any], arguments: list[str], expected: dict[str, Any]
) -> None:
    (tmp_path / file).write_text(json.dumps(content))
    runtime.filter_files([word.replace("HERE", str(tmp_path)) for word in arguments], AVAILABLE)
    assert json.loads((tmp_path / file).read_text()) == expected


@pytest.mark.parametrize("source", programs.SOURCES.values(), ids=lambda source: source.name)
def test_each_source_is_pinned(source: programs.Source) -> None:
    assert programs.version(source).startswith("v")
    pins = (programs.PINS / source.name / "go.mod").read_text()
    for package in source.packages.values():
        assert package in pins, "each command is a tool line"


def test_a_program_is_kept_by_what_it_is_built_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = programs.SOURCES["etcd"]
    before = programs.key(source)
    monkeypatch.setattr(programs, "PINS", tmp_path)
    (tmp_path / "etcd").mkdir()
    for name, text in (("go.mod", f"require {source.module} v3.6.0\n"), ("go.sum", "other\n")):
        (tmp_path / "etcd" / name).write_text(text)
    assert programs.key(source) != before


def test_an_unknown_program_is_told_with_the_known_ones() -> None:
    with pytest.raises(shell.Failure, match=r"no program 'kubctl'; known are .*kubectl"):
        programs.path("kubctl")


@pytest.mark.parametrize(
    ("record", "unhealthy", "flaw"),
    [
        (None, None, "there is none"),
        (replace(WELL, foreign=True), None, "the last one was the user's own"),
        (replace(WELL, complete=False), None, "it was not made to its end"),
        (replace(WELL, key="old"), None, "it was made from other inputs"),
        (WELL, "its API server does not answer", "its API server does not answer"),
        (WELL, None, None),
    ],
)
def test_a_cluster_is_used_again_only_when_nothing_is_wrong(
    monkeypatch: pytest.MonkeyPatch, record: life.Record | None, unhealthy: str | None, flaw: str | None
) -> None:
    monkeypatch.setattr(life, "key", lambda **_: "key")
    monkeypatch.setattr(kube, "unhealthy", lambda: unhealthy)
    assert life.flaw_of(record) == flaw


def test_a_running_engine_names_its_checkout_and_a_dead_one_nobody(cache: Path) -> None:
    (cache / "engine").mkdir(parents=True)
    (cache / "engine/owner.json").write_text('{"checkout": "/theirs", "pid": 7, "socket": "/s"}')
    assert engine.owner() is None, "nobody holds the lock: the note is a dead one's"
    with (cache / "engine/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert engine.owner() == engine.Owner("/theirs", 7, "/s")


def test_a_socket_gets_a_short_path_wherever_the_checkout_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "CLUSTER", Path("/short/.cluster"))
    assert engine.socket_path() == Path("/short/.cluster/docker.sock")
    monkeypatch.setattr(state, "CLUSTER", Path("/", *["long" * 5] * 10, ".cluster"))
    assert len(str(engine.socket_path())) <= engine.SOCKET_PATH_LIMIT


def test_each_cache_has_a_link_and_addresses_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    first = (namespace.name(), namespace.ends())
    monkeypatch.setenv("APPSTACK_CACHE", "/another/cache")
    assert first != (namespace.name(), namespace.ends())
    assert len(namespace.name()) <= 15, "Linux's limit for the name of a link"


def test_the_engine_touches_no_default_of_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "lacks_capabilities", lambda: False)
    assert "runtimes" not in engine.configuration()
    monkeypatch.setattr(runtime, "lacks_capabilities", lambda: True)
    assert engine.configuration()["default-runtime"] in engine.configuration()["runtimes"]


def test_what_is_new_on_a_machine_is_told_from_two_pictures() -> None:
    before = {"mount": ["/a", "/a"], "link": ["lo"]}
    after = {"mount": ["/a", "/a", "/a"], "link": ["lo", "br-1"], "firewall rule": ["-A"]}

    assert trace.news(before, after) == ["mount /a", "link br-1"]


def test_a_picture_is_kept_with_the_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "CLUSTER", tmp_path / ".cluster")
    assert trace.recalled() is None

    trace.remember()

    kept = trace.recalled()
    assert kept is not None
    assert kept["link"] == sorted(trace.links())


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without a cluster, in which none is made."""
    folder = tmp_path / ".cluster"
    monkeypatch.setattr(state, "CLUSTER", folder)
    monkeypatch.setattr(state, "KUBECONFIG", folder / "kubeconfig")
    monkeypatch.setattr(state, "RECORD", folder / "cluster.json")
    monkeypatch.setattr(life, "_make", lambda: replace(WELL, own=False))
    monkeypatch.setattr(images, "ensure", lambda *_, **__: None)
    return tmp_path


def test_a_kubeconfig_in_the_environment_is_ignored_with_a_notice(
    nothing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/somebody/kubeconfig")

    life.up()

    said = capsys.readouterr().err
    assert "KUBECONFIG=/somebody/kubeconfig is ignored; to use that cluster, say USE_KUBECONFIG=1" in said
    assert "making a cluster" in said


def test_the_users_cluster_is_asked_for_by_two_words(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_KUBECONFIG", "1")
    monkeypatch.delenv("KUBECONFIG", raising=False)

    with pytest.raises(shell.Failure, match="set KUBECONFIG, too"):
        life.up()


def test_a_cluster_of_ours_is_not_forgotten_for_the_users(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_KUBECONFIG", "1")
    monkeypatch.setenv("KUBECONFIG", "/somebody/kubeconfig")
    state.CLUSTER.mkdir()
    state.RECORD.write_text(json.dumps(asdict(WELL)))

    with pytest.raises(shell.Failure, match="run `make cluster-down` before"):
        life.up()
