"""Conventions of this repository as tests: sizes, names, language, links, examples and commits."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from tests import language

ROOT = Path(__file__).parents[1]
GENERATED = {"operator/appstack/api/kubernetes_1_33.py"}
MAX_MODULE_LINES, MAX_FUNCTION_LINES, MAX_TEST_LINES = 300, 60, 100
BANNED_MODULE_NAMES = {"utils", "helpers", "common", "manager"}
TOP_LEVEL_MODULES = {"__init__", "__main__", "errors", "operator", "settings"}

VOCABULARY = "tests/language.py"
"""The one module that contains the retired terms, as data."""

DEPRECATED_API_FIELDS = {"wish"}
"""Fields of an earlier release that the CRD still accepts."""

MAX_SUBJECT_CHARACTERS = 72
FIRST_CHECKED_COMMIT = "7e77c442e57906ffaa35921f440b61acc962b318"
"""The commit after which subjects are checked; a shallow clone may not contain it."""
MAX_CHECKED_COMMITS = 50


def git(*arguments: str) -> list[str]:
    """Run git in the repository and return the lines of its output."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def tracked_files(*patterns: str) -> list[str]:
    """Return the files that git tracks or would add, which are the files of a fresh clone."""
    names = git("ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", *patterns)
    return [name for name in names if (ROOT / name).is_file()]


PYTHON = [name for name in tracked_files("*.py") if name not in GENERATED]
PROSE = [name for name in (*PYTHON, *tracked_files("*.md", "*.tpl", "*.mk", "*NOTES.txt")) if name != VOCABULARY]


def packages() -> dict[str, list[Path]]:
    """Return the Python files by directory."""
    files = defaultdict(list)
    for name in PYTHON:
        if name != VOCABULARY:
            files[str(Path(name).parent)].append(ROOT / name)
    return dict(files)


PACKAGES = packages()


# --- size and names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in PYTHON if not name.startswith("tests/")])
def test_module_has_at_most_300_lines(name: str) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= MAX_MODULE_LINES


@pytest.mark.parametrize("name", PYTHON)
def test_function_has_at_most_60_lines_and_a_test_at_most_100(name: str) -> None:
    limit = MAX_TEST_LINES if name.startswith("tests/") else MAX_FUNCTION_LINES
    functions = [
        node
        for node in ast.walk(ast.parse((ROOT / name).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert [] == [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= limit]


@pytest.mark.parametrize("name", PYTHON)
def test_module_has_a_docstring_and_a_specific_name(name: str) -> None:
    tree = ast.parse((ROOT / name).read_text())

    assert not BANNED_MODULE_NAMES & set(Path(name).with_suffix("").parts)
    assert ast.get_docstring(tree) or not tree.body


def test_operator_modules_are_in_a_package() -> None:
    modules = {path.stem for path in (ROOT / "operator/appstack").glob("*.py")}

    assert set() == modules - TOP_LEVEL_MODULES, "move these into the package of their subject"


def test_every_test_of_the_security_table_exists() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", (ROOT / "docs/security.md").read_text()))

    assert named
    assert set() == {name for name in named if not (ROOT / name).exists()}


# --- language: see tests/language.py for the terms --------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in PYTHON if name != VOCABULARY])
def test_identifiers_contain_no_retired_term(name: str) -> None:
    findings = [
        str(finding) for finding in language.identifiers(ROOT / name) if finding.term not in DEPRECATED_API_FIELDS
    ]

    assert [] == findings


@pytest.mark.parametrize("name", PROSE)
def test_prose_contains_no_retired_phrase(name: str) -> None:
    assert [] == [str(finding) for finding in language.phrases(ROOT / name)]


@pytest.mark.parametrize("package", PACKAGES)
def test_prose_of_a_package_names_its_subjects(package: str) -> None:
    count, total = language.vague(PACKAGES[package])

    allowed = language.MAX_VAGUE * max(total, language.MIN_WORDS) / 1000
    assert count <= allowed, f"{count} vague pronouns in {total} words:\n" + "\n".join(vague_pronouns(package))


def vague_pronouns(package: str) -> list[str]:
    """Return one line for each vague pronoun in a package."""
    return [
        f"{path.relative_to(ROOT)}:{line + text[: match.start()].count(chr(10))}: {match.group()!r}: "
        "write the noun: the user, the controller, the object"
        for path in PACKAGES[package]
        for line, text in language.prose(path)
        for match in language.VAGUE.finditer(text)
    ]


def commit_subjects() -> list[str]:
    """Return the subjects of the commits on the current branch that this rule applies to."""
    try:
        git("cat-file", "-e", f"{FIRST_CHECKED_COMMIT}^{{commit}}")
    except subprocess.CalledProcessError:  # a shallow clone, whose commits are all newer
        return git("log", "--first-parent", f"--max-count={MAX_CHECKED_COMMITS}", "--format=%s")
    return git("log", "--first-parent", "--format=%s", f"{FIRST_CHECKED_COMMIT}..HEAD")


def test_commit_subject_is_short_and_capitalized() -> None:
    subjects = commit_subjects()

    assert [] == [subject for subject in subjects if len(subject) > MAX_SUBJECT_CHARACTERS], "at most 72 characters"
    assert [] == [subject for subject in subjects if not subject[:1].isupper()], "start with a capital letter"


# --- documents, examples and configuration ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", tracked_files("*.md"))
def test_links_between_documents_resolve(name: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / name).read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)

    assert [] == [link for link in links if not ((ROOT / name).parent / link).exists()]


def test_documents_name_existing_make_targets() -> None:
    makefiles = [ROOT / "Makefile", *(ROOT / "tools").glob("*.mk")]
    texts = (file.read_text() for file in makefiles)
    targets = {target for text in texts for target in re.findall(r"^([a-z0-9-]+):", text, flags=re.MULTILINE)}
    documents = ((ROOT / name).read_text() for name in tracked_files("*.md"))
    documented = {target for text in documents for target in re.findall(r"`make ([a-z0-9-]+)", text)}

    assert set() == documented - targets


@pytest.mark.parametrize("folder", sorted(path.name for path in (ROOT / "examples").iterdir() if path.is_dir()))
def test_example_has_its_manifest_its_objects_and_a_readme(folder: str) -> None:
    files = {path.name for path in (ROOT / "examples" / folder).iterdir()}

    assert {"appstack.yaml", "objects.yaml", "README.md"} <= files
    assert re.fullmatch(r"\d\d-[a-z-]+", folder)


def test_tracked_files_contain_no_path_of_a_machine() -> None:
    machine_path = re.compile(r"/(?:root|home/\w+)/|/work/(?:main|shared)|/tmp/appstack")
    texts = {name: (ROOT / name).read_bytes().decode(errors="replace") for name in tracked_files()}

    assert [] == [name for name, text in texts.items() if machine_path.search(text) and name != "tests/project.py"]


def test_ignored_lint_rule_has_a_reason() -> None:
    ignored = re.search(r"^ignore = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE)

    assert ignored
    assert [] == [line for line in ignored.group(1).splitlines() if "#" not in line]
