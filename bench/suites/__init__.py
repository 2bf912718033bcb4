"""The suites: one module each, with a function that takes a fixture and returns figures."""
