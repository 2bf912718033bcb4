"""Results of finished suites, one file each; a suite with a recorded result is not measured again."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from bench.checkout import ROOT
from bench.cost import Cost
from bench.stats import Latencies
from bench.suites.figures import Figures
from tools.cluster import shell

SCRATCH: Final = "appstack-bench-"
"""Prefix of the temporary folder in which processes run."""
WORK_FOLDER: Final = "control-plane"
"""Folder of the control plane in the temporary folder."""
CONCURRENCY_SUITE: Final = "sweep"
"""Suite of the result with the bare loop's rate at each concurrency level; recorded results have it."""
_SYSTEM_KEY: Final = "contender"
"""JSON key of `Result.system`; recorded results have it."""


@dataclass(frozen=True)
class Result:
    """The figures of one suite for one system in one round."""

    suite: str
    system: str
    n: int
    round: int
    at: str
    settings: Mapping[str, str] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)

    @property
    def file(self) -> str:
        """The file name of the result."""
        return f"{self.suite}-{self.system}-{self.n}-{self.round}.json"

    def to_json(self) -> str:
        """Return the content of the result's file."""
        content = {_SYSTEM_KEY if name == "system" else name: value for name, value in asdict(self).items()}
        return json.dumps(content, indent=1, default=list) + "\n"

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read a result from its file."""
        content: dict[str, Any] = json.loads(file.read_text())
        figures = content.pop("figures")
        return cls(
            system=content.pop(_SYSTEM_KEY),
            **content,
            figures=Figures(
                seconds=figures["seconds"],
                latencies={
                    name: Latencies(**one | {"curve": tuple(one["curve"])})
                    for name, one in figures["latencies"].items()
                },
                numbers=figures["numbers"],
                notes=figures.get("notes", {}),  # absent in results of older runs
                cost=Cost(**figures["cost"]) if figures["cost"] else None,
            ),
        )


class Run:
    """The folder of one run, which can be interrupted and continued."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name.removeprefix("run-")

    def has(self, suite: str, system: str, n: int, round: int) -> bool:
        """Return whether the run has a result of this suite."""
        return (self.folder / Result(suite, system, n, round, "").file).exists()

    def log(self, text: str) -> None:
        """Print a line of progress and append it to the run's log, without this machine's folders."""
        text = self.relative(text)
        shell.progress(text)
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log.txt").open("a") as log:
            log.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")

    def relative(self, text: str) -> str:
        """Return the text with paths relative to the checkout, to the run's folder or to the temporary folder."""
        scratch = f"{re.escape(tempfile.gettempdir())}/{SCRATCH}[^/ ]*/{WORK_FOLDER}/"
        text = re.sub(scratch, "", text.replace(f"{ROOT}/", ""))
        text = text.replace(str(self.folder.absolute()), self.folder.name)
        return text.replace(f"{Path.home()}/", "~/")

    def save(self, result: Result) -> None:
        """Write the file of a result atomically."""
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f".{result.file}"
        unfinished.write_text(result.to_json())
        unfinished.rename(self.folder / result.file)

    def save_logs(self, folder: Path, name: str) -> Path:
        """Copy the logs of all processes, except the large audit log, and return the folder of the copies."""
        target = self.folder / "logs" / name
        target.mkdir(parents=True, exist_ok=True)
        for log in folder.glob("*.log"):
            if log.name != "audit.log":
                shutil.copy(log, target)
        return target

    def machine(self) -> Mapping[str, str]:
        """Return the recorded description of the machine; empty before the first measurement."""
        file = self.folder / "machine.json"
        found: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        return found

    def record_machine(self, found: Mapping[str, str]) -> None:
        """Record the description of the machine; keep what is recorded already, and log every difference from it."""
        recorded = self.machine()
        for name in [one for one in found if recorded.get(one, found[one]) != found[one]]:
            self.log(f"  this run began with {name} {recorded[name]} and continues with {found[name]}")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "machine.json").write_text(json.dumps({**found, **recorded}, indent=1) + "\n")

    def results(self) -> Iterator[Result]:
        """Read all results."""
        for file in sorted(self.folder.glob("*-*-*-*.json")):
            yield Result.load(file)


def newest(folder: Path) -> Run | None:
    """Return the run with the most recent result, or None if there is no result."""
    latest = {run: max((one.at for one in run.results()), default="") for run in map(Run, folder.glob("run-*"))}
    return max((run for run in latest if latest[run]), key=lambda run: latest[run], default=None)
