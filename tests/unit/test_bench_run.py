"""A run of the bench: its folder, its log, and what its command line takes."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import machine
from bench.contenders import contenders
from bench.report.findings import ORDER
from bench.results import ROOT, Result, Run, newest
from tools.cluster import shell


@pytest.mark.parametrize(
    ("folder", "told", "kept"),
    [
        (ROOT / "bench/results/run-1", f"logs are in {ROOT}/bench/results/run-1/logs/a", "bench/results/run-1/logs/a"),
        (Path("/srv/x/run-1"), "logs are in /srv/x/run-1/logs/a", "run-1/logs/a"),
        (Path("/run-1"), "https://127.0.0.1 and /run-1/logs/a", "https://127.0.0.1 and run-1/logs/a"),
        (
            Path("/srv/x/run-1"),
            f"(more in {tempfile.gettempdir()}/appstack-bench-a_1/plane/etcd.log)",
            "(more in etcd.log)",
        ),
        (Path("/srv/x/run-1"), f"`{Path.home()}/.cache/appstack/etcd`", "`~/.cache/appstack/etcd`"),
    ],
)
def test_the_log_has_no_folders_of_this_machine(folder: Path, told: str, kept: str) -> None:
    assert kept == Run(folder).relative(told).removeprefix("logs are in ")


def test_what_is_said_is_kept_without_folders(tmp_path: Path) -> None:
    run = Run(tmp_path / "run-1")

    run.say(f"see {tmp_path}/run-1/logs")

    assert (tmp_path / "run-1/log.txt").read_text().endswith(" see run-1/logs\n")


def test_the_newest_run_is_that_of_the_newest_result(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    for name, at in (("run-a", "2026-11-21T02"), ("run-big", "2026-11-21T01")):
        Run(tmp_path / name).keep(Result("idle", "appstack", 1, 1, at))
    (tmp_path / "run-z").mkdir()

    found = newest(tmp_path)

    assert found is not None
    assert "a" == found.id


def test_a_run_is_of_one_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*words: str) -> str:
        return shell.run(["git", "-c", "user.name=a", "-c", "user.email=a@example", *words], cwd=tmp_path).strip()

    def commit(file: str) -> dict[str, str]:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(file)
        git("add", ".")
        git("commit", "--quiet", "--message", file)
        return {"appstack": f"0.1.0, commit {git('rev-parse', '--short', 'HEAD')}"}

    monkeypatch.setattr(machine, "ROOT", tmp_path)
    git("init", "--quiet")
    begun_on = commit("operator/a.py")
    commit("docs/a.md")

    for good in ({}, {"appstack": "0.1.0, commit unknown"}, begun_on):
        machine.hold_code(good)
    commit("operator/b.py")
    with pytest.raises(shell.Failure, match="the code has changed since: measure into another one with OUT=folder"):
        machine.hold_code(begun_on)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "backlog,typo"], "no suite typo; there are backlog, edit"),
        (["--contenders", "typo"], "no contender typo; there are bare, bare-status, appstack, go, kro"),
    ],
)
def test_a_name_that_nobody_has_is_refused(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", *words])

    with pytest.raises(SystemExit):
        command.main()

    assert said in capsys.readouterr().err


def test_what_is_not_there_cannot_be_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = tmp_path / "docs"
    monkeypatch.setattr(sys, "argv", ["bench", "--report", "--out", str(tmp_path / "run-1"), "--docs", str(docs)])

    assert 1 == command.main()
    assert "there are no results to report" in capsys.readouterr().err
    assert not docs.exists()


def test_every_contender_has_its_place_in_the_tables() -> None:
    assert set(ORDER) == {one.name for one in contenders(in_flight=8)}
