"""The kinds of workload: a class for each holds its fields and what it becomes. PURE.

A new kind is a class here and a field on `Workload`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, Protocol

from pydantic import Field

from appstack.api import kube
from appstack.api.base import Kubernetes, Model
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest

Kind = Literal["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a workload is made of."""

    head: Manifest  # what it is, its name, its labels and its owner
    stack: str
    template: Manifest  # of its pods
    replicas: int | None = None  # None: the author left it to an autoscaler, and it is never applied
    service: str = ""  # the headless Service that gives a StatefulSet's pods their names
    claims: tuple[Manifest, ...] = ()  # one per replica
    retention: Manifest | None = None  # what becomes of those claims
    strategy: Manifest = field(default_factory=dict)  # a Deployment's, where the author wrote none


class WorkloadKind(Protocol):
    """What the rest of the program asks of every kind."""

    KIND: ClassVar[str]
    API_VERSION: ClassVar[str]
    SCALES: ClassVar[bool]
    """Whether it has replicas."""
    RESTART_POLICY: ClassVar[str | None]
    """What its pods' `restartPolicy` is where the author wrote none; None leaves it to Kubernetes."""

    def manifest(self, parts: Parts) -> Manifest:
        """Return the whole object."""


class Deployment(Kubernetes, kube.DeploymentSpec):
    """Kubernetes' DeploymentSpec less `template`, `selector` and `replicas`."""

    LESS: ClassVar[frozenset[str]] = frozenset({"template", "selector", "replicas"})
    KIND: ClassVar[str] = "Deployment"
    API_VERSION: ClassVar[str] = "apps/v1"
    SCALES: ClassVar[bool] = True
    RESTART_POLICY: ClassVar[str | None] = None

    selector: None = None  # type: ignore[assignment]  # AppStack decides it, see LESS
    template: None = None  # type: ignore[assignment]  # made of the rest of the stack, see LESS

    def manifest(self, parts: Parts) -> Manifest:
        """Return the Deployment."""
        return {**parts.head, "spec": {**parts.strategy, **self.dump(), **_counted(parts), **_selected(parts)}}


class StatefulSet(Kubernetes, kube.StatefulSetSpec):
    """Kubernetes' StatefulSetSpec less what the rest of the stack says: pods, replicas, Service, claims."""

    LESS: ClassVar[frozenset[str]] = frozenset(
        {
            "template",
            "selector",
            "replicas",
            "serviceName",
            "volumeClaimTemplates",
            "persistentVolumeClaimRetentionPolicy",
        }
    )
    KIND: ClassVar[str] = "StatefulSet"
    API_VERSION: ClassVar[str] = "apps/v1"
    SCALES: ClassVar[bool] = True
    RESTART_POLICY: ClassVar[str | None] = None

    selector: None = None  # type: ignore[assignment]  # AppStack decides it, see LESS
    template: None = None  # type: ignore[assignment]  # made of the rest of the stack, see LESS

    def manifest(self, parts: Parts) -> Manifest:
        """Return the StatefulSet."""
        claims: Manifest = {"volumeClaimTemplates": list(parts.claims)} if parts.claims else {}
        if parts.retention:
            claims["persistentVolumeClaimRetentionPolicy"] = parts.retention
        spec = {**self.dump(), **_counted(parts), "serviceName": parts.service, **_selected(parts), **claims}
        return {**parts.head, "spec": spec}


class DaemonSet(Kubernetes, kube.DaemonSetSpec):
    """Kubernetes' DaemonSetSpec less `template` and `selector`."""

    LESS: ClassVar[frozenset[str]] = frozenset({"template", "selector"})
    KIND: ClassVar[str] = "DaemonSet"
    API_VERSION: ClassVar[str] = "apps/v1"
    SCALES: ClassVar[bool] = False
    RESTART_POLICY: ClassVar[str | None] = None

    selector: None = None  # type: ignore[assignment]  # AppStack decides it, see LESS
    template: None = None  # type: ignore[assignment]  # made of the rest of the stack, see LESS

    def manifest(self, parts: Parts) -> Manifest:
        """Return the DaemonSet."""
        return {**parts.head, "spec": {**self.dump(), **_selected(parts)}}


