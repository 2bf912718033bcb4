"""Write what follows from the model: the CRD, the chart's copies, the reference, the tables of kinds and metrics, and
the examples' objects.

python3 -m tools.generate            # what `make generate` runs
python3 -m tools.generate --check    # what `make check` runs: is everything as it would be written?
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path

from appstack.api import crd, parse
from appstack.cli import documents
from appstack.errors import AppStackError
from appstack.k8s.metadata import KIND
from appstack.render import render
from appstack.settings import Settings
from tools import chart, kinds, metrics, reference

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "make generate"
NOTE = f"Written by `{COMMAND}` from the model: change operator/appstack, not this file."
CRD = Path("crds/appstack.dev_appstacks.yaml")
CHART_CRD = Path("deploy/appstack/templates/crd.yaml")
REFERENCE = Path("docs/reference.md")
KINDS = Path("docs/kinds.md")
METRICS = Path("docs/metrics.md")
SHOWN_LINES = 20


def main() -> int:
    """Write the files, or say which are not as they would be written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 when a file differs")
    return check(ROOT) if parser.parse_args().check else write(ROOT)


def write(root: Path) -> int:
    """Write each file that differs."""
    for path, text in generated(root):
        if _written(root / path) != text:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    return 0


def check(root: Path) -> int:
    """Show where files differ from what would be written, and name the command."""
    stale = [(path, text) for path, text in generated(root) if _written(root / path) != text]
    for path, text in stale:
        before, after = _written(root / path).splitlines(), text.splitlines()
        lines = difflib.unified_diff(before, after, str(path), f"{path} as the model has it", lineterm="", n=1)
        print("\n".join(islice(lines, SHOWN_LINES)))
    if stale:
        print(f"not up to date: {', '.join(str(path) for path, _ in stale)}; run {COMMAND}", file=sys.stderr)
    return 1 if stale else 0


def generated(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file with its text."""
    definition = _definition()
    yield CRD, f"# {NOTE}\n{definition}"
    yield CHART_CRD, _template(definition)
    yield chart.SCHEMA.relative_to(ROOT), chart.values_schema()
    yield REFERENCE, reference.text(NOTE)
    yield KINDS, kinds.text(NOTE)
    yield METRICS, metrics.text(NOTE)
    for stack in sorted((root / "examples").glob("*/appstack.yaml")):
        path = stack.relative_to(root)
        head = f"# {NOTE}\n# It is what `appstack render -f {path}` prints.\n"
        yield path.with_name("objects.yaml"), head + _objects(stack)


@cache
def _definition() -> str:
    return documents.dump([crd.definition()])


def _objects(stack: Path) -> str:
    try:
        stacks = [parse(document) for document in documents.read(str(stack)) if document["kind"] == KIND]
    except AppStackError as error:
        sys.exit(f"{stack}: {error}")
    return documents.dump(thing for one in stacks for thing in render(one, settings=Settings()))


def _template(definition: str) -> str:
    """Return the CRD as a template of the chart: `helm uninstall` keeps it, and with it every AppStack."""
    keep = "metadata:\n  annotations:\n    helm.sh/resource-policy: keep\n"
    literal = definition.replace("{{", '{{ "{{" }}').replace("metadata:\n", keep, 1)
    head = f"{{{{- /* {NOTE} */ -}}}}\n{{{{- if .Values.crds.install }}}}\n"
    return f"{head}{literal}{{{{- end }}}}\n"


def _written(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
