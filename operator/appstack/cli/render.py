"""Command `appstack render`: print the Kubernetes objects of the AppStacks in a file, without a cluster."""

from __future__ import annotations

import argparse
import re
import sys

from appstack import render as renderer
from appstack.cli import documents, output, settings, stacks, validate

EXAMPLES = """\
examples:
  appstack render -f stack.yaml
  appstack render -f stack.yaml | kubectl diff -f -
  cat stack.yaml | appstack render -f - --namespace team-a
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("-f", "--filename", metavar="FILE", required=True, help="YAML file, or - for standard input")
    parser.add_argument("-n", "--namespace", help="namespace of the objects (overrides metadata.namespace)")
    parser.add_argument(
        "--namespace-uid",
        metavar="UID",
        type=_uid,
        help="UID of the namespace, a part of node cache paths (default: a placeholder)",
    )
    settings.add_flag(parser)


def _uid(text: str) -> str:
    """Return the UID unchanged. Raise ArgumentTypeError for other text, since it becomes part of a host path."""
    if not re.fullmatch(r"[0-9A-Za-z-]{1,64}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a UID: kubectl get namespace NAME -o jsonpath={{.metadata.uid}}"
        )
    return text


def run(args: argparse.Namespace) -> int:
    """Print the objects as YAML. Print issues on standard error; return 1 without objects if an AppStack is invalid."""
    operator_settings = settings.load(args.settings) if args.settings else settings.without_warnings()
    results = stacks.validate_file(args.filename, settings=operator_settings, namespace=args.namespace)
    for result in results:
        for line in validate.lines(result):
            output.print_note(line)
    valid = [result.stack for result in results if result.stack is not None and result.valid]
    if len(valid) < len(results):
        return 1
    manifests = [
        manifest
        for stack in valid
        for manifest in renderer.render(stack, settings=operator_settings, namespace_uid=args.namespace_uid)
    ]
    sys.stdout.write(documents.dump(manifests))
    return 0
