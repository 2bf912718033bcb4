"""Entry point of the `appstack` command: dispatch to the commands, errors as one line, exit codes."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence

from appstack.cli import EXIT_ERROR, crd, render, run, validate, version
from appstack.errors import AppStackError

COMMANDS = {"render": render, "validate": validate, "crd": crd, "run": run, "version": version}
DESCRIPTION = "AppStack: declare a workload with its proxy, volumes and network in one Kubernetes resource."
EXAMPLES = """\
examples:
  appstack validate -f stack.yaml      report validation issues of the AppStacks in the file
  appstack render -f stack.yaml        print the Kubernetes objects of the AppStack
  appstack run                         run the operator against the current kubeconfig
"""
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. Print an expected error as one line on standard error."""
    args = _parser().parse_args(argv)
    try:
        code = int(args.run(args))
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return 0
    except AppStackError as error:
        print(f"appstack: {error}", file=sys.stderr)
        return EXIT_ERROR
    except OSError as error:
        print(f"appstack: {_describe(error)}", file=sys.stderr)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="appstack",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=f"{module.HELP[0].upper()}{module.HELP[1:]}.",
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
