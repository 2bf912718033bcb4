"""`python3 -m tools.cluster`: the command line behind `make cluster`; it needs Python 3.11 and no other package."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from tools.cluster import docker, lifecycle, metricsserver, operator_image, programs, shell, state, trace

Command = Callable[[argparse.Namespace], None]


def up(_: argparse.Namespace) -> None:
    lifecycle.up()


def down(_: argparse.Namespace) -> None:
    lifecycle.down()


def status(_: argparse.Namespace) -> None:
    print(lifecycle.status())


def build(given: argparse.Namespace) -> None:
    for name, path in programs.ensure(given.program).items():
        print(f"{name} {path}")


def images(_: argparse.Namespace) -> None:
    record = lifecycle.usable()
    programs.ensure(["helm"])
    if record.foreign:
        shell.progress("the cluster is the user's own: no images are loaded")
        return
    with state.exclusive_lock(lifecycle.LOCK_WAIT_MESSAGE):
        env = docker.environment(own=record.own)
        operator_image.ensure(env, registry=not record.own)


def metrics_server(_: argparse.Namespace) -> None:
    record = lifecycle.usable()
    if record.foreign:
        shell.progress("the cluster is the user's own: metrics-server is not installed")
        return
    with state.exclusive_lock(lifecycle.LOCK_WAIT_MESSAGE):
        metricsserver.ensure(docker.environment(own=record.own), registry=not record.own)


def show_trace(given: argparse.Namespace) -> None:
    print(json.dumps(trace.machine() if given.machine else trace.leftovers(), indent=2))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m tools.cluster", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=command)
        return added

    add("up", up, "create the cluster, or reuse a healthy one, and load the images of the examples")
    add("down", down, "remove the cluster and all its traces except the cache")
    add("status", status, "print whether the cluster can be used")
    add("images", images, "load the operator's image onto the nodes, and build helm")
    add("metrics-server", metrics_server, "install metrics-server, which a HorizontalPodAutoscaler needs")
    build_parser = add("build", build, "build pinned programs and print their paths")
    build_parser.add_argument("program", nargs="+", help=", ".join(sorted(programs.names())))
    trace_parser = add("trace", show_trace, "list what a removed cluster has left on the machine")
    trace_parser.add_argument(
        "--machine", action="store_true", help="list everything that a cluster could change, for a comparison"
    )
    return parser.parse_args()


def main() -> int:
    given = parse()
    try:
        given.command(given)
    except shell.Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; `make cluster` continues, `make cluster-down` removes the cluster", file=sys.stderr)
        return 130
    except OSError as error:
        file = f" ({error.filename})" if error.filename else ""
        print(f"error: {error.strerror}{file}; the cache is in {state.cache()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
