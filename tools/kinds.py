"""docs/kinds.md: which field works on which kind of workload, as the check's own table has it."""

from __future__ import annotations

from collections.abc import Iterator

from appstack.validation.kinds import KINDS, TABLE, Refusal, Row

INTRODUCTION = """\
# Fields by kind of workload

Every field works on every kind of workload (✓), or is refused on it by name; the number leads to the sentence
that `appstack validate` and the status say, and to the way out. A field that is not listed (the rest of a
Container, of the PodSpec, of a ServiceSpec) works on every kind.
"""


def text(note: str) -> str:
    """Return the whole document."""
    sentences: list[str] = []
    rows = [f"| {' | '.join(_cells(row, sentences))} |" for row in TABLE]
    notes = [f"{number}. {sentence}" for number, sentence in enumerate(sentences, start=1)]
    head = [f"| field | {' | '.join(KINDS)} |", f"|---|{':-:|' * len(KINDS)}"]
    return "\n".join([f"<!-- {note} -->\n", INTRODUCTION, *head, *rows, "", "## Why, and what instead", "", *notes, ""])


def _cells(row: Row, sentences: list[str]) -> Iterator[str]:
    """Yield the field and a cell for each kind; a sentence that is new gets the next number."""
    yield f"`{row}`"
    for kind in KINDS:
        if kind not in row.refused:
            yield "✓"
            continue
        refusal = row.refused[kind]
        sentence = _sentence(refusal)
        if sentence not in sentences:
            sentences.append(sentence)
        number = sentences.index(sentence) + 1
        yield f"✓ or {number}" if refusal.only_with else str(number)


def _sentence(refusal: Refusal) -> str:
    beside = " or ".join(f"`{each}`" for each in refusal.only_with)
    condition = f"With {beside}: " if beside else ""
    return f"{condition}{refusal.what.format(kind='*kind*')} ({refusal.hint})"
