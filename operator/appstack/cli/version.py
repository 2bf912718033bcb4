"""Command `appstack version`: print the version of AppStack and of its API."""

from __future__ import annotations

import argparse

from appstack import __version__
from appstack.k8s.metadata import API_VERSION, KIND

EXAMPLES = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the command has no flags."""


def run(_args: argparse.Namespace) -> int:
    """Print the version."""
    print(f"appstack {__version__} ({KIND} {API_VERSION})")
    return 0
