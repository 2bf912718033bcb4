"""Desired state of AppStacks: parsed, validated and rendered once per generation, in a cache of bounded size."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from pydantic_core import to_json

from appstack.api import AppStack, parse
from appstack.api.size import count_values
from appstack.errors import InvalidSpec, Severity, ValidationIssue
from appstack.k8s.metadata import Manifest
from appstack.k8s.observed import Dependencies, Dependency, Observed
from appstack.planning.bounded_cache import BoundedCache
from appstack.planning.dependencies import without_workload
from appstack.planning.policy_issues import Violations, policy_issues, violations
from appstack.policy.effective import EffectivePolicy, PolicyKey, PolicySource
from appstack.render import render
from appstack.settings import Settings
from appstack.validation import validate
from appstack.validation.dependencies import dependency_issues
from appstack.validation.immutable import immutable_field_issues
from appstack.validation.pod_security import pod_security_issues

MAX_CACHED_STATES: Final = 256
"""An AppStack is reconciled several times until it is ready, and then rarely: the cache need not hold all of them."""
_MAX_CACHE_BYTES: Final = 4 << 20  # of all cached states as JSON; in memory they take about ten times as much
_MAX_REFUSALS: Final = 4096
_MAX_REFUSAL_BYTES: Final = 2 << 20  # of the issues of all remembered refusals
_VALUE_BYTES: Final = 60  # added for each value of a parsed spec: an empty object has 600 bytes in memory and 2 as JSON
_ISSUE_BYTES: Final = 200  # estimate for one validation issue without its texts
_MAX_OBJECTS_BYTES: Final = 2 << 20  # of all objects of one AppStack; the API server rejects larger requests


@dataclass(frozen=True, slots=True)
class DesiredState:
    """The parsed spec of an AppStack, its validation issues, and its manifests if it is valid."""

    stack: AppStack | None
    issues: tuple[ValidationIssue, ...]
    manifests: tuple[Manifest, ...] = ()
    awaited: tuple[Dependency, ...] = ()  # dependencies for which the workload waits; it is not among the manifests
    size_bytes: int = 0  # as JSON
    status_logs: bool = True  # whether the policy permits the output of containers in the status

    @property
    def invalid(self) -> bool:
        """Whether an issue is an error, so nothing is applied."""
        return any(issue.severity is Severity.ERROR for issue in self.issues)

    @property
    def paused(self) -> bool:
        """Whether the spec suspends all writes."""
        return self.stack is not None and self.stack.spec.paused

    @property
    def violations(self) -> Violations:
        """The fields of the policy that the AppStack violates."""
        return violations(self.issues)

    def with_live_checks(self, observed: Observed) -> DesiredState:
        """Return this state with the issues that depend on existing objects, for example immutable fields."""
        issues = immutable_field_issues(self.stack, observed) if self.stack else ()
        return replace(self, issues=(*self.issues, *issues)) if issues else self

    def with_dependencies(self, dependencies: Dependencies, *, awaited: tuple[Dependency, ...]) -> DesiredState:
        """Return this state with the issues of dependencies, and without the workload while it waits for some."""
        issues = dependency_issues(self.stack, dependencies) if self.stack else ()
        manifests = without_workload(self.manifests) if awaited else self.manifests
        return replace(self, issues=(*self.issues, *issues), manifests=manifests, awaited=awaited)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """The validation issues of a spec with an error."""

    issues: tuple[ValidationIssue, ...]
    is_parsed: bool  # whether the spec is valid enough to be parsed


Steps = Generator[None, None, DesiredState]
"""The computation of a desired state, which takes up to 100 ms: the caller may do other work after each step."""


def finish(steps: Steps) -> DesiredState:
    """Take all steps at once and return the desired state."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


