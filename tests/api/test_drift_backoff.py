"""Repeated drift: a client that reverts every repair causes few writes, and an edit is still applied at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import urllib3

from tests.api.audit_log import AuditLog
from tests.api.cluster import JSON_PATCH, OTHER_MANAGER, ApiError, Cluster, Namespace, eventually
from tests.api.operator_process import OperatorProcess

SELECTOR_PATH = "/spec/selector/appstack.dev~1stack"
REPORTED_REPAIRS = 11  # in the message of status once the back-off has reached eight seconds
MAX_REPAIRS = 8 + 5  # eight at once, then after 1, 2, 4, 8 and 16 s: a conflict of half a minute
REVERT_POLL_SECONDS = 0.02


def _change_service(namespace: Namespace) -> None:
    patch = [{"op": "replace", "path": SELECTOR_PATH, "value": "other"}]
    namespace.patch("Service", "shop", patch, content_type=JSON_PATCH)


def _delete_service(namespace: Namespace) -> None:
    namespace.delete("Service", "shop")


def _is_repaired(namespace: Namespace) -> bool:
    return bool(namespace.get("Service", "shop")["spec"]["selector"]["appstack.dev/stack"] == "shop")


@contextmanager
def reverting_repairs(namespace: Namespace, revert: Callable[[Namespace], None]) -> Iterator[None]:
    """Revert every repair of the Service, in a thread, during the block."""
    stopped, other_client = threading.Event(), Namespace(Cluster(), namespace.name)

    def run() -> None:
        while not stopped.wait(REVERT_POLL_SECONDS):
            try:
                if _is_repaired(other_client):
                    revert(other_client)
            except ApiError as error:
                # The Service is deleted at the moment, or the API server is overloaded.
                assert error.status in (404, 409) or error.status >= 500  # noqa: PT017
            except urllib3.exceptions.HTTPError:
                pass  # the API server is overloaded

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        other_client.cluster.close()


def _drift_problem_message(namespace: Namespace) -> str:
    """Return the message of the Contested problem; raise AssertionError while status has none."""
    assert namespace.condition("Reconciling")["reason"] == "Contested"
    (problem,) = namespace.status()["problems"]
    assert ("Service/shop", "Contested") == (problem["resource"], problem["reason"])
    return str(problem["message"])


@pytest.mark.parametrize(
    ("revert", "repair", "message_start"),
    [
        (_change_service, "patch services 200", f"Service shop was changed by {OTHER_MANAGER} (spec.selector)"),
        (_delete_service, "patch services 201", "Service shop was deleted, or lost the label appstack.dev/stack"),
    ],
    ids=["changed", "deleted"],
)
def test_repeated_drift_causes_few_writes_and_is_reported_in_status_and_repaired_in_the_end(
    namespace: Namespace,
    audit_log: AuditLog,
    operator: OperatorProcess,
    revert: Callable[[Namespace], None],
    repair: str,
    message_start: str,
) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()
    before = len(audit_log.requests(namespace.name))

    with reverting_repairs(namespace, revert):
        message = eventually(lambda: _drift_problem_message(namespace), within=15)
        eventually(lambda: f"{REPORTED_REPAIRS} times" in namespace.status()["problems"][0]["message"], within=15)
    eventually(lambda: _is_repaired(namespace), within=20)
    eventually(lambda: namespace.condition("Ready"))

    assert message.startswith(message_start)
    assert " times within " in message
    assert "next repair at " in message
    requests = audit_log.requests(namespace.name)[before:]
    assert REPORTED_REPAIRS <= requests.count(repair) <= MAX_REPAIRS
    assert requests.count("patch appstacks/status 200") <= 2 * MAX_REPAIRS
    (event,) = [event for event in namespace.list("Event") if event["reason"] == "Contested"]
    assert "Warning" == event["type"]


def test_edit_is_applied_at_once_during_the_backoff(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()

    with reverting_repairs(namespace, _change_service):
        eventually(lambda: f"{REPORTED_REPAIRS} times" in _drift_problem_message(namespace), within=20)
        assert not _is_repaired(namespace)
        namespace.edit_stack(service={"metadata": {"annotations": {"a": "b"}}})
        # The back-off would last eight seconds.
        eventually(lambda: namespace.get("Service", "shop")["metadata"]["annotations"]["a"] == "b", within=5)
