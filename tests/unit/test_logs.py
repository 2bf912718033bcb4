"""Log lines as text and as JSON, and the fields that they carry."""

from __future__ import annotations

import asyncio
import json
import logging
import warnings
from pathlib import Path
from typing import Literal

import pytest

from appstack.cli.__main__ import main
from appstack.k8s.metadata import Ref
from appstack.settings import Settings
from appstack.telemetry import logs

logger = logging.getLogger("appstack.test")

DEPLOYMENT = Ref("apps/v1", "Deployment", "team", "shop")


pytestmark = pytest.mark.usefixtures("root_logger")


def text_line(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one text line that was logged, without its time."""
    (line,) = capsys.readouterr().err.splitlines()
    return str(line).split(maxsplit=2)[2]


def test_json_line_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    logger.info("%s\ntwice", "Started")
    logging.getLogger("kopf.objects").info("Handler succeeded.")

    (line,) = capsys.readouterr().err.splitlines()

    entry = json.loads(line)
    assert {"ts", "level", "logger", "msg"} == set(entry)
    assert ("info", "appstack.test", "Started\ntwice") == (entry["level"], entry["logger"], entry["msg"])
    assert entry["ts"].endswith("+00:00")


def test_json_line_has_the_fields_as_members(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    with logs.stack_context("team", "shop"):
        logger.info("Applied", extra=logs.fields(DEPLOYMENT, action="created"))

    entry = json.loads(capsys.readouterr().err)
    expected = {"kind": "Deployment", "namespace": "team", "name": "shop", "action": "created", "appstack": "team/shop"}
    assert expected == {key: value for key, value in entry.items() if key not in {"ts", "level", "logger", "msg"}}


async def test_lines_of_a_stack_context_and_of_its_tasks_have_the_appstack(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))

    async def log_a_line() -> None:
        logger.warning("Retrying")

    with logs.stack_context("team", "shop"):
        await asyncio.create_task(log_a_line())
    await log_a_line()

    during, after = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert "team/shop" == during["appstack"]
    assert "appstack" not in after


def test_kopf_line_has_the_fields_of_its_object(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    ref = {"kind": "AppStack", "namespace": "team", "name": "shop", "uid": "1"}
    logging.getLogger("kopf.objects").error("Handler failed.", extra={"k8s_ref": ref})

    entry = json.loads(capsys.readouterr().err)
    assert ("AppStack", "team", "shop") == (entry["kind"], entry["namespace"], entry["name"])
    assert "kopf.objects" == entry["logger"]


def test_python_warning_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    assert "DeprecationWarning: old" in text_line(capsys)


def test_exception_is_logged_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    try:
        int("x")
    except ValueError:
        logger.exception("Unhandled error")

    assert "ValueError: invalid literal" in json.loads(capsys.readouterr().err)["exception"]


def test_lines_below_the_log_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_level="warning"))
    logger.info("Quiet")
    logger.warning("Loud")

    assert "WARNING Loud" == text_line(capsys)


def test_text_line_has_the_message_first_and_then_the_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings())
    with logs.stack_context("team", "shop"):
        logger.info("Applied", extra=logs.fields(DEPLOYMENT, action="created", reason="Drift"))

    fields = "kind=Deployment namespace=team name=shop action=created reason=Drift appstack=team/shop"
    assert f"INFO    Applied {fields}" == text_line(capsys)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("Drift", "reason=Drift"),
        ("two words", 'reason="two words"'),
        ('a "quote"', r'reason="a \"quote\""'),
        ("a=b", 'reason="a=b"'),
        ("a\nb", r'reason="a\nb"'),
        ("grün", "reason=grün"),
        ("a\u2028b", r'reason="a\u2028b"'),
    ],
)
def test_text_value_with_spaces_or_quotes_is_quoted(
    reason: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(Settings())
    logger.info("Applied", extra=logs.fields(DEPLOYMENT, reason=reason))

    assert text_line(capsys).endswith(f" name=shop {expected}")


def test_text_line_stays_one_line_whatever_the_message_holds(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings())
    logger.info("Denied: %s", "no\n2026-01-01 00:00:00,000 INFO    Forged\x1b[2K")

    assert r"INFO    Denied: no\n2026-01-01 00:00:00,000 INFO    Forged\x1b[2K" == text_line(capsys)


def test_traceback_follows_the_text_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings())
    try:
        int("x")
    except ValueError:
        logger.exception("Unhandled error", extra=logs.fields(DEPLOYMENT))

    first, second, *rest = capsys.readouterr().err.splitlines()
    assert first.endswith("Unhandled error kind=Deployment namespace=team name=shop")
    assert "    Traceback (most recent call last):" == second
    assert rest[-1].startswith("    ValueError: invalid literal")


CONTROLS = "\x1b[2J\x1b]0;title\x07\r\n\x9b1m\x7f\u2028\u202egnp.exe\u2066\ud800"
"""Characters that clear a terminal, set its title, end a line, hide text, or cannot be encoded."""
FORGED = f"no{CONTROLS}\n2026-01-01 00:00:00,000 INFO    Lease acquired"


def raise_forged() -> None:
    """Raise an error with the text of a user."""
    raise ValueError(FORGED)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_text_of_a_user_forges_no_line_and_sends_nothing_to_a_terminal(
    log_format: Literal["text", "json"], capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(Settings(log_format=log_format))
    logger.warning("Denied: %s", FORGED, extra=logs.fields(Ref("v1", "Pod", FORGED, "shop"), reason=FORGED))
    try:
        raise_forged()
    except ValueError:
        logger.exception("Unhandled error: %s", FORGED)

    output = capsys.readouterr().err
    output.encode()
    assert [] == [line for line in output.splitlines() if line.startswith("2026-01-01")]
    assert "\n" == "".join(sorted({character for character in output if not character.isprintable()}))
    assert 2 == sum(not line.startswith(" ") for line in output.splitlines())


def test_json_line_keeps_the_text_behind_its_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    logger.warning("Denied: %s", FORGED)

    assert f"Denied: {FORGED}" == json.loads(capsys.readouterr().err)["msg"]


def test_startup_error_is_a_json_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", "")

    code = main(["run", "--log-format", "json", "--kubeconfig", str(tmp_path / "none")])

    entry = json.loads(capsys.readouterr().err)
    assert (2, "critical") == (code, entry["level"])
    assert "KUBECONFIG names no file" in entry["msg"]
