"""Jobs and CronJobs: options that need each other, and a schedule that can be read. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from appstack.api.workloads import Job
from appstack.errors import Severity, ValidationIssue
from appstack.validation.subject import Subject, one_of

_JOB: Final = "spec.workload.job"
_CRON_JOB: Final = "spec.workload.cronJob"
_NEEDS_INDEXES: Final = ("backoffLimitPerIndex", "successPolicy")
_NEEDS_NEVER: Final = ("backoffLimitPerIndex", "podFailurePolicy")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final = (
    ("the minute", 0, 59, ()),
    ("the hour", 0, 23, ()),
    ("the day of the month", 1, 31, ()),
    ("the month", 1, 12, _MONTHS),
    ("the day of the week", 0, 6, _DAYS),
)
_WORDS: Final = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_EVERY: Final = re.compile(r"@every (\d+(\.\d+)?(h|m|s|ms))+")
_ZONE: Final = re.compile(r"[A-Za-z][-+\w]*(/[A-Za-z0-9][-+\w]*)*")
_EXAMPLE: Final = 'for example "0 3 * * *" or "@daily"'


def job(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield options of Jobs that need another one."""
    options = subject.spec.workload.job or Job()
    indexed = options.completion_mode == "Indexed"
    modes = ("NonIndexed", "Indexed")
    yield from one_of(f"{_JOB}.completionMode", options.completion_mode, modes, what="a completion mode")
    if indexed and options.completions is None:
        yield ValidationIssue(f"{_JOB}.completions", "is required with completionMode: Indexed", "how many there are")
    given = {
        "backoffLimitPerIndex": options.backoff_limit_per_index is not None,
        "successPolicy": options.success_policy is not None,
        "podFailurePolicy": options.pod_failure_policy is not None,
    }
    for name in (name for name, written in given.items() if written):
        if name in _NEEDS_INDEXES and not indexed:
            yield ValidationIssue(
                f"{_JOB}.{name}", "needs completionMode: Indexed", "leave it out, or write that as well"
            )
        if name in _NEEDS_NEVER and subject.spec.pod.restart_policy != "Never":
            what = "needs pods that are not restarted, and the default is OnFailure"
            yield ValidationIssue(f"{_JOB}.{name}", what, "write spec.pod.restartPolicy: Never")
    if options.max_failed_indexes is not None and options.backoff_limit_per_index is None:
        yield ValidationIssue(
            f"{_JOB}.maxFailedIndexes", "needs backoffLimitPerIndex", "leave it out, or write that as well"
        )
    if options.parallelism == 0:
        hint = "suspend: true says so more clearly"
        yield ValidationIssue(f"{_JOB}.parallelism", "0 starts no pod", hint, Severity.WARNING)


def cron_job(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield a schedule that is missing or can't be read, and options that Kubernetes does not know."""
    options = subject.spec.workload.cron_job
    if options is None:
        yield ValidationIssue(f"{_CRON_JOB}.schedule", "is required", _EXAMPLE)
        return
    for what in unreadable(options.schedule):
        yield ValidationIssue(f"{_CRON_JOB}.schedule", what, _EXAMPLE)
    zone = options.time_zone
    if zone is not None and (zone.lower() == "local" or not _ZONE.fullmatch(zone)):
        yield ValidationIssue(
            f"{_CRON_JOB}.timeZone", f"{zone!r} is not a time zone", "for example Europe/Berlin or Etc/UTC"
        )
    policies = ("Allow", "Forbid", "Replace")
    yield from one_of(f"{_CRON_JOB}.concurrencyPolicy", options.concurrency_policy, policies, what="a policy")


def unreadable(schedule: str) -> Iterator[str]:
    """Yield why Kubernetes would not read a schedule; at most one sentence for each of its fields."""
    parts = schedule.split()
    if re.match(r"(CRON_)?TZ=", schedule):
        yield "names a time zone, which has a field of its own: timeZone"
    elif schedule.startswith("@"):
        if schedule not in _WORDS and not _EVERY.fullmatch(schedule):
            yield f"{schedule!r} is not a schedule"
    elif len(parts) != len(_FIELDS):
        yield f"{schedule!r} has {len(parts)} fields and not 5: minute, hour, day of the month, month, day of the week"
    else:
        for part, (name, least, most, names) in zip(parts, _FIELDS, strict=True):
            if not all(_reads(each, least, most, names) for each in part.split(",")):
                known = f"{least} to {most}" + (f" or {names[0]} to {names[-1]}" if names else "")
                yield f"{part!r} is not {name}: {known}, *, ranges a-b, steps /n, and lists of these"


def _reads(part: str, least: int, most: int, names: tuple[str, ...]) -> bool:
    """Tell whether one entry of a field's list is `*`, a number, a name or a range, with or without a step."""
    span, slash, step = part.partition("/")
    if slash and not _number(step, 0, ()):
        return False
    if span in ("*", "?"):
        return True
    ends = [_number(end, least, names) for end in span.split("-", 1)]
    numbers = [end for end in ends if end is not None]
    return len(numbers) == len(ends) and least <= numbers[0] <= numbers[-1] <= most


def _number(text: str, least: int, names: tuple[str, ...]) -> int | None:
    if text.lower() in names:
        return names.index(text.lower()) + least
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None
