"""The project about itself: what every file, document and example has to keep."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GENERATED = {"operator/appstack/api/kubernetes_1_33.py"}
MODULE_LINES, FUNCTION_LINES, TEST_LINES = 300, 60, 100
BANNED = {"utils", "helpers", "common", "manager"}


def tracked(*patterns: str) -> list[str]:
    """Return the files that git knows, or would take: what a fresh clone has."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", *patterns]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in names if (ROOT / name).is_file()]


CODE = [name for name in tracked("*.py") if name not in GENERATED]


@pytest.mark.parametrize("name", [name for name in CODE if not name.startswith("tests/")])
def test_no_module_is_too_long_to_read(name: str) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= MODULE_LINES


@pytest.mark.parametrize("name", CODE)
def test_no_function_is_too_long_to_read(name: str) -> None:
    limit = TEST_LINES if name.startswith("tests/") else FUNCTION_LINES
    functions = [
        node
        for node in ast.walk(ast.parse((ROOT / name).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert [] == [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= limit]


@pytest.mark.parametrize("name", CODE)
def test_a_module_says_what_it_is_and_has_a_name_that_means_something(name: str) -> None:
    tree = ast.parse((ROOT / name).read_text())

    assert not BANNED & set(Path(name).with_suffix("").parts)
    assert ast.get_docstring(tree) or not tree.body


@pytest.mark.parametrize("name", tracked("*.md"))
def test_links_between_documents_lead_somewhere(name: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / name).read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)

    assert [] == [link for link in links if not ((ROOT / name).parent / link).exists()]


def test_documents_name_only_make_words_that_exist() -> None:
    makefiles = [ROOT / "Makefile", *(ROOT / "tools").glob("*.mk")]
    words = {word for file in makefiles for word in re.findall(r"^([a-z0-9-]+):", file.read_text(), flags=re.MULTILINE)}
    said = {word for name in tracked("*.md") for word in re.findall(r"`make ([a-z0-9-]+)", (ROOT / name).read_text())}

    assert set() == said - words


@pytest.mark.parametrize("folder", sorted(path.name for path in (ROOT / "examples").iterdir() if path.is_dir()))
def test_an_example_is_whole(folder: str) -> None:
    files = {path.name for path in (ROOT / "examples" / folder).iterdir()}

    assert {"appstack.yaml", "objects.yaml", "README.md"} <= files
    assert re.fullmatch(r"\d\d-[a-z-]+", folder)


def test_nothing_that_is_committed_names_a_machine() -> None:
    elsewhere = re.compile(r"/(?:root|home/\w+)/|/work/(?:main|shared)|/tmp/appstack")
    texts = {name: (ROOT / name).read_bytes().decode(errors="replace") for name in tracked()}

    assert [] == [name for name, text in texts.items() if elsewhere.search(text) and name != "tests/project.py"]


def test_a_lint_rule_is_left_out_for_a_reason() -> None:
    listed = re.search(r"^ignore = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE)

    assert listed
    assert [] == [line for line in listed.group(1).splitlines() if "#" not in line]
