"""Workload models. A class for each kind of workload holds its fields and renders its object.

To add a kind, add a class and a field on `Workload`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, Protocol

from pydantic import Field

from appstack.api import kube
from appstack.api.base import KubernetesModel, Model, ObjectMetadata
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest

WorkloadKindName = Literal["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"]


@dataclass(frozen=True, slots=True)
class WorkloadParts:
    """The rendered parts that a workload object is assembled from."""

    head: Manifest  # apiVersion, kind and metadata
    stack: str
    template: Manifest  # pod template
    replicas: int | None = None  # None is not applied: an autoscaler may set the field
    service_name: str = ""  # Service that gives each pod of a StatefulSet a DNS name
    claim_templates: tuple[Manifest, ...] = ()  # volumeClaimTemplates of a StatefulSet
    retention: Manifest | None = None  # persistentVolumeClaimRetentionPolicy of a StatefulSet
    strategy: Manifest = field(default_factory=dict)  # default strategy of a Deployment


class WorkloadKind(Protocol):
    """The interface of every kind of workload."""

    KIND: ClassVar[str]
    API_VERSION: ClassVar[str]
    SCALES: ClassVar[bool]
    """Whether the kind has replicas."""
    RESTART_POLICY: ClassVar[str | None]
    """Default `restartPolicy` of the pods; None leaves the default to Kubernetes."""

    def manifest(self, parts: WorkloadParts) -> Manifest:
        """Return the complete object."""


class Deployment(KubernetesModel, kube.DeploymentSpec):
    """Options of a Deployment: the DeploymentSpec except `template`, `selector` and `replicas`."""

    OMITTED_FIELDS: ClassVar[frozenset[str]] = frozenset({"template", "selector", "replicas"})
    KIND: ClassVar[str] = "Deployment"
    API_VERSION: ClassVar[str] = "apps/v1"
    SCALES: ClassVar[bool] = True
    RESTART_POLICY: ClassVar[str | None] = None

    selector: None = None  # type: ignore[assignment]  # see OMITTED_FIELDS
    template: None = None  # type: ignore[assignment]  # see OMITTED_FIELDS

    def manifest(self, parts: WorkloadParts) -> Manifest:
        """Return the Deployment."""
        spec = {**parts.strategy, **self.dump(), **_replicas(parts), **_selector_and_template(parts)}
        return {**parts.head, "spec": spec}


class StatefulSet(KubernetesModel, kube.StatefulSetSpec):
    """Options of a StatefulSet: the StatefulSetSpec except the fields that AppStack sets."""

    OMITTED_FIELDS: ClassVar[frozenset[str]] = frozenset(
        {
            "template",
            "selector",
            "replicas",
            "volumeClaimTemplates",
            "persistentVolumeClaimRetentionPolicy",
        }
    )
    KIND: ClassVar[str] = "StatefulSet"
    API_VERSION: ClassVar[str] = "apps/v1"
    SCALES: ClassVar[bool] = True
    RESTART_POLICY: ClassVar[str | None] = None

    selector: None = None  # type: ignore[assignment]  # see OMITTED_FIELDS
    template: None = None  # type: ignore[assignment]  # see OMITTED_FIELDS

    def manifest(self, parts: WorkloadParts) -> Manifest:
        """Return the StatefulSet."""
        claims: Manifest = {}
        if parts.claim_templates:
            claims["volumeClaimTemplates"] = list(parts.claim_templates)
        if parts.retention:
            claims["persistentVolumeClaimRetentionPolicy"] = parts.retention
        service = {"serviceName": parts.service_name}
        spec = {**self.dump(), **_replicas(parts), **service, **_selector_and_template(parts), **claims}
        return {**parts.head, "spec": spec}


class DaemonSet(KubernetesModel, kube.DaemonSetSpec):
    """Options of a DaemonSet: the DaemonSetSpec except `template` and `selector`."""

    OMITTED_FIELDS: ClassVar[frozenset[str]] = frozenset({"template", "selector"})
    KIND: ClassVar[str] = "DaemonSet"
    API_VERSION: ClassVar[str] = "apps/v1"
    SCALES: ClassVar[bool] = False
    RESTART_POLICY: ClassVar[str | None] = None

    selector: None = None  # type: ignore[assignment]  # see OMITTED_FIELDS
    template: None = None  # type: ignore[assignment]  # see OMITTED_FIELDS

    def manifest(self, parts: WorkloadParts) -> Manifest:
        """Return the DaemonSet."""
        return {**parts.head, "spec": {**self.dump(), **_selector_and_template(parts)}}


class Job(KubernetesModel, kube.JobSpec):
    """Options of a Job: the JobSpec except `template`, `selector` and `manualSelector`."""

    OMITTED_FIELDS: ClassVar[frozenset[str]] = frozenset({"template", "selector", "manualSelector"})
    KIND: ClassVar[str] = "Job"
    API_VERSION: ClassVar[str] = "batch/v1"
    SCALES: ClassVar[bool] = False
    RESTART_POLICY: ClassVar[str | None] = "OnFailure"

    template: None = None  # type: ignore[assignment]  # see OMITTED_FIELDS

    def manifest(self, parts: WorkloadParts) -> Manifest:
        """Return the Job, without a selector: the Job controller sets it."""
        return {**parts.head, "spec": {**self.dump(), "template": parts.template}}


class CronJob(KubernetesModel, kube.CronJobSpec):
    """Options of a CronJob: the CronJobSpec except `jobTemplate`. The options of its Jobs are in `workload.job`."""

    OMITTED_FIELDS: ClassVar[frozenset[str]] = frozenset({"jobTemplate"})

    job_template: None = None  # type: ignore[assignment]  # see OMITTED_FIELDS


@dataclass(frozen=True, slots=True)
class CronJobWorkload:
    """A CronJob and the options of its Jobs."""

    KIND: ClassVar[str] = "CronJob"
    API_VERSION: ClassVar[str] = "batch/v1"
    SCALES: ClassVar[bool] = False
    RESTART_POLICY: ClassVar[str | None] = "OnFailure"

    cron_job: CronJob
    job: Job

    def manifest(self, parts: WorkloadParts) -> Manifest:
        """Return the CronJob. Its Jobs have the AppStack's labels and the label of the file revision they use."""
        pod_labels = parts.template["metadata"]["labels"]
        revision = {key: pod_labels[key] for key in (meta.FILES_LABEL,) if key in pod_labels}
        template = {
            "metadata": {"labels": {**meta.labels(parts.stack), **revision}},
            "spec": {**self.job.dump(), "template": parts.template},
        }
        return {**parts.head, "spec": {**self.cron_job.dump(), "jobTemplate": template}}


