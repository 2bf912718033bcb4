"""Command `appstack crd`: print the CustomResourceDefinition."""

from __future__ import annotations

import argparse
import sys

from appstack.api.crd import definition
from appstack.cli import documents

EXAMPLES = """\
examples:
  appstack crd | kubectl apply --server-side -f -
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the command has no flags."""


def run(_args: argparse.Namespace) -> int:
    """Print the CustomResourceDefinition as YAML."""
    sys.stdout.write(documents.dump([definition()]))
    return 0
