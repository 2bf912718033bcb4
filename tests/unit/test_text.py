"""Messages of bounded length and timestamps."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from appstack.k8s.text import escape_controls, join_messages, micro_time, timestamp, truncate


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (["one", "two"], "one; two"),
        (["a" * 20, "b" * 20, "c" * 20], "a" * 20 + "; and 2 more"),
        (["a" * 60], "a" * 24 + "…"),
    ],
)
def test_joined_messages_fit_the_limit(messages: list[str], expected: str) -> None:
    assert expected == join_messages(messages, limit=40)


def test_truncated_text_ends_with_an_ellipsis() -> None:
    assert "abc" == truncate("abc", limit=3)
    assert "ab…" == truncate("abcd", limit=3)


def test_timestamps_have_the_precision_of_their_type() -> None:
    moment = datetime(2026, 11, 21, 7, 0, 0, 1500, tzinfo=UTC)

    assert "2026-11-21T07:00:00Z" == timestamp(moment)
    assert "2026-11-21T07:00:00.001500Z" == micro_time(moment)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\x9b1mb", r"a\x9b1mb"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("a\u202eb\u2028c", r"a\u202eb\u2028c"),
        ("\ud800", r"\ud800"),
        ("grün €\u00a0\U0001f600 C:\\x1b", "grün €\u00a0\U0001f600 C:\\x1b"),
    ],
)
def test_control_characters_are_escaped(text: str, escaped: str) -> None:
    assert escaped == escape_controls(text) == escape_controls(escaped) == truncate(text)
    assert escaped.replace(r"\n", "\n").replace(r"\t", "\t") == escape_controls(text, multiline=True)


def test_truncated_text_is_within_the_limit_after_escaping() -> None:
    assert 1024 == len(truncate("\x1b" * 1024))
