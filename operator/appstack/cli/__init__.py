"""The command `appstack`: one module for each word of it."""

UNUSABLE = 2
"""The exit code where somebody must act first."""
