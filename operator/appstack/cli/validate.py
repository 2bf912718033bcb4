"""Command `appstack validate`: report validation issues of the AppStacks in a file, without a cluster."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from appstack.cli import settings, stacks
from appstack.errors import Severity

EXAMPLES = """\
examples:
  appstack validate -f stack.yaml
  kustomize build . | appstack validate -f - --strict

Prints one line per issue: the path of the field, the message, and a hint. A field of the wrong type can hide issues of
other fields until it is corrected. The exit code is 1 if there are errors.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("-f", "--filename", metavar="FILE", required=True, help="YAML file, or - for standard input")
    parser.add_argument("--strict", action="store_true", help="treat warnings as errors")
    settings.add_flag(parser)


def run(args: argparse.Namespace) -> int:
    """Print the issues. Return 1 if an AppStack is invalid, or has a warning and `--strict` is given."""
    results = stacks.validate_file(args.filename, settings=settings.load(args.settings))
    for result in results:
        for line in lines(result):
            print(line)
    failed = [result for result in results if not result.valid or (args.strict and result.issues)]
    return 1 if failed else 0


def lines(result: stacks.ValidationResult) -> Iterator[str]:
    """Yield one line per issue."""
    for issue in result.issues:
        severity = "warning: " if issue.severity is Severity.WARNING else ""
        yield f"{result.source}: {severity}{issue}"
