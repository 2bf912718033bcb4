"""Log lines."""

from __future__ import annotations

import asyncio
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from appstack.cli.__main__ import main
from appstack.settings import Settings
from appstack.telemetry import logs as log


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)


def test_a_line_for_programs_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(Settings(log_format="json"))
    logging.getLogger("appstack.x").info("%s is\nso", "it")
    logging.getLogger("kopf.objects").info("Handler succeeded.")

    (line,) = capsys.readouterr().err.splitlines()

    entry = json.loads(line)
    assert {"ts", "level", "logger", "msg"} == set(entry)
    assert ("info", "appstack.x", "it is\nso") == (entry["level"], entry["logger"], entry["msg"])
    assert entry["ts"].endswith("+00:00")


async def test_what_is_said_during_a_look_names_its_stack(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(Settings(log_format="json"))

    async def says_something() -> None:
        logging.getLogger("appstack.y").warning("so")

    with log.about("team", "shop"):
        await asyncio.create_task(says_something())
    await says_something()

    during, after = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert ("team", "shop") == (during["namespace"], during["name"])
    assert not {"namespace", "name"} & set(after)


def test_a_line_of_kopfs_names_its_object_in_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(Settings(log_format="json"))
    ref = {"namespace": "team", "name": "shop", "uid": "1"}
    logging.getLogger("kopf.objects").error("Handler failed.", extra={"k8s_ref": ref})

    entry = json.loads(capsys.readouterr().err)
    assert ("team", "shop", "kopf.objects") == (entry["namespace"], entry["name"], entry["logger"])


def test_a_warning_of_pythons_is_a_line_like_all_others(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(Settings(log_format="json"))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    assert "DeprecationWarning: old" in json.loads(capsys.readouterr().err)["msg"]


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


def test_people_read_first_which_stack_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(Settings())
    with log.about("team", "shop"):
        logging.getLogger("appstack").info("Deployment shop created")

    assert capsys.readouterr().err.endswith("INFO    team/shop: Deployment shop created\n")


def test_that_it_can_not_run_is_a_line_like_all_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", "")

    code = main(["run", "--log-format", "json", "--kubeconfig", str(tmp_path / "none")])

    entry = json.loads(capsys.readouterr().err)
    assert (2, "critical") == (code, entry["level"])
    assert "KUBECONFIG names no file" in entry["msg"]
