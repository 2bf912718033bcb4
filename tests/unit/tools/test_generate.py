"""Generation of files from the models, and the check that they are up to date."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tools import generate, kinds, reference

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a project directory with one example and its generated files."""
    shutil.copytree(ROOT / "examples" / "01-release-app", tmp_path / "examples" / "01-release-app")
    generate.write(tmp_path)
    return tmp_path


def test_generated_files_are_up_to_date_and_name_their_generator(root: Path) -> None:
    assert generate.check(root) == 0
    assert all("make generate" in (root / path).read_text()[:200] for path, _ in generate.generated(root))


def test_manual_edit_of_a_generated_file_is_reported_with_a_diff_and_the_command(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / generate.REFERENCE).write_text((root / generate.REFERENCE).read_text().replace("sidecars", "wagons"))

    assert generate.check(root) == 1
    out, err = capsys.readouterr()
    assert "-| `wagons`" in out
    assert err == "Not up to date: docs/reference.md. Run make generate\n"
    assert generate.write(root) == generate.check(root) == 0


def test_crd_of_the_chart_is_kept_on_uninstall_and_escapes_templates(root: Path) -> None:
    text = (root / generate.CHART_CRD).read_text()

    assert "helm.sh/resource-policy: keep" in text
    assert text.count("{{") == text.count("{{-") + text.count('{{ "{{" }}') * 2


def test_every_link_in_the_reference_has_a_section() -> None:
    text = reference.text("note")
    sections = {line.lstrip("# ").lower() for line in text.splitlines() if line.startswith("###")}
    links = {part.partition(")")[0] for part in text.split("](#")[1:]}

    assert links
    assert links <= sections


def test_every_number_in_the_table_of_kinds_has_a_note() -> None:
    table, notes = kinds.text("note").split("## Reasons and alternatives")
    numbers = {int(number) for number in re.findall(r"(?<=\| )(?:✓ or )?(\d+)(?= \|)", table)}
    noted = [int(line.partition(".")[0]) for line in notes.splitlines() if line[:1].isdecimal()]

    assert list(range(1, len(numbers) + 1)) == sorted(numbers) == noted
