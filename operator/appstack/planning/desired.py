"""What the authors of stacks want: worked out once for each spec, and kept of those that were looked at last. PURE."""

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
from appstack.validation import check
from appstack.validation.immutable import fixed

MOST: Final = 256
"""A stack is looked at several times while it settles, and then for long not at all."""
_KEPT: Final = 4 << 20  # bytes of all that is kept, as JSON; in memory it is some ten times as much
_FAULT: Final = 300  # bytes that a fault takes: a spec may have as many as parts
_WHOLE: Final = 2 << 20  # bytes of what one stack may become: the API server takes no object of more


@dataclass(frozen=True, slots=True)
class DesiredState:
    """One spec: what it says, what is wrong with it, and what it becomes where nothing is."""

    stack: AppStack | None
    issues: tuple[ValidationIssue, ...]
    manifests: tuple[Manifest, ...] = ()
    size: int = 0  # bytes that it takes, as JSON

    @property
    def invalid(self) -> bool:
        """Whether it can't be carried out."""
        return any(issue.severity is Severity.ERROR for issue in self.issues)

    @property
    def paused(self) -> bool:
        """Whether nothing may be written for it."""
        return self.stack is not None and self.stack.spec.paused

    def with_live_checks(self, observed: Observed) -> DesiredState:
        """Return it with what is wrong with it beside what is there already."""
        found = fixed(self.stack, observed) if self.stack else ()
        return replace(self, issues=(*self.issues, *found)) if found else self


class DesiredStateCache:
    """The intents of stacks; a generation of a stack has but one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept: OrderedDict[tuple[str, int, str], DesiredState] = OrderedDict()
        self._size = 0  # of all of them

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._kept)

    def of(self, doc: Manifest, *, namespace_uid: str) -> DesiredState:
        """Return what an AppStack is to become."""
        which = (doc["metadata"]["uid"], doc["metadata"]["generation"], namespace_uid)
        desired = self._kept.get(which)
        if desired is None:
            desired = self._kept[which] = self._compute(doc, namespace_uid)
            self._size += desired.size
        self._kept.move_to_end(which)
        while len(self._kept) > MOST or self._size > _KEPT:
            _, dropped = self._kept.popitem(last=False)
            self._size -= dropped.size
        return desired

    def _compute(self, doc: Manifest, namespace_uid: str) -> DesiredState:
        try:
            desired = compute_desired_state(parse(doc), settings=self._settings, namespace_uid=namespace_uid)
        except InvalidSpec as error:
            desired = DesiredState(None, error.issues)
        return replace(desired, size=desired.size + len(to_json(doc.get("spec"))) + _FAULT * len(desired.issues))


def compute_desired_state(stack: AppStack, *, settings: Settings, namespace_uid: str | None = None) -> DesiredState:
    """Return what is wrong with a stack, and what it becomes where nothing is; its size is that of the objects."""
    desired = DesiredState(stack, check(stack, settings))
    if desired.invalid:
        return desired
    manifests = render(stack, settings=settings, namespace_uid=namespace_uid)
    size = len(to_json(manifests))
    if size > _WHOLE:
        what = f"becomes {size} bytes of objects, and {_WHOLE} are the most"
        hint = "containers without an image inherit what the backend has: put long texts into spec.files"
        return replace(desired, issues=(*desired.issues, ValidationIssue("spec", what, hint)))
    return replace(desired, manifests=manifests, size=size)
