"""The operator's image, built from the project's Dockerfile without network; wheels are downloaded before."""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from tools import install, wheels
from tools.cluster import images, shell, state

IMAGE = f"{install.REPOSITORY}:{install.TAG}"
DOCKERFILE = state.ROOT / "Dockerfile"
PACKAGE = state.ROOT / "operator/appstack"
PYTHON_OF_DEBIAN = "3.11"


def ensure(env: Mapping[str, str], *, registry: bool) -> None:
    """Build the image if its sources have changed, and load it onto the nodes."""
    base = None if registry else images.recipe_of(images.PYTHON_BASE)
    if base is not None:
        images.build(base, env)
    content = key(base)
    if images.label(IMAGE, images.KEY_LABEL, env) != content:
        _build(base, content, env)
    images.load({IMAGE: content}, env)


def key(base: images.Recipe | None) -> str:
    base_key = images.key(base) if base is not None else "public"
    files = _sources()
    names = [str(path.relative_to(state.ROOT)) for path in files]
    return state.fingerprint(base_key, *names, *files)


def _sources() -> list[Path]:
    package = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return sorted([*package, DOCKERFILE, wheels.LOCK, wheels.PIP_LOCK])


def python_version(base: images.Recipe | None) -> str:
    """Return the Python version of the base image: Debian's, or that of the Dockerfile's default base."""
    if base is not None:
        return PYTHON_OF_DEBIAN
    found = re.search(r"^ARG BASE=python:(\d+\.\d+)", DOCKERFILE.read_text(), re.MULTILINE)
    if found is None:
        raise shell.Failure(
            "Dockerfile's ARG BASE does not name a python image; adapt python_version() in operator_image.py"
        )
    return found.group(1)


def _build(base: images.Recipe | None, content: str, env: Mapping[str, str]) -> None:
    log = state.log("image-operator")
    with (
        shell.step(f"building the image {IMAGE}"),
        state.scratch("operator") as scratch,
    ):
        context = scratch / "context"
        shutil.copytree(PACKAGE, context / "operator/appstack", ignore=shutil.ignore_patterns("__pycache__"))
        for file in (DOCKERFILE, wheels.LOCK):
            shutil.copy(file, context)
        shutil.copytree(_wheels(python_version(base)), context / "wheels")
        arguments = {"BASE": base.image} if base is not None else {}
        images.build_context(IMAGE, context, env, log, arguments=arguments, labels={images.KEY_LABEL: content})
    # Each change of the code leaves an untagged image; recent ones are the cache of the next build.
    shell.attempt(["docker", "image", "prune", "--force", "--filter", "until=1h"], env=env)


def _wheels(python: str) -> Path:
    """Return the folder of the wheels that the lock files name; download them the first time."""
    files = (wheels.LOCK, wheels.PIP_LOCK, Path(wheels.__file__))
    folder = state.cache() / "wheels" / f"{python}-{state.fingerprint(*files)}"
    if not folder.exists():
        unfinished = folder.with_name(f"{folder.name}-unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        wheels.collect(unfinished, python=python, machine=wheels.MACHINES[platform.machine().lower()])
        unfinished.rename(folder)
    return folder
