"""What follows from the model is written, and told when it is not up to date."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tools import generate, kinds, reference

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a project with one example."""
    shutil.copytree(ROOT / "examples" / "01-release-app", tmp_path / "examples" / "01-release-app")
    generate.write(tmp_path)
    return tmp_path


def test_what_was_written_is_up_to_date_and_says_who_wrote_it(root: Path) -> None:
    assert generate.check(root) == 0
    assert all("make generate" in (root / path).read_text()[:200] for path, _ in generate.generated(root))


def test_a_change_by_hand_is_shown_with_the_command_to_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / generate.REFERENCE).write_text((root / generate.REFERENCE).read_text().replace("sidecars", "wagons"))

    assert generate.check(root) == 1
    out, err = capsys.readouterr()
    assert "-| `wagons`" in out
    assert err == "not up to date: docs/reference.md; run make generate\n"
    assert generate.write(root) == generate.check(root) == 0


def test_the_charts_crd_is_kept_and_hides_no_template(root: Path) -> None:
    text = (root / generate.CHART_CRD).read_text()

    assert "helm.sh/resource-policy: keep" in text
    assert text.count("{{") == text.count("{{-") + text.count('{{ "{{" }}') * 2


def test_every_link_of_the_reference_leads_to_a_section() -> None:
    text = reference.text("note")
    sections = {line.lstrip("# ").lower() for line in text.splitlines() if line.startswith("###")}
    links = {part.partition(")")[0] for part in text.split("](#")[1:]}

    assert links
    assert links <= sections


def test_every_refusal_of_the_table_of_kinds_has_its_sentence() -> None:
    table, sentences = kinds.text("note").split("## Why")
    numbers = {int(number) for number in re.findall(r"(?<=\| )(?:✓ or )?(\d+)(?= \|)", table)}
    told = [int(line.partition(".")[0]) for line in sentences.splitlines() if line[:1].isdecimal()]

    assert list(range(1, len(numbers) + 1)) == sorted(numbers) == told
