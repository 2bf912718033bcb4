"""Quantities of memory, CPU and storage. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from appstack.api.kube import EmptyDir, ResourceRequirements, VolumeResourceRequirements
from appstack.errors import ValidationIssue
from appstack.k8s.quantity import amount
from appstack.validation.subject import Subject

_FORM: Final = "for example 500m, 2, 512Mi or 10Gi"


def quantities(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield amounts that are none, and requests above their limit."""
    for where, value in subject.values:
        match value:
            case ResourceRequirements() | VolumeResourceRequirements():
                yield from _resources(where, value.requests or {}, value.limits or {})
            case EmptyDir(size_limit=str(limit)):
                yield from _quantity(f"{where}.sizeLimit", limit)
            case _:
                pass


def _resources(where: str, requests: Mapping[str, str], limits: Mapping[str, str]) -> Iterator[ValidationIssue]:
    for part, amounts in (("requests", requests), ("limits", limits)):
        for name, written in amounts.items():
            yield from _quantity(f"{where}.{part}.{name}", written, positive=name == "storage")
    for name in sorted(requests.keys() & limits.keys()):
        wanted, most = amount(requests[name]), amount(limits[name])
        if wanted is not None and most is not None and wanted > most:
            what = f"{requests[name]} is more than the limit {limits[name]}"
            yield ValidationIssue(f"{where}.requests.{name}", what, "lower it, or raise the limit")


def _quantity(where: str, written: str, *, positive: bool = False) -> Iterator[ValidationIssue]:
    much = amount(written)
    if much is None:
        yield ValidationIssue(where, f"{written!r} is not a quantity", _FORM)
    elif much < 0 or (positive and much == 0):
        yield ValidationIssue(where, f"{written} is too little", "more than 0" if positive else "0 or more")


CHECKS: Final = (quantities,)
