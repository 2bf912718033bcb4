"""The kinds of workload: a class for each holds its fields and what it becomes. PURE."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from appstack import meta
from appstack.meta import Manifest
from appstack.model import kube
from appstack.model.base import Kubernetes, Model


class Deployment(Kubernetes, kube.DeploymentSpec):
    """Kubernetes' DeploymentSpec less `template`, `selector` and `replicas`."""

    LESS: ClassVar[frozenset[str]] = frozenset({"template", "selector", "replicas"})
    KIND: ClassVar[str] = "Deployment"
    API_VERSION: ClassVar[str] = "apps/v1"

    selector: None = None  # type: ignore[assignment]  # AppStack decides it, see LESS
    template: None = None  # type: ignore[assignment]  # made of the rest of the stack, see LESS

    def spec(self, *, stack: str, replicas: int | None, template: Manifest) -> Manifest:
        """Return the whole `spec`; `replicas` is absent when the author left it to an autoscaler."""
        counted: Manifest = {} if replicas is None else {"replicas": replicas}
        return {
            **self.dump(),
            **counted,
            "selector": {"matchLabels": meta.selector(stack)},
            "template": template,
        }


class Workload(Model):
    """Which kind of workload the stack is."""  # a new kind is a class above and a field here

    kind: Literal["Deployment"] = "Deployment"
    """The kind of workload."""
    deployment: Deployment | None = None
    """Options of a Deployment."""

    @property
    def chosen(self) -> Deployment:
        """The kind that runs, with its options."""
        return self.deployment or Deployment()


Replicas = Annotated[int | None, Field(ge=0, le=10_000, strict=True)]