class DesiredStateCache:
    """Least recently used cache of desired states, keyed by uid, generation, namespace uid and policy.

    The issues of a refused spec are also kept by the hash of the spec: they are small, so a tenant with many specs that
    are expensive to validate neither evicts them nor makes the operator validate the same spec again.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._policies = PolicySource(settings.policy, settings.namespace_policies)
        self._states = BoundedCache[tuple[str, int, str, PolicyKey], DesiredState](
            MAX_CACHED_STATES, max_bytes=_MAX_CACHE_BYTES
        )
        self._refusals = BoundedCache[bytes, _Refusal](_MAX_REFUSALS, max_bytes=_MAX_REFUSAL_BYTES)

    def __len__(self) -> int:
        """Return the number of cached states."""
        return len(self._states)

    def get(
        self, manifest: Manifest, *, namespace_uid: str, namespace_labels: Mapping[str, str] = MappingProxyType({})
    ) -> DesiredState:
        """Return the desired state of an AppStack under the policy of its namespace; compute it if it is not cached."""
        return finish(self.steps(manifest, namespace_uid=namespace_uid, namespace_labels=namespace_labels))

    def steps(self, manifest: Manifest, *, namespace_uid: str, namespace_labels: Mapping[str, str]) -> Steps:
        """Return the steps to the desired state, without any if it is cached."""
        policy = self._policies.find(namespace_labels)
        key = (manifest["metadata"]["uid"], manifest["metadata"]["generation"], namespace_uid, policy.key)
        desired = self._states.get(key)
        if desired is None:
            spec = to_json(manifest.get("spec"))
            desired = yield from self._compute(manifest, spec, namespace_uid, policy)
            size_bytes = desired.size_bytes + _issue_bytes(desired.issues)
            if desired.stack is not None:
                size_bytes += len(spec) + _VALUE_BYTES * count_values(manifest["spec"])
            desired = replace(desired, size_bytes=size_bytes, status_logs=policy.policy.status_logs)
            self._states.put(key, desired, size_bytes=size_bytes)
        return desired

    def _compute(self, manifest: Manifest, spec: bytes, namespace_uid: str, policy: EffectivePolicy) -> Steps:
        metadata = manifest["metadata"]
        head = to_json([metadata["name"], metadata.get("namespace"), policy.key])  # issues depend on them
        digest = hashlib.sha256(head + spec).digest()
        refusal = self._refusals.get(digest)
        if refusal is not None:
            return DesiredState(parse(manifest) if refusal.is_parsed else None, refusal.issues)
        try:
            desired = yield from desired_state_steps(
                parse(manifest),
                settings=self._settings,
                policy=policy,
                spec=manifest["spec"],
                namespace_uid=namespace_uid,
            )
        except InvalidSpec as error:
            desired = DesiredState(None, error.issues)
        if desired.invalid:
            refusal = _Refusal(desired.issues, is_parsed=desired.stack is not None)
            self._refusals.put(digest, refusal, size_bytes=_issue_bytes(refusal.issues))
        return desired


def _issue_bytes(issues: Iterable[ValidationIssue]) -> int:
    return sum(_ISSUE_BYTES + len(issue.field) + len(issue.message) + len(issue.hint) for issue in issues)


def compute_desired_state(
    stack: AppStack,
    *,
    settings: Settings,
    namespace_uid: str | None = None,
    policy: EffectivePolicy | None = None,
    spec: Mapping[str, Any] = MappingProxyType({}),
) -> DesiredState:
    """Return the issues of an AppStack and, if it has no error, its manifests; `size_bytes` counts only the manifests.

    `policy` is that of its namespace; None applies no policy. `spec` is the spec as it is written, without defaults:
    the issues of the policy name its fields.
    """
    return finish(desired_state_steps(stack, settings=settings, namespace_uid=namespace_uid, policy=policy, spec=spec))


def desired_state_steps(
    stack: AppStack,
    *,
    settings: Settings,
    namespace_uid: str | None = None,
    policy: EffectivePolicy | None = None,
    spec: Mapping[str, Any] = MappingProxyType({}),
) -> Steps:
    """Return the steps of `compute_desired_state`."""
    yield
    desired = DesiredState(stack, validate(stack, settings))
    if desired.invalid:
        return desired
    yield
    manifests = render(stack, settings=settings, namespace_uid=namespace_uid)
    yield
    desired = replace(desired, issues=(*desired.issues, *pod_security_issues(stack, manifests)))
    size_bytes = len(to_json(manifests))
    if size_bytes > _MAX_OBJECTS_BYTES:
        message = f"is rendered to {size_bytes} bytes of objects, more than the maximum of {_MAX_OBJECTS_BYTES}"
        hint = "containers without an image inherit the fields of the backend: move long texts to spec.files"
        return replace(desired, issues=(*desired.issues, ValidationIssue("spec", message, hint)))
    if policy is not None:
        yield
        issues = policy_issues(stack, manifests, policy=policy, settings=settings, spec=spec)
        desired = replace(desired, issues=(*desired.issues, *issues))
    return desired if desired.invalid else replace(desired, manifests=manifests, size_bytes=size_bytes)
