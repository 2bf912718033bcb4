"""The command line: one word each for render, validate, crd, run and version."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence

from appstack.cli import UNUSABLE, crd, render, run, validate, version
from appstack.errors import AppStackError

WORDS = {"render": render, "validate": validate, "crd": crd, "run": run, "version": version}
ABOUT = "AppStack: one short resource becomes the workload that its author meant."
EXAMPLES = """\
examples:
  appstack validate -f stack.yaml      what is wrong with it
  appstack render -f stack.yaml        what it becomes
  appstack run                         the operator, against the current kubeconfig
"""
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the words say; an error that can be told in a sentence is one sentence."""
    args = _parser().parse_args(argv)
    try:
        code = int(args.run(args))
        sys.stdout.flush()
    except BrokenPipeError:
        return _gone()
    except (AppStackError, OSError) as error:
        print(f"appstack: {_told(error)}", file=sys.stderr)
        return _gone(UNUSABLE) if isinstance(error, OSError) else UNUSABLE
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _told(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    if error.errno == errno.ENOSPC:
        return "there is no space left to write to. Make room, or write elsewhere"
    where = f" {error.filename}" if error.filename else ""
    return f"the system refused{where}: {error.strerror or error}"


def _gone(code: int = 0) -> int:
    """Leave without another attempt to write: whoever read our output reads no more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="appstack", description=ABOUT, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words = parser.add_subparsers(title="words", metavar="WORD", required=True)
    for name, module in WORDS.items():
        word = words.add_parser(
            name,
            help=module.HELP,
            description=f"{module.HELP[0].upper()}{module.HELP[1:]}.",
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(word)
        word.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
