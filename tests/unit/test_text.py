"""Messages of bounded length and timestamps."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from appstack.k8s.text import join_messages, micro_time, timestamp, truncate


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
