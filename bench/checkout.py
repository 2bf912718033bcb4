"""A checkout of this repository, as the source of the operator that a benchmark runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tools.cluster import shell

ROOT: Final = Path(__file__).resolve().parents[1]
_SETTINGS_PROBE: Final = """\
import json, platform, appstack
from appstack.settings import Settings
settings = Settings()
print(json.dumps({
    "file": appstack.__file__,
    "version": appstack.__version__,
    "python": platform.python_version(),
    "workers": str(settings.workers),
    "requests in flight": str(settings.requests),
}))
"""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder with the operator's package in `operator/` and its CustomResourceDefinition in `crds/`."""

    root: Path

    @property
    def complete(self) -> bool:
        """Whether the folder has the operator's package and its CustomResourceDefinition."""
        return (self.root / "operator/appstack").is_dir() and self._crd_file.is_file()

    @property
    def python(self) -> str:
        """The interpreter of the checkout's virtual environment, or this one where it has none."""
        own = self.root / ".venv/bin/python"
        return str(own) if own.exists() else sys.executable

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables under which `python -m appstack` runs this code and `-m bench…` runs this bench."""
        return {"PYTHONPATH": f"{self.root / 'operator'}:{ROOT}"}

    @property
    def commit(self) -> str:
        """The abbreviated commit, with `-dirty` behind it where tracked files differ from that commit."""
        describe = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
        return shell.attempt(describe, cwd=self.root).out.strip() or "unknown"

    def crd(self) -> dict[str, Any]:
        """Return the CustomResourceDefinition of AppStacks."""
        manifest: dict[str, Any] = yaml.safe_load(self._crd_file.read_text())
        return manifest

    def settings(self) -> Mapping[str, str]:
        """Return version and default settings; raise Failure if Python imports the package from another folder."""
        output = shell.run([self.python, "-c", _SETTINGS_PROBE], env=self.environment)
        settings: dict[str, str] = json.loads(output)
        imported = Path(settings.pop("file")).resolve()
        if not imported.is_relative_to(self.root.resolve()):
            raise shell.Failure(f"`import appstack` for the checkout {self.root} finds {imported}")
        return settings

    @property
    def _crd_file(self) -> Path:
        return self.root / "crds/appstack.dev_appstacks.yaml"


THIS: Final = Checkout(ROOT)
"""The checkout that this bench belongs to."""
