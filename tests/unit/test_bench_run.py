"""The folder and the log of a run, and the command line of the bench."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import machine
from bench.checkout import ROOT
from bench.results import Result, Run, newest
from tools.cluster import shell


@pytest.mark.parametrize(
    ("folder", "text", "logged"),
    [
        (ROOT / "bench/results/run-1", f"logs are in {ROOT}/bench/results/run-1/logs/a", "bench/results/run-1/logs/a"),
        (Path("/srv/x/run-1"), "logs are in /srv/x/run-1/logs/a", "run-1/logs/a"),
        (Path("/run-1"), "https://127.0.0.1 and /run-1/logs/a", "https://127.0.0.1 and run-1/logs/a"),
        (
            Path("/srv/x/run-1"),
            f"(more in {tempfile.gettempdir()}/appstack-bench-a_1/control-plane/etcd.log)",
            "(more in etcd.log)",
        ),
        (Path("/srv/x/run-1"), f"`{Path.home()}/.cache/appstack/etcd`", "`~/.cache/appstack/etcd`"),
    ],
)
def test_log_has_no_folders_of_this_machine(folder: Path, text: str, logged: str) -> None:
    assert logged == Run(folder).relative(text).removeprefix("logs are in ")


def test_progress_is_logged_without_folders(tmp_path: Path) -> None:
    run = Run(tmp_path / "run-1")

    run.log(f"see {tmp_path}/run-1/logs")

    assert (tmp_path / "run-1/log.txt").read_text().endswith(" see run-1/logs\n")


def test_newest_run_has_the_newest_result(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    for name, at in (("run-a", "2026-11-21T02"), ("run-big", "2026-11-21T01")):
        Run(tmp_path / name).save(Result("idle", "appstack", 1, 1, at))
    (tmp_path / "run-z").mkdir()

    found = newest(tmp_path)

    assert found is not None
    assert "a" == found.id


def test_run_with_changed_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> str:
        return shell.run(["git", "-c", "user.name=a", "-c", "user.email=a@example", *arguments], cwd=tmp_path).strip()

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

    for recorded in ({}, {"appstack": "0.1.0, commit unknown"}, begun_on):
        machine.require_same_code(recorded)
    commit("operator/b.py")
    with pytest.raises(shell.Failure, match="the code has changed since: measure into another one with OUT=folder"):
        machine.require_same_code(begun_on)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "backlog,typo"], "unknown suite typo; choose from backlog, edit"),
        (["--systems", "typo"], "unknown system typo; choose from bare, bare-status, appstack, go, kro"),
    ],
)
def test_unknown_name_is_refused(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])

    with pytest.raises(SystemExit):
        command.main()

    assert message in capsys.readouterr().err


def test_report_without_results_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = tmp_path / "docs"
    monkeypatch.setattr(sys, "argv", ["bench", "--report", "--out", str(tmp_path / "run-1"), "--docs", str(docs)])

    assert 1 == command.main()
    assert "there are no results to report" in capsys.readouterr().err
    assert not docs.exists()
