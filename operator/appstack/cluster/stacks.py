"""The AppStacks as last seen, and what of their state is not in their status yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from appstack.cluster.cache import Key
from appstack.meta import Manifest, Ref
from appstack.observed import Applied, End


@dataclass(frozen=True, slots=True)
class Stack:
    """One AppStack."""

    doc: Manifest  # without managedFields
    reported: float = float("-inf")  # when its status was last written, or might have been
    unreported: Mapping[Ref, Applied] = field(default_factory=dict)  # applied, and not in a status yet
    bereft: float = float("-inf")  # when a child of it was last seen to go
    strikes: int = 0  # looks in a row for which the API server was not available
    doubtful: bool = False  # a list did not bring it: it may be gone

    @property
    def uid(self) -> str:
        """The AppStack's uid."""
        return str(self.doc["metadata"]["uid"])

    @property
    def version(self) -> int:
        """The AppStack's resourceVersion."""
        return int(self.doc["metadata"]["resourceVersion"])

    @property
    def generation(self) -> int:
        """The AppStack's generation."""
        return int(self.doc["metadata"]["generation"])

    @property
    def deleting(self) -> bool:
        """Whether it is on its way out."""
        return "deletionTimestamp" in self.doc["metadata"]

    def recorded(self) -> dict[Ref, Applied]:
        """Return the hashes of what was applied, by its status and since."""
        namespace = self.doc["metadata"]["namespace"]
        entries = (self.doc.get("status") or {}).get("resources") or ()
        refs = ((Ref(entry["apiVersion"], entry["kind"], namespace, entry["name"]), entry) for entry in entries)
        return {ref: _applied(ref, entry) for ref, entry in refs} | dict(self.unreported)


def _applied(ref: Ref, entry: Mapping[str, Any]) -> Applied:
    ended = End(entry["ended"]) if entry.get("ended") else None
    return Applied(ref, entry["rendered"], entry["fields"], ended, entry.get("wish", ""))


class Stacks:
    """Every AppStack of this operator."""

    def __init__(self) -> None:
        self._held: dict[Key, Stack] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._held)

    def __iter__(self) -> Iterator[Key]:
        """Which there are."""
        return iter(tuple(self._held))

    def values(self) -> Iterable[Stack]:
        """Each as last seen."""
        return self._held.values()

    def get(self, key: Key) -> Stack | None:
        """Return a stack, if it is there."""
        return self._held.get(key)

    def show(self, doc: Mapping[str, Any]) -> bool:
        """Take in an AppStack from the watch; tell whether it is news."""
        key, doc = key_of(doc), _slim(doc)
        held, new = self._held.get(key), Stack(doc)
        if held is None or held.uid != new.uid:
            self._held[key] = new
            return True
        if held.version >= new.version:
            self._held[key] = replace(held, doubtful=False)
            return False
        self._held[key] = replace(held, doc=doc, doubtful=False)
        return True

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
        doc = held.doc
        if held.version < int(metadata["resourceVersion"]):  # else the watch has shown it, or more, already
            doc = doc | {"status": status}
            if doc["metadata"]["generation"] == metadata["generation"]:
                doc = _slim(doc | {"metadata": metadata})
            # else the watch has yet to show a spec, and its event must not look like the past
        self._held[key] = replace(held, doc=doc, reported=at, unreported={})

    def applied(self, key: Key, *, uid: str, records: Mapping[Ref, Applied]) -> None:
        """Take in what was applied, until a status tells it."""
        held = self._held.get(key)
        if held is not None and held.uid == uid:
            self._held[key] = replace(held, unreported={**held.unreported, **records})

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

    def hold_back(self, key: Key, *, uid: str, at: float) -> None:
        """Take in that something was put right: what its controller makes of it is told when it has settled."""
        held = self._held.get(key)
        if held is not None and held.uid == uid:
            self._held[key] = replace(held, reported=at)

    def forget(self, key: Key, *, uid: str) -> None:
        """Drop an AppStack that is gone, unless a later one bears its name."""
        held = self._held.get(key)
        if held is not None and held.uid == uid:
            del self._held[key]


def key_of(doc: Mapping[str, Any]) -> Key:
    """Return which stack this is."""
    return Key(doc["metadata"]["namespace"], doc["metadata"]["name"])


def told(doc: Mapping[str, Any]) -> bool:
    """Tell whether the status speaks of the spec as it is."""
    return bool((doc.get("status") or {}).get("observedGeneration") == doc["metadata"].get("generation"))


def _slim(doc: Mapping[str, Any]) -> Manifest:
    metadata = {key: value for key, value in doc["metadata"].items() if key != "managedFields"}
    return {**doc, "metadata": metadata}
