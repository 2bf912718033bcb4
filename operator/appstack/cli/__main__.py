"""Entry point of the `appstack` command: dispatch to the commands, errors as one line, exit codes."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NoReturn

from appstack.cli import EXIT_ERROR, EXIT_USAGE, output
from appstack.errors import AppStackError

COMMANDS: Final = {
    "render": "print the Kubernetes objects of an AppStack, without a cluster",
    "validate": "report validation issues of the AppStacks in a file or in a cluster",
    "convert": "turn Kubernetes objects and compose files into AppStacks",
    "crd": "print the CustomResourceDefinition",
    "run": "run the operator, in a pod or against the current kubeconfig",
    "cleanup": "delete node caches that no AppStack uses, on this node",
    "version": "print the version",
}
"""Help text of each command. Its module has the same name, and is imported only to run the command."""

DESCRIPTION = "AppStack: declare a workload with its proxy, volumes and network in one Kubernetes resource."
EXAMPLES = """\
examples:
  appstack validate -f stack.yaml      report validation issues of the AppStacks in the file
  appstack render -f stack.yaml        print the Kubernetes objects of the AppStack
  appstack convert -f manifests.yaml   print AppStacks for Kubernetes manifests
  appstack run                         run the operator against the current kubeconfig
"""
EXIT_INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """Exits with `EXIT_USAGE` instead of 2, which commands use for a result."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the error, and exit."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: error: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. Print an expected error as one line on standard error."""
    arguments = sys.argv[1:] if argv is None else argv
    args = _parser(arguments).parse_args(arguments)
    try:
        code = int(args.run(args))
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return 0
    except AppStackError as error:
        output.print_note(f"appstack: {error}")
        return EXIT_ERROR
    except OSError as error:
        output.print_note(f"appstack: {_describe(error)}")
        _discard_output()
        return EXIT_ERROR
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return code


def _describe(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "No space left on the output device. Free some space, or write the output elsewhere"
    path = f"{error.filename}: " if error.filename else ""
    return f"{path}{error.strerror or error}"


def _discard_output() -> None:
    """Redirect standard output to /dev/null, so that the flush at exit does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser, with the flags of the command that the arguments begin with."""
    parser = _Parser(
        prog="appstack",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, help_text in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=help_text,
            description=f"{help_text[0].upper()}{help_text[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if arguments and arguments[0] == name:
            module = import_module(f"appstack.cli.{name}")
            command.epilog = module.EXAMPLES
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
