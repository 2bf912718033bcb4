"""Finished results, each in a file of its own: what is there is not measured again."""

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

from bench.measure import Cost
from bench.stats import Latencies
from bench.suites.figures import Figures
from tools.cluster import shell

ROOT: Final = Path(__file__).resolve().parent.parent
SCRATCH: Final = "appstack-bench-"
"""How the name of the folder begins in which programs run."""


@dataclass(frozen=True)
class Result:
    """One suite of one contender, in one round."""

    suite: str
    contender: str
    n: int
    round: int
    at: str
    settings: Mapping[str, str] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.suite}-{self.contender}-{self.n}-{self.round}.json"

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read one."""
        content: dict[str, Any] = json.loads(file.read_text())
        figures = content.pop("figures")
        return cls(
            **content,
            figures=Figures(
                seconds=figures["seconds"],
                latencies={
                    name: Latencies(**one | {"curve": tuple(one["curve"])})
                    for name, one in figures["latencies"].items()
                },
                numbers=figures["numbers"],
                notes=figures.get("notes", {}),  # results of before have none
                cost=Cost(**figures["cost"]) if figures["cost"] else None,
            ),
        )


class Run:
    """The folder of one run, which may be interrupted and taken up again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name.removeprefix("run-")

    def has(self, suite: str, contender: str, n: int, round: int) -> bool:
        """Tell whether this was measured already."""
        return (self.folder / Result(suite, contender, n, round, "").file).exists()

    def say(self, text: str) -> None:
        """Tell how far it is, and keep what was told in the run's log: without this machine's folders."""
        text = self.relative(text)
        shell.say(text)
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log.txt").open("a") as log:
            log.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")

    def relative(self, text: str) -> str:
        """Return a text whose paths begin at the checkout, at the run's folder or at the programs' own."""
        scratch = f"{re.escape(tempfile.gettempdir())}/{SCRATCH}[^/ ]*/plane/"
        text = re.sub(scratch, "", text.replace(f"{ROOT}/", ""))
        text = text.replace(str(self.folder.absolute()), self.folder.name)
        return text.replace(f"{Path.home()}/", "~/")

    def keep(self, result: Result) -> None:
        """Write a result: all of it or nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f".{result.file}"
        unfinished.write_text(json.dumps(asdict(result), indent=1, default=list) + "\n")
        unfinished.rename(self.folder / result.file)

    def keep_logs(self, folder: Path, name: str) -> Path:
        """Keep the logs of programs, but for the audit log, which is large; return where."""
        place = self.folder / "logs" / name
        place.mkdir(parents=True, exist_ok=True)
        for log in folder.glob("*.log"):
            if log.name != "audit.log":
                shutil.copy(log, place)
        return place

    def machine(self) -> Mapping[str, str]:
        """Return on which machine this run was made."""
        file = self.folder / "machine.json"
        found: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        return found

    def made_on(self, found: Mapping[str, str]) -> None:
        """Keep on which machine this run is made, the first time; say what is different later on."""
        before = self.machine()
        for name in [one for one in found if before.get(one, found[one]) != found[one]]:
            self.say(f"  this run was begun with {name} {before[name]}, and goes on with {found[name]}")
        if not before:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "machine.json").write_text(json.dumps(found, indent=1) + "\n")

    def results(self) -> Iterator[Result]:
        """Read all that is there."""
        for file in sorted(self.folder.glob("*-*-*-*.json")):
            yield Result.load(file)


def newest(folder: Path) -> Run | None:
    """Return the run whose last result is the newest; None where there is no result."""
    latest = {run: max((one.at for one in run.results()), default="") for run in map(Run, folder.glob("run-*"))}
    return max((run for run in latest if latest[run]), key=lambda run: latest[run], default=None)
