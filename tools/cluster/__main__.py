"""`python3 -m tools.cluster`: what `make cluster` and its like run. Needs Python 3.11 and nothing else."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from tools.cluster import docker, life, metricsserver, operator_image, programs, shell, state, trace

Command = Callable[[argparse.Namespace], None]


def up(_: argparse.Namespace) -> None:
    life.up()


def down(_: argparse.Namespace) -> None:
    life.down()


def status(_: argparse.Namespace) -> None:
    print(life.status())


def build(given: argparse.Namespace) -> None:
    for name, path in programs.ensure(given.program).items():
        print(f"{name} {path}")


def images(_: argparse.Namespace) -> None:
    record = life.usable()
    programs.ensure(["helm"])
    if record.foreign:
        shell.say("the user's own cluster gets no images from here")
        return
    with state.alone(life.WAITING):
        env = docker.environment(own=record.own)
        operator_image.ensure(env, registry=not record.own)


def metrics_server(_: argparse.Namespace) -> None:
    record = life.usable()
    if record.foreign:
        shell.say("the user's own cluster gets no metrics-server from here")
        return
    with state.alone(life.WAITING):
        metricsserver.ensure(docker.environment(own=record.own), registry=not record.own)


def show_trace(given: argparse.Namespace) -> None:
    print(json.dumps(trace.machine() if given.machine else trace.ours(), indent=2))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m tools.cluster", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=command)
        return added

    add("up", up, "make the cluster, or use the one that is up and well; images of the examples included")
    add("down", down, "remove every trace of it but the cache")
    add("status", status, "say whether it is up and well")
    add("images", images, "make ready to install the operator: its image on the nodes, and helm")
    add("metrics-server", metrics_server, "install it: what a HorizontalPodAutoscaler reads")
    build_parser = add("build", build, "build pinned programs and print where they are")
    build_parser.add_argument("program", nargs="+", help=", ".join(sorted(programs.names())))
    trace_parser = add("trace", show_trace, "list what is left of a cluster")
    trace_parser.add_argument("--machine", action="store_true", help="all that a cluster could change, to compare")
    return parser.parse_args()


def main() -> int:
    given = parse()
    try:
        given.command(given)
    except shell.Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; `make cluster` goes on from here, `make cluster-down` clears away", file=sys.stderr)
        return 130
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        print(f"error: {error.strerror}{where}; what is kept lies in {state.cache()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
