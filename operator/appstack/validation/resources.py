"""Checks of quantities: CPU, memory and storage, in requests, limits and size limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from appstack.api.kube import EmptyDir, ResourceRequirements, VolumeResourceRequirements
from appstack.errors import ValidationIssue
from appstack.k8s.quantity import parse_quantity
from appstack.validation.context import ValidationContext


def quantities(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each invalid or negative quantity, and for each request above its limit."""
    for field, value in context.field_values:
        match value:
            case ResourceRequirements() | VolumeResourceRequirements():
                yield from _requirements(field, value.requests or {}, value.limits or {})
            case EmptyDir(size_limit=str(limit)):
                yield from _quantity(f"{field}.sizeLimit", limit)
            case _:
                pass


def _requirements(field: str, requests: Mapping[str, str], limits: Mapping[str, str]) -> Iterator[ValidationIssue]:
    for part, quantities_by_name in (("requests", requests), ("limits", limits)):
        for name, text in quantities_by_name.items():
            yield from _quantity(f"{field}.{part}.{name}", text, positive=name == "storage")
    for name in sorted(requests.keys() & limits.keys()):
        request, limit = parse_quantity(requests[name]), parse_quantity(limits[name])
        if request is not None and limit is not None and request > limit:
            message = f"{requests[name]} is more than the limit {limits[name]}"
            yield ValidationIssue(f"{field}.requests.{name}", message, "lower the request, or raise the limit")


def _quantity(field: str, text: str, *, positive: bool = False) -> Iterator[ValidationIssue]:
    quantity = parse_quantity(text)
    if quantity is None:
        yield ValidationIssue(
            field, f"{text!r} is not a valid quantity", "use a quantity such as 500m, 2, 512Mi or 10Gi"
        )
    elif quantity < 0 or (positive and quantity == 0):
        yield ValidationIssue(field, f"{text} is too small", "use more than 0" if positive else "use 0 or more")


CHECKS: Final = (quantities,)
