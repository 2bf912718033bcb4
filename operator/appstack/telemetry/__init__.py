"""Metrics, logs and health endpoints of the operator itself."""
