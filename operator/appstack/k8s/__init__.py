"""Kubernetes conventions in pure functions: references, labels, selectors, quantities and managed fields."""
