"""Parsing of Kubernetes quantities."""

from __future__ import annotations

import pytest

from appstack.k8s.quantity import parse_quantity


@pytest.mark.parametrize(
    ("quantity", "value"),
    [("1", 1), ("100m", "0.1"), ("1.5Gi", 1.5 * 2**30), (".5k", 500), ("-2", -2), ("1e3", 1000), ("1E", 10**18)],
)
def test_quantity_has_the_value_that_kubernetes_reads(quantity: str, value: float | str) -> None:
    parsed = parse_quantity(quantity)

    assert parsed is not None
    assert float(value) == float(parsed)


@pytest.mark.parametrize(
    "quantity", ["", "Mi", "1ki", "1e3Ki", "1_000", " 1", "NaN", "Infinity", "1e999", "9" * 129, "\u0661"]
)
def test_invalid_or_excessive_quantity_is_none(quantity: str) -> None:
    assert parse_quantity(quantity) is None
