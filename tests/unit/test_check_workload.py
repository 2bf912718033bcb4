"""Options of each kind of workload: what contradicts itself, and what Kubernetes does not know."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from appstack.validation.jobs import unreadable
from tests.unit.stacks import complaints, table

JOB = "spec.workload.job"
CRON_JOB = "spec.workload.cronJob"
SET = "spec.workload.statefulSet"
DAEMON_SET = "spec.workload.daemonSet.updateStrategy"
EXAMPLE = '(for example "0 3 * * *" or "@daily")'


def of(kind: str, fields: str, more: str = "") -> str:
    member = kind[0].lower() + kind[1:]
    return f"{{workload: {{kind: {kind}, {member}: {{{fields}}}}}, {more}}}"


def test_a_number_of_any_length_is_no_part_of_a_schedule() -> None:
    assert 1 == len(list(unreadable(f"*/{'9' * 5_000} * * * *")))
    assert 1 == len(list(unreadable(f"{'9' * 5_000} * * * *")))


def scheduled(fields: str) -> str:
    return of("CronJob", f"schedule: '@daily', {fields}")


CASES = {
    "a set's options": (
        of("StatefulSet", "podManagementPolicy: Parallel, updateStrategy: {rollingUpdate: {partition: 1}}"),
        [],
    ),
    "a set's options that are none": (
        of(
            "StatefulSet", "podManagementPolicy: Fast, updateStrategy: {type: Recreate, rollingUpdate: {partition: -1}}"
        ),
        [
            f"{SET}.updateStrategy.rollingUpdate.partition: -1 is less than 0 (0 or more)",
            f"{SET}.podManagementPolicy: 'Fast' is not a policy (OrderedReady or Parallel)",
            f"{SET}.updateStrategy.type: 'Recreate' is not a strategy (RollingUpdate or OnDelete)",
        ],
    ),
    "a strategy that excludes its own options": (
        of("StatefulSet", "updateStrategy: {type: OnDelete, rollingUpdate: {partition: 1}}"),
        [f"{SET}.updateStrategy.rollingUpdate: type: OnDelete excludes it (keep one of the two)"],
    ),
    "a partition above all pods": (
        of("StatefulSet", "updateStrategy: {rollingUpdate: {partition: 3}}", "replicas: 3"),
        [
            f"Warning: {SET}.updateStrategy.rollingUpdate.partition: no pod is updated: the last of 3 has the number 2 "
            "(lower it to update some)"
        ],
    ),
    "a partition among pods that count from elsewhere": (
        of("StatefulSet", "ordinals: {start: 2}, updateStrategy: {rollingUpdate: {partition: 4}}", "replicas: 3"),
        [],
    ),
    "pods that surge": (
        of("DaemonSet", "updateStrategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}"),
        [],
    ),
    "pods that surge and go at once": (
        of("DaemonSet", "updateStrategy: {rollingUpdate: {maxSurge: 10%}}"),
        [
            f"{DAEMON_SET}.rollingUpdate.maxSurge: excludes maxUnavailable, which is 1 unless it is written "
            "(write maxUnavailable: 0 beside it)"
        ],
    ),
    "pods that neither surge nor go": (
        of("DaemonSet", "updateStrategy: {rollingUpdate: {maxUnavailable: 0}}"),
        [
            f"{DAEMON_SET}.rollingUpdate.maxUnavailable: without maxSurge no pod could ever be replaced "
            "(let one of the two be at least 1)"
        ],
    ),
    "pods that surge on the node's own port": (
        of(
            "DaemonSet",
            "updateStrategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}",
            "backend: {image: x, ports: [{containerPort: 1, hostPort: 1}]}",
        ),
        [
            f"{DAEMON_SET}.rollingUpdate.maxSurge: a port of the node can be had once only, so the new pod waits for "
            "the old one (use maxUnavailable, or leave out the hostPort)"
        ],
    ),
    "a job by index": (
        of(
            "Job",
            "completionMode: Indexed, completions: 3, backoffLimitPerIndex: 1, maxFailedIndexes: 1",
            "pod: {restartPolicy: Never}",
        ),
        [],
    ),
    "a job with options of another": (
        of("Job", "completionMode: Indexed, successPolicy: {rules: [{succeededCount: 1}]}, maxFailedIndexes: 1"),
        [
            f"{JOB}.completions: is required with completionMode: Indexed (how many there are)",
            f"{JOB}.maxFailedIndexes: needs backoffLimitPerIndex (leave it out, or write that as well)",
        ],
    ),
    "a job that is not by index": (
        of("Job", "completionMode: Every, successPolicy: {rules: [{succeededCount: 1}]}"),
        [
            f"{JOB}.completionMode: 'Every' is not a completion mode (NonIndexed or Indexed)",
            f"{JOB}.successPolicy: needs completionMode: Indexed (leave it out, or write that as well)",
        ],
    ),
    "failures that are told apart in pods that are restarted": (
        of("Job", "podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: [1]}}]}"),
        [
            f"{JOB}.podFailurePolicy: needs pods that are not restarted, and the default is OnFailure "
            "(write spec.pod.restartPolicy: Never)"
        ],
    ),
    "a job that starts nothing": (
        of("Job", "parallelism: 0"),
        [f"Warning: {JOB}.parallelism: 0 starts no pod (suspend: true says so more clearly)"],
    ),
    "a schedule that is missing": (
        "workload: {kind: CronJob}",
        [f"{CRON_JOB}.schedule: is required {EXAMPLE}"],
    ),
    "a schedule that is none": (
        of("CronJob", "schedule: daily"),
        [
            f"{CRON_JOB}.schedule: 'daily' has 1 fields and not 5: minute, hour, day of the month, month, "
            f"day of the week {EXAMPLE}"
        ],
    ),
    "a zone": (scheduled("timeZone: America/Argentina/Buenos_Aires"), []),
    "a zone that is none": (
        scheduled("timeZone: Local, concurrencyPolicy: Never"),
        [
            f"{CRON_JOB}.timeZone: 'Local' is not a time zone (for example Europe/Berlin or Etc/UTC)",
            f"{CRON_JOB}.concurrencyPolicy: 'Never' is not a policy (Allow, Forbid or Replace)",
        ],
    ),
    "a restart policy that is none": (
        "pod: {restartPolicy: Sometimes}",
        ["spec.pod.restartPolicy: 'Sometimes' is not a restart policy (Always, OnFailure or Never)"],
    ),
}


@table(CASES)
def test_options(text: str, lines: Iterable[str]) -> None:
    assert complaints(text) == lines


@pytest.mark.parametrize(
    "schedule",
    [
        *("* * * * *", "*/5 0-6 1,15 jan-mar MON", "5/15 0 ? * sun,6", "59 23 31 12 0", "0 3 * * 1-5/2"),
        *("@daily", "@yearly", "@every 1h30m", "@every 1.5h"),
    ],
)
def test_a_schedule_that_kubernetes_reads(schedule: str) -> None:
    assert [] == list(unreadable(schedule))


@pytest.mark.parametrize(
    ("schedule", "what"),
    [
        ("60 * * * *", "'60' is not the minute: 0 to 59, *, ranges a-b, steps /n, and lists of these"),
        ("0 24 * * *", "'24' is not the hour: 0 to 23, *, ranges a-b, steps /n, and lists of these"),
        ("0 0 0 * *", "'0' is not the day of the month: 1 to 31, *, ranges a-b, steps /n, and lists of these"),
        ("0 0 1 foo *", "'foo' is not the month: 1 to 12 or jan to dec, *, ranges a-b, steps /n, and lists of these"),
        (
            "0 0 * * 7",
            "'7' is not the day of the week: 0 to 6 or sun to sat, *, ranges a-b, steps /n, and lists of these",
        ),
        ("5-1 * * * *", "'5-1' is not the minute: 0 to 59, *, ranges a-b, steps /n, and lists of these"),
        ("*/0 * * * *", "'*/0' is not the minute: 0 to 59, *, ranges a-b, steps /n, and lists of these"),
        ("1,, * * * *", "'1,,' is not the minute: 0 to 59, *, ranges a-b, steps /n, and lists of these"),
        ("@reboot", "'@reboot' is not a schedule"),
        ("TZ=UTC 0 * * * *", "names a time zone, which has a field of its own: timeZone"),
        (
            "0 0 * * * *",
            "'0 0 * * * *' has 6 fields and not 5: minute, hour, day of the month, month, day of the week",
        ),
    ],
)
def test_a_schedule_that_it_does_not(schedule: str, what: str) -> None:
    assert [what] == list(unreadable(schedule))
