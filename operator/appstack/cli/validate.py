"""`appstack validate`: everything that is wrong with a stack, without a cluster."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from appstack.cli import settings, stacks
from appstack.errors import Severity

HELP = "say what is wrong with a stack, without a cluster"
EXAMPLES = """\
examples:
  appstack validate -f stack.yaml
  kustomize build . | appstack validate -f - --strict

Prints one line for each fault: the field's path, what is wrong, what to do. Ends with 1 if there are any.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("-f", "--filename", metavar="FILE", required=True, help="a YAML file, or - for standard input")
    parser.add_argument("--strict", action="store_true", help="a warning fails as well")
    settings.add_flag(parser)


def run(args: argparse.Namespace) -> int:
    """Print the faults; 1 when there are any that matter."""
    looked = stacks.look(args.filename, settings=settings.load(args.settings))
    for one in looked:
        for line in lines(one):
            print(line)
    bad = [one for one in looked if not one.valid or (args.strict and one.issues)]
    return 1 if bad else 0


def lines(looked: stacks.Looked) -> Iterator[str]:
    """Yield a line for each fault of a stack."""
    for issue in looked.issues:
        mark = "warning: " if issue.severity is Severity.WARNING else ""
        yield f"{looked.source}: {mark}{issue}"
