"""Generator of docs/kinds.md: the fields that each kind of workload supports."""

from __future__ import annotations

from collections.abc import Iterator

from appstack.validation.kind_support import KINDS, SUPPORT_TABLE, FieldSupport, UnsupportedReason

INTRODUCTION = """\
# Fields by kind of workload

✓ marks the kinds of workload that support a field. A number refers to the reason why a kind does not support it and
to the alternative; `appstack validate` and the AppStack's status give the same message. Fields that are not listed
(other fields of a Container, PodSpec or ServiceSpec) are supported by every kind.
"""


def text(note: str) -> str:
    """Return the complete document; `note` names the command that generates it."""
    reasons: list[str] = []
    rows = [f"| {' | '.join(_cells(row, reasons))} |" for row in SUPPORT_TABLE]
    notes = [f"{number}. {reason}" for number, reason in enumerate(reasons, start=1)]
    header = [f"| field | {' | '.join(KINDS)} |", f"|---|{':-:|' * len(KINDS)}"]
    title = "## Reasons and alternatives"
    return "\n".join([f"<!-- {note} -->\n", INTRODUCTION, *header, *rows, "", title, "", *notes, ""])


def _cells(row: FieldSupport, reasons: list[str]) -> Iterator[str]:
    """Yield the cells of a row: the field, then one for each kind. New reasons are appended to `reasons`."""
    yield f"`{row}`"
    for kind in KINDS:
        if kind not in row.unsupported_on:
            yield "✓"
            continue
        reason = row.unsupported_on[kind]
        text = _reason_text(reason)
        if text not in reasons:
            reasons.append(text)
        number = reasons.index(text) + 1
        yield f"✓ or {number}" if reason.only_with else str(number)


def _reason_text(reason: UnsupportedReason) -> str:
    combinations = " or ".join(f"`{field}`" for field in reason.only_with)
    condition = f"With {combinations}: " if combinations else ""
    return f"{condition}{reason.message.format(kind='*kind*')} ({reason.hint})"
