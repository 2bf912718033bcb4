"""The Docker engine to use: the user's, where it answers and can pull kind's image, or one of our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tools.cluster import engine, kind, namespace, nodeimage, programs, shell


@dataclass(frozen=True)
class Docker:
    environment: Mapping[str, str]
    own: bool
    """Ours, and so without a registry."""
    image: str
    """The node image that it has ready."""

    @property
    def plan(self) -> kind.Plan:
        if not self.own:
            return kind.Plan(self.image, own_engine=False)
        return kind.Plan(self.image, own_engine=True, address=namespace.ends().inside)


def usual() -> str | None:
    """The node image when the user's own Docker can run it; else none, and the user is told why."""
    if not engine.answers({}):
        shell.say("  no Docker engine answers: the cluster gets its own, and a node image made from packages")
        return None
    image = kind.default_image()
    if shell.attempt(["docker", "image", "inspect", image]).ok:
        return image
    with shell.step(f"pulling {image.partition('@')[0]}"):
        pulled = shell.attempt(["docker", "pull", "--quiet", image])
    if not pulled.ok:
        shell.say(f"  it can't be pulled ({shell.last_line(pulled.err)}): using an engine of our own instead")
        return None
    return image


def ensure() -> Docker:
    """An engine that answers and has a node image."""
    programs.ensure(["kind", "kubectl"])
    image = usual()
    if image:
        return Docker({}, own=False, image=image)
    env = engine.ensure()
    return Docker(env, own=True, image=nodeimage.ensure(env))


def environment(*, own: bool) -> Mapping[str, str]:
    """What reaches the engine that a cluster was made with, for what comes after."""
    return engine.environment() if own else {}
