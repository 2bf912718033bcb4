"""Lines for a terminal. Their text may come from a file of another user."""

from __future__ import annotations

import sys

from appstack.k8s.text import escape_controls


def print_line(text: str) -> None:
    """Print a line on standard output, with control characters escaped."""
    print(escape_controls(text))


def print_note(text: str) -> None:
    """Print a line on standard error, with control characters escaped."""
    print(escape_controls(text), file=sys.stderr)
