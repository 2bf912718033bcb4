"""The AppStacks as last seen, and what of their state is not in their status yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from pydantic_core import from_json, to_json

from appstack.client.resource_kinds import Kind
from appstack.informers.object_store import Key, Keys
from appstack.k8s.metadata import Manifest, Ref
from appstack.k8s.observed import TerminalState
from appstack.planning.changes import Applied

_METADATA: Final = ("name", "namespace", "uid", "generation", "resourceVersion", "deletionTimestamp")

Conditions = tuple[tuple[str, str], ...]
"""The conditions of a stack, each with its state."""


@dataclass(frozen=True, slots=True)
class StoredAppStack:
    """One AppStack, kept as its text: that takes a fifth of the memory."""

    text: bytes  # JSON, cut to what is looked at
    uid: str
    version: int
    generation: int
    deleting: bool
    told: bool  # its status speaks of its spec as it is
    conditions: Conditions
    reported: float = float("-inf")  # when its status was last written, or might have been
    unreported: tuple[Applied, ...] = ()  # applied, and not in a status yet
    bereft: float = float("-inf")  # when a child of it was last seen to go
    strikes: int = 0  # looks in a row for which the API server was not available
    doubtful: bool = False  # a list did not bring it: it may be gone
    lacks: frozenset[Kind] = frozenset()  # kinds that it wants and the cluster did not know at its last look
    status_version: int = 0  # that our last status made, where the watch had yet to show a spec from before it

    @property
    def doc(self) -> Manifest:
        """The AppStack as last seen: read anew each time."""
        doc: Manifest = from_json(self.text)
        return doc

    def recorded(self, doc: Manifest) -> dict[Ref, Applied]:
        """Return the hashes of what was applied, by the status in its `doc` and since."""
        namespace = doc["metadata"]["namespace"]
        entries = (doc.get("status") or {}).get("resources") or ()
        refs = ((Ref(entry["apiVersion"], entry["kind"], namespace, entry["name"]), entry) for entry in entries)
        return {ref: _applied(ref, entry) for ref, entry in refs} | {one.ref: one for one in self.unreported}


def _applied(ref: Ref, entry: Mapping[str, Any]) -> Applied:
    ended = TerminalState(entry["ended"]) if entry.get("ended") else None
    return Applied(ref, entry["rendered"], entry["fields"], ended, entry.get("wish", ""))


def _stack(doc: Mapping[str, Any]) -> StoredAppStack:
    metadata = {key: doc["metadata"][key] for key in _METADATA if key in doc["metadata"]}
    status = doc.get("status") or {}
    return StoredAppStack(
        text=to_json({**doc, "metadata": metadata}),
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        generation=metadata["generation"],
        deleting="deletionTimestamp" in metadata,
        told=status.get("observedGeneration") == metadata["generation"],
        conditions=_shared(tuple((one["type"], one["status"]) for one in status.get("conditions") or ())),
    )


@lru_cache(maxsize=100)
def _shared(conditions: Conditions) -> Conditions:
    """Return the one value that stands for all that are equal: there are few."""
    return conditions


class AppStackStore:
    """Every AppStack of this operator."""

    def __init__(self) -> None:
        self._held: dict[Key, StoredAppStack] = {}
        self._published: dict[Key, Mapping[str, Any]] = {}  # statuses whose write is under way

    def __len__(self) -> int:
        """How many there are."""
        return len(self._held)

    def __iter__(self) -> Iterator[Key]:
        """Which there are."""
        return iter(tuple(self._held))

    def values(self) -> Iterable[StoredAppStack]:
        """Each as last seen."""
        return self._held.values()

    def get(self, key: Key) -> StoredAppStack | None:
        """Return a stack, if it is there."""
        return self._held.get(key)

    def told(self, key: Key) -> bool:
        """Tell whether a stack's status speaks of its spec as it is."""
        held = self._held.get(key)
        return held is not None and held.told

    def show(self, doc: Mapping[str, Any]) -> bool:
        """Take in an AppStack from the watch; tell whether it is news."""
        key, held = key_of(doc), self._held.get(key_of(doc))
        if held is None or held.uid != doc["metadata"]["uid"]:
            if held is not None and int(doc["metadata"]["resourceVersion"]) < held.version:
                return False  # an earlier one of this name: kopf keeps events in order for each uid alone
            self._held[key] = _stack(doc)
            return True
        if held.version >= int(doc["metadata"]["resourceVersion"]):
            self._held[key] = replace(held, doubtful=False)
            return False
        if int(doc["metadata"]["resourceVersion"]) < held.status_version:
            doc = {**doc, "status": held.doc["status"]}  # what we told came after it
        self._held[key] = now = _with(replace(held, doubtful=False), doc)
        ours = key in self._published and self._published[key] == doc.get("status")
        return not ours or now.generation != held.generation or now.deleting != held.deleting

    def unchanged(self, key: Key, held: StoredAppStack) -> bool:
        """Tell whether an AppStack is still as it was when it was `held`."""
        now = self._held.get(key)
        return now is not None and (now.uid, now.version, now.doubtful) == (held.uid, held.version, held.doubtful)

    @contextmanager
    def publishing(self, key: Key, status: Mapping[str, Any]) -> Iterator[None]:
        """While the block lasts, a status that the watch shows is no news if it is the one that we write."""
        self._published[key] = status
        try:
            yield
        finally:
            del self._published[key]

    def doubt(self, key: Key) -> None:
        """Take in that an AppStack may be gone."""
        held = self._held.get(key)
        if held is not None:
            self._held[key] = replace(held, doubtful=True)

    def reported(self, key: Key, answer: Manifest, *, status: Mapping[str, Any], at: float) -> None:
        """Take in that a status was written, by the metadata that the answer brought."""
        held, metadata = self._held.get(key), answer["metadata"]
        if held is None or held.uid != metadata["uid"]:
            return
        if held.version < int(metadata["resourceVersion"]):  # else the watch has shown it, or more, already
            doc = held.doc | {"status": status}
            if held.generation == metadata["generation"]:
                doc["metadata"] = metadata
            else:  # the watch has yet to show a spec, and its event must not look like the past
                held = replace(held, status_version=int(metadata["resourceVersion"]))
            held = _with(held, doc)
        self._held[key] = replace(held, reported=at, unreported=())

    def applied(self, key: Key, *, uid: str, records: Mapping[Ref, Applied]) -> None:
        """Take in what was applied, until a status tells it."""
        held = self._held.get(key)
        if held is not None and held.uid == uid:
            every = {one.ref: one for one in held.unreported} | dict(records)
            self._held[key] = replace(held, unreported=tuple(every.values()))

    def lost(self, key: Key, *, at: float) -> None:
        """Take in that a child has gone: by somebody's hand, or with the stack itself."""
        held = self._held.get(key)
        if held is not None:
            self._held[key] = replace(held, bereft=at)

    def struck(self, key: Key, *, uid: str, available: bool) -> None:
        """Take in whether the API server could do what was asked."""
        held = self._held.get(key)
        if held is not None and held.uid == uid:
            self._held[key] = replace(held, strikes=0 if available else held.strikes + 1)

    def lacks(self, key: Key, *, uid: str, kinds: frozenset[Kind]) -> None:
        """Take in which kinds a stack wants that the cluster does not know."""
        held = self._held.get(key)
        if held is not None and held.uid == uid and held.lacks != kinds:
            self._held[key] = replace(held, lacks=kinds)

    def lacking(self, kind: Kind) -> Keys:
        """Return the stacks that wait for a kind that the cluster does not know."""
        return frozenset(key for key, held in self._held.items() if kind in held.lacks and not held.deleting)

    def hold_back(self, key: Key, *, uid: str, at: float) -> None:
        """Take in that something was put right: what its controller makes of it is told when it has settled."""
        held = self._held.get(key)
        if held is not None and held.uid == uid:
            self._held[key] = replace(held, reported=at)

    def leave(self, namespace: str) -> None:
        """Drop the AppStacks of a namespace that is another operator's from now on."""
        self._held = {key: stack for key, stack in self._held.items() if key.namespace != namespace}

    def forget(self, key: Key, *, uid: str) -> None:
        """Drop an AppStack that is gone, unless a later one bears its name."""
        held = self._held.get(key)
        if held is not None and held.uid == uid:
            del self._held[key]


def key_of(doc: Mapping[str, Any]) -> Key:
    """Return which stack this is."""
    return Key(doc["metadata"]["namespace"], doc["metadata"]["name"])


def _with(held: StoredAppStack, doc: Mapping[str, Any]) -> StoredAppStack:
    """Return a stack as `doc` shows it, with what else is known of it."""
    return replace(
        _stack(doc),
        reported=held.reported,
        unreported=held.unreported,
        bereft=held.bereft,
        strikes=held.strikes,
        doubtful=held.doubtful,
        lacks=held.lacks,
        status_version=held.status_version,
    )
