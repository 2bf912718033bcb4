"""Checks of Jobs and CronJobs: options that require each other, and the cron schedule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from appstack.api.workloads import Job
from appstack.errors import Severity, ValidationIssue
from appstack.validation.context import ValidationContext
from appstack.validation.issues import enum_issues

_JOB: Final = "spec.workload.job"
_CRON_JOB: Final = "spec.workload.cronJob"
_REQUIRE_INDEXED: Final = ("backoffLimitPerIndex", "successPolicy")
_REQUIRE_RESTART_NEVER: Final = ("backoffLimitPerIndex", "podFailurePolicy")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_CRON_FIELDS: Final = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _DAYS),
)
"""Name, minimum, maximum and names of the values, for each field of a cron schedule."""
_CRON_MACROS: Final = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_CRON_INTERVAL: Final = re.compile(r"@every (\d+(\.\d+)?(h|m|s|ms))+")
_TIME_ZONE: Final = re.compile(r"[A-Za-z][-+\w]*(/[A-Za-z0-9][-+\w]*)*")
_SCHEDULE_HINT: Final = 'use a cron schedule such as "0 3 * * *" or "@daily"'


def job(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each option of a Job that lacks another option."""
    options = context.spec.workload.job or Job()
    indexed = options.completion_mode == "Indexed"
    modes = ("NonIndexed", "Indexed")
    yield from enum_issues(f"{_JOB}.completionMode", options.completion_mode, modes, noun="a completion mode")
    if indexed and options.completions is None:
        yield ValidationIssue(
            f"{_JOB}.completions", "is required with completionMode: Indexed", "set the number of indexes"
        )
    written = {
        "backoffLimitPerIndex": options.backoff_limit_per_index is not None,
        "successPolicy": options.success_policy is not None,
        "podFailurePolicy": options.pod_failure_policy is not None,
    }
    for name in (name for name, is_set in written.items() if is_set):
        if name in _REQUIRE_INDEXED and not indexed:
            hint = "set completionMode: Indexed, or remove the field"
            yield ValidationIssue(f"{_JOB}.{name}", "requires completionMode: Indexed", hint)
        if name in _REQUIRE_RESTART_NEVER and context.spec.pod.restart_policy != "Never":
            message = "requires pods that are never restarted; a Job's default restartPolicy is OnFailure"
            yield ValidationIssue(f"{_JOB}.{name}", message, "set spec.pod.restartPolicy: Never")
    if options.max_failed_indexes is not None and options.backoff_limit_per_index is None:
        hint = "set backoffLimitPerIndex, or remove the field"
        yield ValidationIssue(f"{_JOB}.maxFailedIndexes", "requires backoffLimitPerIndex", hint)
    if options.parallelism == 0:
        hint = "set suspend: true"
        yield ValidationIssue(f"{_JOB}.parallelism", "0 starts no pod", hint, Severity.WARNING)


def ordinary_sidecars(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield a warning for each ordinary container beside the backend of pods that run to completion."""
    kind = context.spec.workload.kind
    if kind == "Pod" and context.spec.pod.restart_policy in (None, "Always"):
        return
    for index, sidecar in enumerate(context.spec.sidecars):
        if not sidecar.native:
            message = f"the {kind} completes only when this container ends, too"
            hint = "remove native: false to end it with the backend"
            yield ValidationIssue(f"spec.sidecars[{index}].native", message, hint, Severity.WARNING)


def cron_job(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for a missing or invalid schedule, time zone or concurrency policy."""
    options = context.spec.workload.cron_job
    if options is None:
        yield ValidationIssue(f"{_CRON_JOB}.schedule", "is required", _SCHEDULE_HINT)
        return
    for message in schedule_errors(options.schedule):
        yield ValidationIssue(f"{_CRON_JOB}.schedule", message, _SCHEDULE_HINT)
    zone = options.time_zone
    if zone is not None and (zone.lower() == "local" or not _TIME_ZONE.fullmatch(zone)):
        yield ValidationIssue(
            f"{_CRON_JOB}.timeZone", f"{zone!r} is not a valid time zone", "use a name such as Europe/Berlin or Etc/UTC"
        )
    policies = ("Allow", "Forbid", "Replace")
    field = f"{_CRON_JOB}.concurrencyPolicy"
    yield from enum_issues(field, options.concurrency_policy, policies, noun="a concurrency policy")


def schedule_errors(schedule: str) -> Iterator[str]:
    """Yield a message for each field of a cron schedule that Kubernetes cannot parse, or one for the whole schedule."""
    parts = schedule.split()
    if re.match(r"(CRON_)?TZ=", schedule):
        yield "must not contain a time zone; set timeZone instead"
    elif schedule.startswith("@"):
        if schedule not in _CRON_MACROS and not _CRON_INTERVAL.fullmatch(schedule):
            yield f"{schedule!r} is not a valid schedule"
    elif len(parts) != len(_CRON_FIELDS):
        fields = ", ".join(name for name, *_ in _CRON_FIELDS)
        yield f"{schedule!r} has {len(parts)} fields instead of {len(_CRON_FIELDS)}: {fields}"
    else:
        for part, (name, minimum, maximum, value_names) in zip(parts, _CRON_FIELDS, strict=True):
            if not all(_is_valid_entry(entry, minimum, maximum, value_names) for entry in part.split(",")):
                names = f" or {value_names[0]} to {value_names[-1]}" if value_names else ""
                allowed = f"{minimum} to {maximum}{names}, *, ranges a-b, steps /n, and lists of these"
                yield f"{part!r} is not a valid {name}: allowed are {allowed}"


def _is_valid_entry(entry: str, minimum: int, maximum: int, value_names: tuple[str, ...]) -> bool:
    """Return whether one entry of a list is `*`, `?`, a value or a range, with or without a step."""
    span, slash, step = entry.partition("/")
    if slash and not _parse_value(step, 0, ()):
        return False
    if span in ("*", "?"):
        return True
    ends = [_parse_value(end, minimum, value_names) for end in span.split("-", 1)]
    numbers = [end for end in ends if end is not None]
    return len(numbers) == len(ends) and minimum <= numbers[0] <= numbers[-1] <= maximum


def _parse_value(text: str, minimum: int, value_names: tuple[str, ...]) -> int | None:
    if text.lower() in value_names:
        return value_names.index(text.lower()) + minimum
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None
