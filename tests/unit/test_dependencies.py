"""Dependencies between AppStacks: graph and cycles, the workload that waits, checks, and the AppStacks to enqueue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from appstack.api import parse
from appstack.cli.__main__ import main
from appstack.errors import OwnershipConflict
from appstack.informers.appstack_store import AppStackStore
from appstack.k8s.metadata import Key, Ref
from appstack.k8s.observed import Child, Dependencies, Dependency, Observed, Owner
from appstack.planning.changes import Action, Change
from appstack.planning.dependencies import (
    MAX_SEARCHED_EDGES,
    DependencyGraph,
    awaited_dependencies,
    without_workload,
)
from appstack.planning.desired import DesiredState
from appstack.render import render
from appstack.settings import Settings
from appstack.status.build import build_status
from appstack.status.conditions import dependency_not_ready
from appstack.validation.dependencies import dependency_issues
from tests.unit.stacks import issue_messages, parametrize_cases, stack
from tests.unit.status_fixtures import (
    NOW,
    RECONCILING,
    SERVICE,
    STALLED,
    YESTERDAY,
    appstack,
    change,
    condition_statuses,
    message,
    reason,
)

OWNER = Owner(name="shop", uid="u1")
DB, CACHE = Dependency("db", exists=True), Dependency("cache", exists=True, is_ready=True)
DEPLOYMENT = Ref("apps/v1", "Deployment", "team", "shop")


def key(name: str) -> Key:
    return Key("team", name)


def graph_of(edges: Mapping[str, str]) -> DependencyGraph:
    """Return the graph in which each AppStack depends on those whose one-letter names are listed."""
    graph = DependencyGraph()
    for name, dependencies in edges.items():
        graph.set(key(name), tuple(dependencies))
    return graph


@pytest.mark.parametrize(
    ("sentence", "edges", "cycle"),
    [
        ("no dependency", {"a": ""}, ""),
        ("a chain", {"a": "b", "b": "c"}, ""),
        ("two ways to one AppStack", {"a": "bc", "b": "d", "c": "d"}, ""),
        ("a cycle that it only reaches", {"a": "b", "b": "c", "c": "b"}, ""),
        ("itself", {"a": "a"}, "aa"),
        ("one other", {"a": "b", "b": "a"}, "aba"),
        ("the shortest of several", {"a": "be", "b": "c", "c": "d", "d": "a", "e": "a"}, "aea"),
        ("a long one", {"a": "b", "b": "c", "c": "d", "d": "a"}, "abcda"),
    ],
)
def test_cycle_is_found_from_each_of_its_members(sentence: str, edges: dict[str, str], cycle: str) -> None:
    assert tuple(cycle) == graph_of(edges).cycle(key("a")), sentence


def test_other_namespace_closes_no_cycle() -> None:
    graph = graph_of({"a": "b"})
    graph.set(Key("other", "b"), ("a",))

    assert () == graph.cycle(key("a"))


@pytest.mark.parametrize(
    ("sentence", "edges", "name", "dependencies", "members"),
    [
        ("closes a cycle", {"a": "b", "b": "c"}, "c", "a", "abc"),
        ("breaks a cycle", {"a": "b", "b": "c", "c": "a"}, "c", "", "abc"),
        ("moves to another cycle", {"a": "b", "b": "a", "c": "b"}, "b", "c", "abc"),
        ("closes none", {"a": "b"}, "b", "c", ""),
        ("does not change", {"a": "b", "b": "a"}, "b", "a", ""),
        ("is beside a cycle", {"a": "b", "b": "a", "d": "a"}, "d", "b", ""),
    ],
)
def test_change_of_dependencies_returns_the_members_of_its_cycles(
    sentence: str, edges: dict[str, str], name: str, dependencies: str, members: str
) -> None:
    assert {key(each) for each in members} == graph_of(edges).set(key(name), tuple(dependencies)), sentence


def test_graph_forgets_what_is_removed() -> None:
    graph = graph_of({"a": "b", "b": "a"})
    graph.set(key("b"), ())
    assert {key("a")} == set(graph.dependents(key("b")))
    assert not graph.dependents(key("a"))

    graph.drop_namespace("team")
    assert not graph.dependents(key("b"))
    assert frozenset() == graph.set(key("b"), ("a",))


def test_search_for_a_cycle_is_bounded() -> None:
    number = MAX_SEARCHED_EDGES + 10
    graph = DependencyGraph()
    for index in range(number):
        graph.set(key(f"s{index}"), (f"s{(index + 1) % number}",))

    assert () == graph.cycle(key("s0")), "AppStacks that wait for each other"
    graph.set(key(f"s{number - 100}"), ("s0",))
    assert number - 100 + 2 == len(graph.cycle(key("s0")))


@pytest.mark.parametrize(
    ("sentence", "children", "recorded", "waits"),
    [
        ("a new AppStack", [], [], True),
        ("another kind is recorded", [], [Ref("v1", "Service", "team", "shop")], True),
        ("the workload is recorded", [], [DEPLOYMENT], False),
        ("a former workload is recorded", [], [Ref("batch/v1", "Job", "team", "shop")], False),
        ("the workload is live", [Child(DEPLOYMENT, "d", "1", "shop", owner_uid="u1")], [], False),
        ("a former AppStack of the name has one", [Child(DEPLOYMENT, "d", "1", "shop", owner_uid="u0")], [], True),
        ("another Deployment has the label", [Child(DEPLOYMENT, "d", "1", "shop")], [], True),
    ],
)
def test_only_the_first_creation_of_the_workload_waits(
    sentence: str, children: list[Child], recorded: list[Ref], waits: bool
) -> None:
    observed = Observed({child.ref: child for child in children})

    awaited = awaited_dependencies(Dependencies((DB, CACHE)), OWNER, observed=observed, recorded=recorded)

    assert awaited == ((DB,) if waits else ()), sentence


def test_everything_but_the_workload_and_its_autoscaler_is_applied_at_once() -> None:
    text = """
        files: [{path: /a, content: a}]
        volumes: [{name: data, claim: {resources: {requests: {storage: 1Gi}}}}]
        serviceAccount: {}
        autoscaling: {maxReplicas: 2}
        podDisruptionBudget: {maxUnavailable: 1}
        networkPolicy: {}
        ingress: {hosts: [a.example.com]}
        """
    manifests = render(stack(text), settings=Settings())
    waiting = {manifest["kind"] for manifest in manifests} - {each["kind"] for each in without_workload(manifests)}

    assert {"Deployment", "HorizontalPodAutoscaler"} == waiting


def test_condition_names_the_dependencies_and_the_time() -> None:
    result = dependency_not_ready([DB, Dependency("queue")], since="2026-12-01T00:00:00Z")

    assert "DependencyNotReady" == result.reason
    assert (
        "The workload waits since 2026-12-01T00:00:00Z for AppStack db, which is not ready; queue, which does not exist"
    ) == result.message


CASES: Mapping[str, tuple[str, Iterable[str]]] = {
    "other AppStacks": ("dependsOn: [{name: db}, {name: cache}]", []),
    "the AppStack itself": (
        "dependsOn: [{name: db}, {name: shop}]",
        ["spec.dependsOn[1].name: is the AppStack itself, so its workload would never be created (remove the entry)"],
    ),
    "an AppStack twice": (
        "dependsOn: [{name: db}, {name: db}]",
        [
            "spec.dependsOn[1].name: the AppStack 'db' is already defined at spec.dependsOn[0].name "
            "(remove one of the two)"
        ],
    ),
}


@parametrize_cases(CASES)
def test_list_of_dependencies(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("Job", "is a Job: only its first completion is awaited, and no later run"),
        ("CronJob", "is a CronJob, which is Ready before its first run"),
        ("Pod", ""),
        ("", ""),
    ],
)
def test_dependency_on_a_job_is_warned_of(kind: str, reason: str) -> None:
    dependencies = Dependencies((CACHE, Dependency("db", exists=bool(kind), workload_kind=kind)))

    issues = dependency_issues(stack("dependsOn: [{name: cache}, {name: db}]"), dependencies)

    expected = [("spec.dependsOn[1].name", f"'db' {reason}")] if reason else []
    assert expected == [(issue.field, issue.message) for issue in issues]


def test_cycle_is_refused_with_its_members() -> None:
    (issue,) = dependency_issues(stack("dependsOn: [{name: db}]"), Dependencies((DB,), cycle=("shop", "db", "shop")))

    assert (
        "spec.dependsOn: is part of a cycle, in which every AppStack waits for another: shop -> db -> shop "
        "(remove one of these dependencies)"
    ) == str(issue)


class Cluster:
    """A store of AppStacks, and the names of those that it enqueues."""

    def __init__(self) -> None:
        self.enqueued: list[str] = []
        self.store = AppStackStore(enqueue=lambda key: self.enqueued.append(key.name))
        self._version = 0

    def show(
        self, name: str, *depends_on: str, ready: bool | None = None, kind: str = "", generation: int = 1, **meta: Any
    ) -> None:
        """Show an AppStack as a watch does; `ready` is the status of its condition, if it has a status."""
        self._version += 1
        metadata = {"name": name, "namespace": "team", "uid": f"u-{name}", "resourceVersion": str(self._version)}
        spec = {"dependsOn": [{"name": each} for each in depends_on], "workload": {"kind": kind} if kind else None}
        conditions = [{"type": "Ready", "status": str(ready)}]
        status = {} if ready is None else {"observedGeneration": 1, "conditions": conditions}
        manifest = {"metadata": metadata | {"generation": generation} | meta, "spec": spec, "status": status}
        self.store.update(manifest)

    def wait(self, name: str) -> None:
        """Note that the last reconcile of an AppStack held back its workload."""
        stored = self.store.get(key(name))
        assert stored is not None
        stored.state.awaits_dependencies = True

    def taken(self) -> list[str]:
        """Return the names that were enqueued since the last call."""
        taken, self.enqueued = self.enqueued, []
        return taken


@pytest.fixture
def cluster() -> Cluster:
    """Return a store with `shop`, which waits for `db`, and `blog`, which depends on it and runs."""
    cluster = Cluster()
    cluster.show("shop", "db")
    cluster.show("blog", "db")
    cluster.wait("shop")
    return cluster


def test_waiting_dependent_is_enqueued_when_its_dependency_appears_becomes_ready_or_goes(cluster: Cluster) -> None:
    cluster.show("other", ready=True)
    assert [] == cluster.taken()
    cluster.show("db", ready=False)
    assert {"shop", "blog"} == set(cluster.taken()), "the kind of the dependency is known now"
    cluster.show("db", ready=False)
    assert [] == cluster.taken()
    cluster.show("db", ready=True)
    assert ["shop"] == cluster.taken()
    assert Dependencies((Dependency("db", exists=True, is_ready=True, workload_kind="Deployment"),)) == (
        cluster.store.dependencies(key("shop"))
    )
    cluster.store.delete(key("db"), uid="u-db")
    assert {"shop", "blog"} == set(cluster.taken())
    assert Dependencies((Dependency("db"),)) == cluster.store.dependencies(key("shop"))


@pytest.mark.parametrize(
    "shown",
    [
        {"ready": None},
        {"ready": False},
        {"ready": True, "generation": 2},
        {"ready": True, "deletionTimestamp": "2026-12-01T00:00:00Z"},
    ],
    ids=["no status", "not ready", "status of a former generation", "deleting"],
)
def test_dependency_that_is_not_ready(cluster: Cluster, shown: dict[str, Any]) -> None:
    cluster.show("db", **shown)

    (dependency,) = cluster.store.dependencies(key("shop")).listed
    assert dependency.exists
    assert not dependency.is_ready


def test_written_status_of_the_dependency_enqueues_the_waiting_dependent(cluster: Cluster) -> None:
    cluster.show("db")
    cluster.taken()
    stored = cluster.store.get(key("db"))
    assert stored is not None
    response = {"metadata": stored.manifest["metadata"] | {"resourceVersion": "99"}}
    status = {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}

    cluster.store.record_status_write(key("db"), response, status=status, covers=(), at=1.0)

    assert ["shop"] == cluster.taken()


def test_kind_of_a_dependency_enqueues_every_dependent_for_its_warning(cluster: Cluster) -> None:
    cluster.show("db")
    cluster.taken()

    cluster.show("db", kind="Job")

    assert {"shop", "blog"} == set(cluster.taken())


def test_members_of_a_cycle_are_enqueued_when_it_is_closed_and_broken(cluster: Cluster) -> None:
    cluster.show("db", "blog")
    assert {"blog", "db"} <= set(cluster.taken())
    assert ("blog", "db", "blog") == cluster.store.dependencies(key("blog")).cycle
    assert () == cluster.store.dependencies(key("shop")).cycle, "it only waits for a member"

    cluster.show("db")
    assert {"blog", "db"} == set(cluster.taken())
    cluster.show("db", "blog")
    cluster.taken()
    cluster.store.delete(key("db"), uid="u-db")
    assert {"blog", "db"} <= set(cluster.taken())


def test_namespace_that_another_shard_takes_over_is_forgotten(cluster: Cluster) -> None:
    cluster.store.drop_namespace("team")
    cluster.show("db", ready=True)

    assert [] == cluster.taken()


def test_validate_finds_a_cycle_and_a_job_among_the_appstacks_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    specs = {
        "a": "{backend: {image: i}, dependsOn: [{name: b}, {name: job}, {name: elsewhere}]}",
        "b": "{backend: {image: i}, dependsOn: [{name: a}]}",
        "job": "{backend: {image: i}, workload: {kind: Job}}",
    }
    head = "apiVersion: appstack.dev/v1alpha1\nkind: AppStack"
    file = tmp_path / "stacks.yaml"
    file.write_text("---\n".join(f"{head}\nmetadata: {{name: {name}}}\nspec: {spec}\n" for name, spec in specs.items()))

    assert main(["validate", "-f", str(file)]) == 1

    lines = [line.removeprefix(f"{file}: ").partition(" (")[0] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "a: spec.dependsOn: is part of a cycle, in which every AppStack waits for another: a -> b -> a",
        "a: warning: spec.dependsOn[1].name: 'job' is a Job: only its first completion is awaited, and no later run",
        "b: spec.dependsOn: is part of a cycle, in which every AppStack waits for another: b -> a -> b",
    ]


def waiting_status(previous: dict[str, Any], *changes: Change, now: str) -> dict[str, Any]:
    """Return the status of an AppStack whose workload waits for `db`."""
    manifest = appstack(previous, dependsOn=[{"name": "db"}])
    desired = DesiredState(parse(manifest), (), awaited=(DB,))
    return build_status(manifest, desired=desired, observed=Observed(), changes=changes, now=now)


def test_time_since_when_the_workload_waits_stays_the_same() -> None:
    first = waiting_status({}, now=YESTERDAY)
    later = waiting_status(first, now=NOW)

    assert (reason(later), condition_statuses(later)) == ("DependencyNotReady", RECONCILING)
    assert message(later) == f"The workload waits since {YESTERDAY} for AppStack db, which is not ready"
    assert first == later


def test_failure_of_another_object_does_not_hide_that_the_workload_waits() -> None:
    status = waiting_status({}, change(SERVICE, Action.FAILED, OwnershipConflict(SERVICE)), now=NOW)

    assert (reason(status), condition_statuses(status)) == ("ForeignObject", STALLED)
    assert message(status).endswith(f"; The workload waits since {NOW} for AppStack db, which is not ready")
