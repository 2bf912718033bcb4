"""Desired state of AppStacks: parsed, validated and rendered once per generation, in a cache of bounded size."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from pydantic_core import to_json

from appstack.api import AppStack, parse
from appstack.errors import InvalidSpec, Severity, ValidationIssue
from appstack.k8s.metadata import Manifest
from appstack.k8s.observed import Observed
from appstack.render import render
from appstack.settings import Settings
from appstack.validation import validate
from appstack.validation.immutable import immutable_field_issues

MAX_CACHED_STATES: Final = 256
"""An AppStack is reconciled several times until it is ready, and then rarely: the cache need not hold all of them."""
_MAX_CACHE_BYTES: Final = 4 << 20  # of all cached states as JSON; in memory they take about ten times as much
_ISSUE_BYTES: Final = 300  # estimate for one validation issue; an invalid spec may have thousands
_MAX_OBJECTS_BYTES: Final = 2 << 20  # of all objects of one AppStack; the API server rejects larger requests


@dataclass(frozen=True, slots=True)
class DesiredState:
    """The parsed spec of an AppStack, its validation issues, and its manifests if it is valid."""

    stack: AppStack | None
    issues: tuple[ValidationIssue, ...]
    manifests: tuple[Manifest, ...] = ()
    size_bytes: int = 0  # as JSON

    @property
    def invalid(self) -> bool:
        """Whether an issue is an error, so nothing is applied."""
        return any(issue.severity is Severity.ERROR for issue in self.issues)

    @property
    def paused(self) -> bool:
        """Whether the spec suspends all writes."""
        return self.stack is not None and self.stack.spec.paused

    def with_live_checks(self, observed: Observed) -> DesiredState:
        """Return this state with the issues that depend on existing objects, for example immutable fields."""
        issues = immutable_field_issues(self.stack, observed) if self.stack else ()
        return replace(self, issues=(*self.issues, *issues)) if issues else self


class DesiredStateCache:
    """Least recently used cache of desired states, keyed by uid, generation and namespace uid."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._states: OrderedDict[tuple[str, int, str], DesiredState] = OrderedDict()
        self._size_bytes = 0

    def __len__(self) -> int:
        """Return the number of cached states."""
        return len(self._states)

    def get(self, manifest: Manifest, *, namespace_uid: str) -> DesiredState:
        """Return the desired state of an AppStack; compute it if it is not cached."""
        key = (manifest["metadata"]["uid"], manifest["metadata"]["generation"], namespace_uid)
        desired = self._states.get(key)
        if desired is None:
            desired = self._states[key] = self._compute(manifest, namespace_uid)
            self._size_bytes += desired.size_bytes
        self._states.move_to_end(key)
        while len(self._states) > MAX_CACHED_STATES or self._size_bytes > _MAX_CACHE_BYTES:
            _, evicted = self._states.popitem(last=False)
            self._size_bytes -= evicted.size_bytes
        return desired

    def _compute(self, manifest: Manifest, namespace_uid: str) -> DesiredState:
        try:
            desired = compute_desired_state(parse(manifest), settings=self._settings, namespace_uid=namespace_uid)
        except InvalidSpec as error:
            desired = DesiredState(None, error.issues)
        size_bytes = desired.size_bytes + len(to_json(manifest.get("spec"))) + _ISSUE_BYTES * len(desired.issues)
        return replace(desired, size_bytes=size_bytes)


def compute_desired_state(stack: AppStack, *, settings: Settings, namespace_uid: str | None = None) -> DesiredState:
    """Return the issues of an AppStack and, if it is valid, its manifests; `size_bytes` counts only the manifests."""
    desired = DesiredState(stack, validate(stack, settings))
    if desired.invalid:
        return desired
    manifests = render(stack, settings=settings, namespace_uid=namespace_uid)
    size_bytes = len(to_json(manifests))
    if size_bytes > _MAX_OBJECTS_BYTES:
        message = f"is rendered to {size_bytes} bytes of objects, more than the maximum of {_MAX_OBJECTS_BYTES}"
        hint = "containers without an image inherit the fields of the backend: move long texts to spec.files"
        return replace(desired, issues=(*desired.issues, ValidationIssue("spec", message, hint)))
    return replace(desired, manifests=manifests, size_bytes=size_bytes)
