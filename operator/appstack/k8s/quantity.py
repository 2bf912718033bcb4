"""Parser of Kubernetes quantities, such as `100m` and `1.5Gi`.

`kubernetes.utils.parse_quantity` is no substitute: it accepts `NaN`, `1_000`, `1e3Ki` and exponents without a bound,
and the grammar that would guard it is most of this module.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_QUANTITY: Final = re.compile(
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


def parse_quantity(quantity: str) -> Decimal | None:
    """Return the value of a quantity; None where it is invalid or has more than 128 digits or a long exponent."""
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        return None
    number, unit, exponent = match.groups()
    return Decimal(number) * (Decimal(10) ** int(exponent) if exponent else _UNITS[unit or ""])
