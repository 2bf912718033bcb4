"""Status of an AppStack: conditions, readiness, diagnostics, endpoints, job history and events."""
