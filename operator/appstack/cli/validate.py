"""Command `appstack validate`: report validation issues of the AppStacks in a file or in a cluster."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Iterator

from appstack.cli import EXIT_ERROR, output, settings, stacks
from appstack.errors import Severity
from appstack.settings import Settings

EXAMPLES = """\
examples:
  appstack validate -f stack.yaml
  kustomize build . | appstack validate -f - --strict
  appstack validate --settings settings.yaml -A

Prints one line per issue: the path of the field, the message, and a hint. A field of the wrong type can hide issues of
other fields until it is corrected. The exit code is 1 if there are errors.

The administrator's policy is part of the settings; its defaults apply without --settings. Namespaces in the file show
the labels that the policy of an AppStack depends on. With -A, or -n and no file, the AppStacks of the cluster are
validated, and nothing is written: violations of the policy are errors even if it only warns.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument("-f", "--filename", metavar="FILE", help="YAML file, or - for standard input")
    source.add_argument("-A", "--all-namespaces", action="store_true", help="the AppStacks of all namespaces")
    parser.add_argument("-n", "--namespace", help="namespace of the AppStacks (overrides metadata.namespace)")
    parser.add_argument("--strict", action="store_true", help="treat warnings as errors")
    parser.add_argument("--kubeconfig", metavar="FILE", help="kubeconfig file (default: $KUBECONFIG or ~/.kube/config)")
    settings.add_flag(parser)


def run(args: argparse.Namespace) -> int:
    """Print the issues. Return 1 if an AppStack is invalid, or has a warning and `--strict` is given."""
    if args.all_namespaces and args.namespace:
        output.print_note("appstack: -A and -n exclude each other")
        return EXIT_ERROR
    if not (args.filename or args.all_namespaces or args.namespace):
        output.print_note("appstack: one of -f, -A and -n is required")
        return EXIT_ERROR
    if not args.filename:
        if args.kubeconfig:
            os.environ["KUBECONFIG"] = args.kubeconfig
        return asyncio.run(_run_in_cluster(settings.load(args.settings), args.namespace or "", strict=args.strict))
    operator_settings = settings.load(args.settings) if args.settings else settings.without_warnings()
    results = stacks.validate_file(args.filename, settings=operator_settings, namespace=args.namespace)
    for result in results:
        for line in lines(result):
            output.print_line(line)
    return 1 if any(_is_failed(result, strict=args.strict) for result in results) else 0


async def _run_in_cluster(operator_settings: Settings, namespace: str, *, strict: bool) -> int:
    """Print the errors of the AppStacks in the cluster, with `strict` the warnings as well."""
    from appstack.cli.live import validate_cluster  # noqa: PLC0415  # validation of a file needs no client

    total = failed = 0
    async for result in validate_cluster(operator_settings, namespace=namespace):
        total += 1
        if _is_failed(result, strict=strict):
            failed += 1
            for line in lines(result, warnings=strict):
                output.print_line(line)
    output.print_note(f"{failed} of {total} AppStacks have errors")
    return 1 if failed else 0


def _is_failed(result: stacks.ValidationResult, *, strict: bool) -> bool:
    return not result.valid or (strict and bool(result.issues))


def lines(result: stacks.ValidationResult, *, warnings: bool = True) -> Iterator[str]:
    """Yield one line per issue, or per error."""
    for issue in result.issues:
        if issue.severity is Severity.ERROR:
            yield f"{result.source}: {issue}"
        elif warnings:
            yield f"{result.source}: warning: {issue}"
