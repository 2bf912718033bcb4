"""Quantities of memory, CPU and storage. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from appstack.check.subject import Subject
from appstack.errors import Fault
from appstack.model.kube import EmptyDir, ResourceRequirements, VolumeResourceRequirements

_QUANTITY = re.compile(
    r"([+-]?(?:[0-9]{1,64}\.?[0-9]{0,64}|\.[0-9]{1,64}))(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?[0-9]{1,2}))?"
)
_UNITS: Final = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}
_FORM: Final = "for example 500m, 2, 512Mi or 10Gi"


def quantities(subject: Subject) -> Iterator[Fault]:
    """Yield amounts that are none, and requests above their limit."""
    for where, value in subject.values:
        match value:
            case ResourceRequirements() | VolumeResourceRequirements():
                yield from _resources(where, value.requests or {}, value.limits or {})
            case EmptyDir(size_limit=str(limit)) if amount(limit) is None:
                yield Fault(f"{where}.sizeLimit", f"{limit!r} is not a quantity", _FORM)
            case _:
                pass


def _resources(where: str, requests: Mapping[str, str], limits: Mapping[str, str]) -> Iterator[Fault]:
    for part, amounts in (("requests", requests), ("limits", limits)):
        for name, written in amounts.items():
            if amount(written) is None:
                yield Fault(f"{where}.{part}.{name}", f"{written!r} is not a quantity", _FORM)
    for name in sorted(requests.keys() & limits.keys()):
        wanted, most = amount(requests[name]), amount(limits[name])
        if wanted is not None and most is not None and wanted > most:
            what = f"{requests[name]} is more than the limit {limits[name]}"
            yield Fault(f"{where}.requests.{name}", what, "lower it, or raise the limit")


def amount(quantity: str) -> Decimal | None:
    """Return how much it is; None when Kubernetes would not read it."""
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        return None
    number, unit, exponent = match.groups()
    return Decimal(number) * (Decimal(10) ** int(exponent) if exponent else _UNITS[unit or ""])


CHECKS: Final = (quantities,)
