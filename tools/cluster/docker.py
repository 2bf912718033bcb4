"""Selection of the Docker engine: the user's, if it can pull kind's node image, or the project's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tools.cluster import engine, kind, namespace, nodeimage, programs, shell


@dataclass(frozen=True)
class Docker:
    environment: Mapping[str, str]
    own: bool
    """Whether it is the project's own engine, which has no registry."""
    image: str
    """The node image, present in the engine."""

    @property
    def plan(self) -> kind.Plan:
        if not self.own:
            return kind.Plan(self.image, own_engine=False)
        return kind.Plan(self.image, own_engine=True, address=namespace.link_addresses().inside)


def user_engine_image() -> str | None:
    """Return the node image if the user's own Docker has it or can pull it; otherwise print the reason, return None."""
    if not engine.responds({}):
        shell.progress(
            "  no Docker engine responds: starting the project's own, with a node image built from Debian packages"
        )
        return None
    image = kind.default_image()
    if shell.attempt(["docker", "image", "inspect", image]).ok:
        return image
    with shell.step(f"pulling {image.partition('@')[0]}"):
        pulled = shell.attempt(["docker", "pull", "--quiet", image])
    if not pulled.ok:
        shell.progress(
            f"  the node image can't be pulled ({shell.last_line(pulled.err)}): using the project's own engine"
        )
        return None
    return image


def ensure() -> Docker:
    """Return an engine that responds and has a node image."""
    programs.ensure(["kind", "kubectl"])
    image = user_engine_image()
    if image:
        return Docker({}, own=False, image=image)
    env = engine.ensure()
    return Docker(env, own=True, image=nodeimage.ensure(env))


def environment(*, own: bool) -> Mapping[str, str]:
    """Return the environment variables of the engine with which a cluster was created."""
    return engine.environment() if own else {}
