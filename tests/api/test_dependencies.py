"""Dependencies between AppStacks on a real API server: what waits, for how long, and at which cost."""

from __future__ import annotations

from typing import Any

from tests.api.audit_log import AuditLog
from tests.api.cluster import CHILD_COUNT, Manifest, Namespace, eventually
from tests.api.operator_process import OperatorProcess

ON_DB: dict[str, Any] = {"dependsOn": [{"name": "db"}]}
UNREADY: dict[str, Any] = {"replicas": 1}  # no node runs its pod
CLAIM: dict[str, Any] = {"volumes": [{"name": "data", "claim": {"resources": {"requests": {"storage": "1Mi"}}}}]}
MOUNT = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
OF_UNREADY = "list events 200"  # once in a while in each namespace with an AppStack that is not ready
BACKEND = {"image": "busybox:1.35.0", "ports": [{"containerPort": 8000}]}


def waiting_message(namespace: Namespace, name: str = "shop") -> str:
    """Wait until an AppStack waits for its dependencies; return the message."""
    reconciling = eventually(lambda: namespace.condition("Reconciling", name))
    return str(reconciling["message"]) if reconciling["reason"] == "DependencyNotReady" else ""


def kinds(namespace: Namespace, name: str = "shop") -> set[str]:
    """Return the kinds of the objects that the status of an AppStack records."""
    return {entry["kind"] for entry in namespace.status(name).get("resources", ())}


def edit_image(namespace: Namespace, image: str) -> None:
    """Change the image of the AppStack `shop`, and wait until the Deployment has it."""
    namespace.edit_stack(backend={"image": image})
    eventually(lambda: _image(namespace.get("Deployment", "shop")) == image)


def _image(deployment: Manifest) -> Any:
    return deployment["spec"]["template"]["spec"]["containers"][0]["image"]


