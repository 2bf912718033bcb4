"""The status of an AppStack: conditions, readiness, diagnostics and endpoints. PURE."""
