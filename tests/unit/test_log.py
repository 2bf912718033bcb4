"""Log lines."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from appstack import log
from appstack.settings import Settings


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level


def test_a_line_for_programs_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(Settings(log_format="json"))
    logging.getLogger("appstack.x").info("%s: it is\nso", "team/shop")
    logging.getLogger("kopf.objects").info("Handler succeeded.")

    (line,) = capsys.readouterr().err.splitlines()

    entry = json.loads(line)
    assert ("info", "appstack.x", "team/shop: it is\nso") == (entry["level"], entry["logger"], entry["message"])
    assert entry["time"].endswith("+00:00")


def test_a_failure_comes_with_where_it_happened(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(Settings(log_format="json"))
    try:
        int("why")
    except ValueError:
        logging.getLogger("appstack").exception("so")

    assert "ValueError: invalid literal" in json.loads(capsys.readouterr().err)["exception"]


def test_people_get_text_of_the_level_that_they_ask_for(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(Settings(log_level="warning"))
    logging.getLogger("appstack").info("quiet")
    logging.getLogger("appstack").warning("loud")

    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("WARNING loud")