def test_workload_is_first_created_when_its_dependency_is_ready(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    namespace.create_stack(backend=BACKEND | MOUNT, **CLAIM, **ON_DB)

    eventually(lambda: "AppStack db, which does not exist" in waiting_message(namespace))
    assert kinds(namespace) == {"ServiceAccount", "ConfigMap", "Service", "PersistentVolumeClaim"}
    assert namespace.exists("PersistentVolumeClaim", "shop-data")
    condition = namespace.condition("Reconciling")
    assert f"since {condition['lastTransitionTime']} for" in condition["message"]

    namespace.create_stack("db", **UNREADY)
    eventually(lambda: "AppStack db, which is not ready" in waiting_message(namespace))
    assert not namespace.exists("Deployment", "shop")

    namespace.edit_stack("db", replicas=0)
    namespace.wait_until_ready()
    assert "Deployment" in kinds(namespace)


def test_nothing_later_waits_for_the_dependency(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack("db")
    namespace.create_stack(**ON_DB)
    namespace.wait_until_ready()

    namespace.edit_stack("db", **UNREADY)
    eventually(lambda: namespace.condition("Reconciling", "db"))
    edit_image(namespace, "busybox:2")
    namespace.delete("Deployment", "shop")
    eventually(lambda: namespace.exists("Deployment", "shop"))
    namespace.delete("AppStack", "db")
    edit_image(namespace, "busybox:3")
    namespace.edit_stack(workload={"kind": "StatefulSet"})
    eventually(lambda: namespace.exists("StatefulSet", "shop"))
    namespace.wait_until_ready()
    assert not namespace.exists("Deployment", "shop")


def test_running_appstack_gets_a_dependency_without_waiting(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()

    namespace.edit_stack(**ON_DB)
    namespace.wait_until_ready()
    edit_image(namespace, "busybox:2")


def test_restart_of_the_operator_changes_nothing(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack("db", **UNREADY)
    namespace.create_stack(**ON_DB)
    message = eventually(lambda: waiting_message(namespace))

    operator.stop()
    operator.start()
    namespace.edit_stack(paused=False)
    assert waiting_message(namespace) == message, "the time of the start is that of before"
    assert not namespace.exists("Deployment", "shop")

    operator.stop()
    namespace.edit_stack("db", replicas=0)
    operator.start()
    namespace.wait_until_ready()

    operator.stop()
    namespace.edit_stack("db", **UNREADY)
    operator.start()
    edit_image(namespace, "busybox:2")


def test_dependent_can_be_deleted_while_it_waits_and_later(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack("db", **UNREADY)
    namespace.create_stack(**ON_DB)
    eventually(lambda: waiting_message(namespace))

    namespace.delete("AppStack", "shop")
    eventually(lambda: not namespace.exists("Service", "shop"))
    namespace.edit_stack("db", replicas=0)
    namespace.wait_until_ready("db")
    assert not namespace.exists("Deployment", "shop")

    namespace.create_stack(**ON_DB)
    namespace.wait_until_ready()
    namespace.delete("AppStack", "shop")
    eventually(lambda: not namespace.exists("Deployment", "shop"))
    assert namespace.condition("Ready", "db")


def test_chain_starts_in_order(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack("web", dependsOn=[{"name": "shop"}])
    namespace.create_stack(**ON_DB)
    eventually(lambda: waiting_message(namespace, "web"))
    eventually(lambda: waiting_message(namespace))

    namespace.create_stack("db")
    namespace.wait_until_ready("web")

    created = {name: namespace.get("Deployment", name)["metadata"] for name in ("db", "shop", "web")}
    assert sorted(created, key=lambda name: int(created[name]["resourceVersion"])) == ["db", "shop", "web"]


def test_cycle_is_refused_with_its_members_until_it_is_broken(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack(**ON_DB)
    eventually(lambda: waiting_message(namespace))
    namespace.create_stack("db", dependsOn=[{"name": "cache"}])
    namespace.create_stack("cache", dependsOn=[{"name": "shop"}])

    cycles = {
        "shop": "shop -> db -> cache -> shop",
        "db": "db -> cache -> shop -> db",
        "cache": "cache -> shop -> db -> cache",
    }
    for name, cycle in cycles.items():
        eventually(lambda name=name, cycle=cycle: cycle in namespace.condition("Stalled", name)["message"])  # type: ignore[misc]
        assert namespace.condition("Stalled", name)["reason"] == "InvalidSpec"
    assert namespace.list("Deployment") == []

    namespace.edit_stack("cache", dependsOn=None)
    for name in cycles:
        namespace.wait_until_ready(name)


def test_dependency_on_itself_is_refused(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack(dependsOn=[{"name": "shop"}])

    message = eventually(lambda: namespace.condition("Stalled"))["message"]
    assert "spec.dependsOn[0].name: is the AppStack itself" in message


def test_dependency_on_a_job_is_warned_of(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack(**ON_DB)
    eventually(lambda: waiting_message(namespace))

    namespace.create_stack("db", workload={"kind": "Job"}, replicas=None)

    eventually(lambda: "Warning: spec.dependsOn[0].name: 'db' is a Job" in waiting_message(namespace))


def test_waiting_costs_no_request(namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess) -> None:
    names = [f"shop-{number}" for number in range(3)]
    namespace.create_stack("db", **UNREADY)
    with audit_log.counting(namespace.name) as creation:
        for name in names:
            namespace.create_stack(name, **ON_DB)
            eventually(lambda name=name: waiting_message(namespace, name))  # type: ignore[misc]
    assert {request for request in creation if not request.startswith("patch")} - {OF_UNREADY} == set(), "no read"
    applied = sum(number for request, number in creation.items() if request.endswith(" 201"))
    assert applied == len(names) * (CHILD_COUNT - 1)

    before = [namespace.get("AppStack", name)["metadata"]["resourceVersion"] for name in names]
    with audit_log.counting(namespace.name) as change:
        namespace.edit_stack("db", backend={"image": "busybox:2"})
        eventually(lambda: namespace.condition("Reconciling", "db"))
    assert {*change} - {OF_UNREADY} == {"patch deployments 200", "patch appstacks/status 200"}, "of db itself"
    assert before == [namespace.get("AppStack", name)["metadata"]["resourceVersion"] for name in names]

    with audit_log.counting(namespace.name) as start:
        namespace.edit_stack("db", replicas=0)
        for name in names:
            namespace.wait_until_ready(name)
    assert start["patch deployments 201"] == len(names)
    assert {request for request in start if "status" not in request} - {OF_UNREADY} == {
        "patch deployments 201",
        "patch deployments 200",  # of db
    }
