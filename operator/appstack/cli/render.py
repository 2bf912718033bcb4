"""`appstack render`: what a stack becomes, without a cluster."""

from __future__ import annotations

import argparse
import re
import sys

from appstack import render as rendering
from appstack.cli import documents, settings, stacks, validate

HELP = "print the objects that a stack becomes, without a cluster"
EXAMPLES = """\
examples:
  appstack render -f stack.yaml
  appstack render -f stack.yaml | kubectl diff -f -
  cat stack.yaml | appstack render -f - --namespace team-a
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("-f", "--filename", metavar="FILE", required=True, help="a YAML file, or - for standard input")
    parser.add_argument("-n", "--namespace", help="render as if the stack were in this namespace")
    parser.add_argument(
        "--namespace-uid",
        metavar="UID",
        type=_uid,
        help="the namespace's uid, which is part of a node cache's path; a visible placeholder without it",
    )
    settings.add_flag(parser)


def _uid(text: str) -> str:
    """Return a uid as it is; it becomes part of a path on the nodes, so it may not be one itself."""
    if not re.fullmatch(r"[0-9A-Za-z-]{1,64}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no uid: kubectl get namespace NAME -o jsonpath={{.metadata.uid}}"
        )
    return text


def run(args: argparse.Namespace) -> int:
    """Print the objects; say on standard error what is wrong instead, if something is."""
    chosen = settings.load(args.settings)
    looked = stacks.look(args.filename, settings=chosen, namespace=args.namespace)
    for one in looked:
        for line in validate.lines(one):
            print(line, file=sys.stderr)
    valid = [one.stack for one in looked if one.stack is not None and one.valid]
    if len(valid) < len(looked):
        return 1
    objects = [
        thing for stack in valid for thing in rendering.render(stack, settings=chosen, namespace_uid=args.namespace_uid)
    ]
    sys.stdout.write(documents.dump(objects))
    return 0
