"""Command `appstack convert`: turn Kubernetes objects into AppStacks."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from appstack.cli import EXIT_USAGE, cluster_objects, compose_files, documents, output, settings
from appstack.errors import AppStackError, OperatorError

if TYPE_CHECKING:
    from appstack.convert import Conversion, Result
    from appstack.settings import Settings

EXAMPLES = """\
examples:
  appstack convert -f manifests.yaml
  kustomize build . | appstack convert -f - -o stacks/
  helm template shop ./chart | appstack convert -f - --check
  appstack convert -f compose.yaml
  appstack convert --from-compose compose.yaml --profile debug
  appstack convert deployment/shop --namespace team-a
  appstack convert deployment/shop --namespace team-a --adopt -o stacks/ > adopt.sh

Prints the AppStacks, and on standard error one line for each field that is changed, added, omitted or not converted.
The exit code is 1 if AppStack refuses a result. With --check it is 0 if the AppStacks render the same objects, and 2 if
there are differences, which are printed instead of the AppStacks.
"""
EXIT_FAILED, EXIT_DIFFERENT = 1, 2


class _WrongArguments(OperatorError):
    """The arguments contradict each other."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "-f", "--filename", metavar="FILE", action="append", help="YAML file, or - for standard input; may be repeated"
    )
    source.add_argument(
        "workload", metavar="KIND/NAME", nargs="?", help="workload of the cluster, for example deployment/shop"
    )
    source.add_argument("--from-compose", metavar="FILE", help="compose file; -f recognizes compose files, too")
    parser.add_argument(
        "--profile", metavar="NAME", action="append", default=[], help="active profile of the compose file; * for all"
    )
    parser.add_argument("-n", "--namespace", help="namespace of KIND/NAME (default: that of kubectl)")
    parser.add_argument(
        "--adopt", action="store_true", help="print the commands by which the AppStack takes over KIND/NAME; needs -o"
    )
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, help="write one file for each AppStack")
    parser.add_argument("--check", action="store_true", help="compare the rendered objects with the source")
    settings.add_flag(parser)


def run(args: argparse.Namespace) -> int:
    """Print the AppStacks and the notes, or the differences with `--check`."""
    try:
        _check_arguments(args)
        conversion = _conversion(args)
        _print_notes(conversion)
        if not args.check:
            _write(conversion.results, args.output)
        if args.adopt:
            _print_steps(conversion.results[0], args)
    except _WrongArguments as error:
        output.print_note(f"appstack: {error}")
        return EXIT_USAGE
    except (AppStackError, OSError) as error:
        output.print_note(f"appstack: {error}")
        return EXIT_FAILED
    return _exit_code(conversion, check=args.check)


def _check_arguments(args: argparse.Namespace) -> None:
    if args.adopt and not (args.workload and args.output):
        raise _WrongArguments("--adopt needs a workload of the cluster and -o DIR", "See appstack convert --help")


def _conversion(args: argparse.Namespace) -> Conversion:
    from appstack.convert import convert  # noqa: PLC0415  # loads the whole model

    operator_settings = settings.load(args.settings)
    if args.from_compose:
        return _from_compose(args.from_compose, args, operator_settings)
    if args.workload:
        workload = cluster_objects.parse_workload(args.workload)
        found = cluster_objects.read(*workload, namespace=args.namespace)
        return convert(found, settings=operator_settings, only=workload)
    objects: list[documents.Document] = []
    for path in args.filename:
        name = documents.display_name(path)
        loaded = documents.parse(documents.read_text(path), name)
        if len(args.filename) == len(loaded) == 1 and compose_files.is_compose(loaded[0]) and path != "-":
            return _from_compose(path, args, operator_settings)
        objects.extend(documents.objects(loaded, name))
    return convert(objects, settings=operator_settings)


def _from_compose(path: str, args: argparse.Namespace, operator_settings: Settings) -> Conversion:
    from appstack.convert.compose import convert_project  # noqa: PLC0415  # loads the whole model

    if args.check:
        raise _WrongArguments("--check compares Kubernetes objects", "Leave it out for a compose file")
    return convert_project(
        Path(path).name,
        compose_files.ProjectDirectory(Path(path).parent),
        environment=os.environ,
        profiles=frozenset(args.profile),
        settings=operator_settings,
    )


def _print_notes(conversion: Conversion) -> None:
    notes = [*conversion.notes, *(note for result in conversion.results for note in result.notes)]
    for line in dict.fromkeys(map(str, notes)):
        output.print_note(line)


def _write(results: Iterable[Result], directory: Path | None) -> None:
    results = list(results)
    if directory is None:
        sys.stdout.write(documents.dump(result.document for result in results))
        return
    directory.mkdir(parents=True, exist_ok=True)
    for name, result in _file_names(results):
        (directory / name).write_text(documents.dump([result.document]))


def _print_steps(result: Result, args: argparse.Namespace) -> None:
    """Print the commands of an adoption; write the AppStack that holds the replicas if there has to be one."""
    from appstack.convert.adoption import adoption_steps, held_replicas  # noqa: PLC0415  # loads the whole model

    if result.stack is None:
        return
    file = args.output / f"{result.name}.yaml"
    first_file = args.output / f"{result.name}-replicas.yaml"
    first = held_replicas(result)
    if first is not None:
        first_file.write_text(documents.dump([first]))
    operator_settings = settings.load(args.settings)
    for line in adoption_steps(result, settings=operator_settings, file=str(file), first_file=str(first_file)):
        output.print_line(line)


def _file_names(results: list[Result]) -> Iterator[tuple[str, Result]]:
    """Yield a file name for each AppStack, with the namespace where two have one name."""
    names = [result.name for result in results]
    for result in results:
        prefix = f"{result.namespace}-" if names.count(result.name) > 1 and result.namespace else ""
        yield f"{prefix}{result.name}.yaml", result


def _exit_code(conversion: Conversion, *, check: bool) -> int:
    refused = [result for result in conversion.results if result.stack is None]
    different = 0
    for result in conversion.results if check else ():
        differences = result.comparison.differences if result.comparison else ()
        for difference in differences:
            output.print_line(f"AppStack/{result.name}: {difference}")
        different += bool(differences)
        if result.comparison and not differences:
            output.print_line(f"AppStack/{result.name}: renders the same")
    if refused or not conversion.results:
        return EXIT_FAILED
    return EXIT_DIFFERENT if different else 0