class Job(Kubernetes, kube.JobSpec):
    """Kubernetes' JobSpec less `template`, `selector` and `manualSelector`."""

    LESS: ClassVar[frozenset[str]] = frozenset({"template", "selector", "manualSelector"})
    KIND: ClassVar[str] = "Job"
    API_VERSION: ClassVar[str] = "batch/v1"
    SCALES: ClassVar[bool] = False
    RESTART_POLICY: ClassVar[str | None] = "OnFailure"

    template: None = None  # type: ignore[assignment]  # made of the rest of the stack, see LESS

    def manifest(self, parts: Parts) -> Manifest:
        """Return the Job; its controller makes the selector."""
        return {**parts.head, "spec": {**self.dump(), "template": parts.template}}


class CronJob(Kubernetes, kube.CronJobSpec):
    """Kubernetes' CronJobSpec less `jobTemplate`; the Jobs' own options stand in `job` beside it."""

    LESS: ClassVar[frozenset[str]] = frozenset({"jobTemplate"})

    job_template: None = None  # type: ignore[assignment]  # made of the rest of the stack, see LESS


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A CronJob with the options of its Jobs."""

    KIND: ClassVar[str] = "CronJob"
    API_VERSION: ClassVar[str] = "batch/v1"
    SCALES: ClassVar[bool] = False
    RESTART_POLICY: ClassVar[str | None] = "OnFailure"

    cron_job: CronJob
    job: Job

    def manifest(self, parts: Parts) -> Manifest:
        """Return the CronJob; its Jobs bear the stack's labels, too, and the revision of the files that they need."""
        marks = parts.template["metadata"]["labels"]
        files = {key: marks[key] for key in (meta.FILES_LABEL,) if key in marks}
        template = {
            "metadata": {"labels": {**meta.labels(parts.stack), **files}},
            "spec": {**self.job.dump(), "template": parts.template},
        }
        return {**parts.head, "spec": {**self.cron_job.dump(), "jobTemplate": template}}


@dataclass(frozen=True, slots=True)
class Bare:
    """A Pod that nothing stands behind but its AppStack."""

    KIND: ClassVar[str] = "Pod"
    API_VERSION: ClassVar[str] = "v1"
    SCALES: ClassVar[bool] = False
    RESTART_POLICY: ClassVar[str | None] = None

    def manifest(self, parts: Parts) -> Manifest:
        """Return the Pod: the template's metadata is its own."""
        extra = parts.template["metadata"]
        metadata = {**parts.head["metadata"], "labels": extra["labels"]}
        if "annotations" in extra:
            metadata["annotations"] = extra["annotations"]
        return {**parts.head, "metadata": metadata, "spec": parts.template["spec"]}


def _counted(parts: Parts) -> Manifest:
    return {} if parts.replicas is None else {"replicas": parts.replicas}


def _selected(parts: Parts) -> Manifest:
    return {"selector": {"matchLabels": meta.selector(parts.stack)}, "template": parts.template}


class Workload(Model):
    """Which kind of workload the stack is, and that kind's own options."""

    kind: Kind = "Deployment"
    """The kind of workload."""
    deployment: Deployment | None = None
    """Options of a Deployment."""
    stateful_set: StatefulSet | None = None
    """Options of a StatefulSet."""
    daemon_set: DaemonSet | None = None
    """Options of a DaemonSet."""
    job: Job | None = None
    """Options of a Job, or of a CronJob's Jobs."""
    cron_job: CronJob | None = None
    """Options of a CronJob; `schedule` is required."""

    @property
    def chosen(self) -> WorkloadKind:
        """The kind that runs, with its options."""
        match self.kind:
            case "StatefulSet":
                return self.stateful_set or StatefulSet()
            case "DaemonSet":
                return self.daemon_set or DaemonSet()
            case "Job":
                return self.job or Job()
            case "CronJob":
                return Scheduled(self.cron_job or CronJob(schedule=""), self.job or Job())
            case "Pod":
                return Bare()
            case _:
                return self.deployment or Deployment()


Replicas = Annotated[int | None, Field(ge=0, le=10_000, strict=True)]
