"""What the authors of stacks want: worked out once for each spec, and kept of those that were looked at last. PURE."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from pydantic_core import to_json

from appstack.api import AppStack, parse
from appstack.errors import Fault, InvalidSpec, Severity
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
class Intent:
    """One spec: what it says, what is wrong with it, and what it becomes where nothing is."""

    stack: AppStack | None
    faults: tuple[Fault, ...]
    desired: tuple[Manifest, ...] = ()
    size: int = 0  # bytes that it takes, as JSON

    @property
    def wrong(self) -> bool:
        """Whether it can't be carried out."""
        return any(fault.severity is Severity.ERROR for fault in self.faults)

    @property
    def paused(self) -> bool:
        """Whether nothing may be written for it."""
        return self.stack is not None and self.stack.spec.paused

    def meeting(self, observed: Observed) -> Intent:
        """Return it with what is wrong with it beside what is there already."""
        found = fixed(self.stack, observed) if self.stack else ()
        return replace(self, faults=(*self.faults, *found)) if found else self


class Intents:
    """The intents of stacks; a generation of a stack has but one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept: OrderedDict[tuple[str, int, str], Intent] = OrderedDict()
        self._size = 0  # of all of them

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._kept)

    def of(self, doc: Manifest, *, namespace_uid: str) -> Intent:
        """Return what an AppStack is to become."""
        which = (doc["metadata"]["uid"], doc["metadata"]["generation"], namespace_uid)
        intent = self._kept.get(which)
        if intent is None:
            intent = self._kept[which] = self._work_out(doc, namespace_uid)
            self._size += intent.size
        self._kept.move_to_end(which)
        while len(self._kept) > MOST or self._size > _KEPT:
            _, dropped = self._kept.popitem(last=False)
            self._size -= dropped.size
        return intent

    def _work_out(self, doc: Manifest, namespace_uid: str) -> Intent:
        try:
            intent = work_out(parse(doc), settings=self._settings, namespace_uid=namespace_uid)
        except InvalidSpec as error:
            intent = Intent(None, error.faults)
        return replace(intent, size=intent.size + len(to_json(doc.get("spec"))) + _FAULT * len(intent.faults))


def work_out(stack: AppStack, *, settings: Settings, namespace_uid: str | None = None) -> Intent:
    """Return what is wrong with a stack, and what it becomes where nothing is; its size is that of the objects."""
    intent = Intent(stack, check(stack, settings))
    if intent.wrong:
        return intent
    desired = render(stack, settings=settings, namespace_uid=namespace_uid)
    size = len(to_json(desired))
    if size > _WHOLE:
        what = f"becomes {size} bytes of objects, and {_WHOLE} are the most"
        hint = "containers without an image inherit what the backend has: put long texts into spec.files"
        return replace(intent, faults=(*intent.faults, Fault("spec", what, hint)))
    return replace(intent, desired=desired, size=size)