@dataclass(frozen=True, slots=True)
class BarePod:
    """A Pod without a workload controller."""

    KIND: ClassVar[str] = "Pod"
    API_VERSION: ClassVar[str] = "v1"
    SCALES: ClassVar[bool] = False
    RESTART_POLICY: ClassVar[str | None] = None

    def manifest(self, parts: WorkloadParts) -> Manifest:
        """Return the Pod, with the labels and annotations of the pod template."""
        template_metadata = parts.template["metadata"]
        metadata = {**parts.head["metadata"], "labels": template_metadata["labels"]}
        if "annotations" in template_metadata:
            metadata["annotations"] = template_metadata["annotations"]
        return {**parts.head, "metadata": metadata, "spec": parts.template["spec"]}


def _replicas(parts: WorkloadParts) -> Manifest:
    return {} if parts.replicas is None else {"replicas": parts.replicas}


def _selector_and_template(parts: WorkloadParts) -> Manifest:
    return {"selector": {"matchLabels": meta.selector(parts.stack)}, "template": parts.template}


class Workload(Model):
    """Kind of the workload and the options of that kind."""

    kind: WorkloadKindName = "Deployment"
    """Kind of the workload."""
    metadata: ObjectMetadata | None = None
    """Labels and annotations to add to the workload; those of its pods are in `spec.pod.metadata`."""
    deployment: Deployment | None = None
    """Options of a Deployment."""
    stateful_set: StatefulSet | None = None
    """Options of a StatefulSet."""
    daemon_set: DaemonSet | None = None
    """Options of a DaemonSet."""
    job: Job | None = None
    """Options of a Job, or of the Jobs of a CronJob."""
    cron_job: CronJob | None = None
    """Options of a CronJob. `schedule` is required, for example `0 3 * * *`."""

    @property
    def chosen(self) -> WorkloadKind:
        """The options of the kind that `kind` names."""
        match self.kind:
            case "StatefulSet":
                return self.stateful_set or StatefulSet()
            case "DaemonSet":
                return self.daemon_set or DaemonSet()
            case "Job":
                return self.job or Job()
            case "CronJob":
                return CronJobWorkload(self.cron_job or CronJob(schedule=""), self.job or Job())
            case "Pod":
                return BarePod()
            case _:
                return self.deployment or Deployment()


Replicas = Annotated[int | None, Field(ge=0, le=10_000, strict=True)]
