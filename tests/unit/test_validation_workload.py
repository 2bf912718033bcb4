"""Validation of the options of each kind of workload, and of cron schedules."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from appstack.validation.jobs import schedule_errors
from tests.unit.stacks import issue_messages, parametrize_cases

JOB = "spec.workload.job"
CRON_JOB = "spec.workload.cronJob"
SET = "spec.workload.statefulSet"
DAEMON_SET = "spec.workload.daemonSet.updateStrategy"
SCHEDULE_HINT = '(use a cron schedule such as "0 3 * * *" or "@daily")'


def workload(kind: str, fields: str, more: str = "") -> str:
    member = kind[0].lower() + kind[1:]
    return f"{{workload: {{kind: {kind}, {member}: {{{fields}}}}}, {more}}}"


def test_schedule_with_a_very_long_number_is_rejected() -> None:
    assert 1 == len(list(schedule_errors(f"*/{'9' * 5_000} * * * *")))
    assert 1 == len(list(schedule_errors(f"{'9' * 5_000} * * * *")))


def cron_job(fields: str) -> str:
    return workload("CronJob", f"schedule: '@daily', {fields}")


CASES = {
    "StatefulSet options are valid": (
        workload("StatefulSet", "podManagementPolicy: Parallel, updateStrategy: {rollingUpdate: {partition: 1}}"),
        [],
    ),
    "invalid StatefulSet options": (
        workload(
            "StatefulSet", "podManagementPolicy: Fast, updateStrategy: {type: Recreate, rollingUpdate: {partition: -1}}"
        ),
        [
            f"{SET}.updateStrategy.rollingUpdate.partition: -1 is less than 0 (use 0 or more)",
            f"{SET}.podManagementPolicy: 'Fast' is not a pod management policy (use OrderedReady or Parallel)",
            f"{SET}.updateStrategy.type: 'Recreate' is not a strategy (use RollingUpdate or OnDelete)",
        ],
    ),
    "rollingUpdate with type OnDelete": (
        workload("StatefulSet", "updateStrategy: {type: OnDelete, rollingUpdate: {partition: 1}}"),
        [f"{SET}.updateStrategy.rollingUpdate: cannot be combined with type: OnDelete (remove one of the two)"],
    ),
    "partition above the highest ordinal": (
        workload("StatefulSet", "updateStrategy: {rollingUpdate: {partition: 3}}", "replicas: 3"),
        [
            f"Warning: {SET}.updateStrategy.rollingUpdate.partition: no pod is updated: the highest ordinal of 3 "
            "replicas is 2 (lower the partition)"
        ],
    ),
    "partition below the highest ordinal with another start is valid": (
        workload("StatefulSet", "ordinals: {start: 2}, updateStrategy: {rollingUpdate: {partition: 4}}", "replicas: 3"),
        [],
    ),
    "DaemonSet with maxSurge is valid": (
        workload("DaemonSet", "updateStrategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}"),
        [],
    ),
    "DaemonSet with maxSurge and maxUnavailable": (
        workload("DaemonSet", "updateStrategy: {rollingUpdate: {maxSurge: 10%}}"),
        [
            f"{DAEMON_SET}.rollingUpdate.maxSurge: cannot be combined with maxUnavailable, which defaults to 1 "
            "(set maxUnavailable: 0)"
        ],
    ),
    "DaemonSet without maxSurge and maxUnavailable": (
        workload("DaemonSet", "updateStrategy: {rollingUpdate: {maxUnavailable: 0}}"),
        [
            f"{DAEMON_SET}.rollingUpdate.maxUnavailable: must not be 0 without maxSurge: no pod could be replaced "
            "(set one of the two to at least 1)"
        ],
    ),
    "DaemonSet with maxSurge and a host port": (
        workload(
            "DaemonSet",
            "updateStrategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}",
            "backend: {image: x, ports: [{containerPort: 1, hostPort: 1}]}",
        ),
        [
            f"{DAEMON_SET}.rollingUpdate.maxSurge: only one pod of a node can use a hostPort, so the new pod would "
            "wait for the old one (use maxUnavailable, or remove the hostPort)"
        ],
    ),
    "indexed Job is valid": (
        workload(
            "Job",
            "completionMode: Indexed, completions: 3, backoffLimitPerIndex: 1, maxFailedIndexes: 1",
            "pod: {restartPolicy: Never}",
        ),
        [],
    ),
    "indexed Job without completions and backoffLimitPerIndex": (
        workload("Job", "completionMode: Indexed, successPolicy: {rules: [{succeededCount: 1}]}, maxFailedIndexes: 1"),
        [
            f"{JOB}.completions: is required with completionMode: Indexed (set the number of indexes)",
            f"{JOB}.maxFailedIndexes: requires backoffLimitPerIndex (set backoffLimitPerIndex, or remove the field)",
        ],
    ),
    "successPolicy of a Job without indexes": (
        workload("Job", "completionMode: Every, successPolicy: {rules: [{succeededCount: 1}]}"),
        [
            f"{JOB}.completionMode: 'Every' is not a completion mode (use NonIndexed or Indexed)",
            f"{JOB}.successPolicy: requires completionMode: Indexed (set completionMode: Indexed, or remove the field)",
        ],
    ),
    "podFailurePolicy with pods that are restarted": (
        workload("Job", "podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: [1]}}]}"),
        [
            f"{JOB}.podFailurePolicy: requires pods that are never restarted; a Job's default restartPolicy is "
            "OnFailure (set spec.pod.restartPolicy: Never)"
        ],
    ),
    "Job with parallelism 0": (
        workload("Job", "parallelism: 0"),
        [f"Warning: {JOB}.parallelism: 0 starts no pod (set suspend: true)"],
    ),
    "CronJob without schedule": (
        "workload: {kind: CronJob}",
        [f"{CRON_JOB}.schedule: is required {SCHEDULE_HINT}"],
    ),
    "invalid schedule": (
        workload("CronJob", "schedule: daily"),
        [
            f"{CRON_JOB}.schedule: 'daily' has 1 fields instead of 5: minute, hour, day of the month, month, day of "
            f"the week {SCHEDULE_HINT}"
        ],
    ),
    "time zone is valid": (cron_job("timeZone: America/Argentina/Buenos_Aires"), []),
    "invalid time zone and concurrency policy": (
        cron_job("timeZone: Local, concurrencyPolicy: Never"),
        [
            f"{CRON_JOB}.timeZone: 'Local' is not a valid time zone (use a name such as Europe/Berlin or Etc/UTC)",
            f"{CRON_JOB}.concurrencyPolicy: 'Never' is not a concurrency policy (use Allow, Forbid or Replace)",
        ],
    ),
    "unknown restart policy": (
        "pod: {restartPolicy: Sometimes}",
        ["spec.pod.restartPolicy: 'Sometimes' is not a restart policy (use Always, OnFailure or Never)"],
    ),
}


@parametrize_cases(CASES)
def test_workload_options(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines


@pytest.mark.parametrize(
    "schedule",
    [
        *("* * * * *", "*/5 0-6 1,15 jan-mar MON", "5/15 0 ? * sun,6", "59 23 31 12 0", "0 3 * * 1-5/2"),
        *("@daily", "@yearly", "@every 1h30m", "@every 1.5h"),
    ],
)
def test_valid_schedule_has_no_error(schedule: str) -> None:
    assert [] == list(schedule_errors(schedule))


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("60 * * * *", "'60' is not a valid minute: allowed are 0 to 59, *, ranges a-b, steps /n, and lists of these"),
        ("0 24 * * *", "'24' is not a valid hour: allowed are 0 to 23, *, ranges a-b, steps /n, and lists of these"),
        (
            "0 0 0 * *",
            "'0' is not a valid day of the month: allowed are 1 to 31, *, ranges a-b, steps /n, and lists of these",
        ),
        (
            "0 0 1 foo *",
            "'foo' is not a valid month: allowed are 1 to 12 or jan to dec, *, ranges a-b, steps /n, and lists of "
            "these",
        ),
        (
            "0 0 * * 7",
            "'7' is not a valid day of the week: allowed are 0 to 6 or sun to sat, *, ranges a-b, steps /n, and "
            "lists of these",
        ),
        (
            "5-1 * * * *",
            "'5-1' is not a valid minute: allowed are 0 to 59, *, ranges a-b, steps /n, and lists of these",
        ),
        (
            "*/0 * * * *",
            "'*/0' is not a valid minute: allowed are 0 to 59, *, ranges a-b, steps /n, and lists of these",
        ),
        (
            "1,, * * * *",
            "'1,,' is not a valid minute: allowed are 0 to 59, *, ranges a-b, steps /n, and lists of these",
        ),
        ("@reboot", "'@reboot' is not a valid schedule"),
        ("TZ=UTC 0 * * * *", "must not contain a time zone; set timeZone instead"),
        (
            "0 0 * * * *",
            "'0 0 * * * *' has 6 fields instead of 5: minute, hour, day of the month, month, day of the week",
        ),
    ],
)
def test_invalid_schedule_has_one_error(schedule: str, message: str) -> None:
    assert [message] == list(schedule_errors(schedule))
