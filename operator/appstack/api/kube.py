"""Kubernetes types of the official Python client; the only module of the API that imports `kubernetes`."""

from __future__ import annotations

from kubernetes.client.models.v1_config_map_key_selector import V1ConfigMapKeySelector as ConfigMapKeySelector
from kubernetes.client.models.v1_container import V1Container as Container
from kubernetes.client.models.v1_container_port import V1ContainerPort as ContainerPort
from kubernetes.client.models.v1_cron_job_spec import V1CronJobSpec as CronJobSpec
from kubernetes.client.models.v1_daemon_set_spec import V1DaemonSetSpec as DaemonSetSpec
from kubernetes.client.models.v1_deployment_spec import V1DeploymentSpec as DeploymentSpec
from kubernetes.client.models.v1_empty_dir_volume_source import V1EmptyDirVolumeSource as EmptyDir
from kubernetes.client.models.v1_http_get_action import V1HTTPGetAction as HTTPGetAction
from kubernetes.client.models.v1_ip_block import V1IPBlock as IPBlock
from kubernetes.client.models.v1_job_spec import V1JobSpec as JobSpec
from kubernetes.client.models.v1_lifecycle import V1Lifecycle as Lifecycle
from kubernetes.client.models.v1_lifecycle_handler import V1LifecycleHandler as LifecycleHandler
from kubernetes.client.models.v1_network_policy_egress_rule import V1NetworkPolicyEgressRule as NetworkPolicyEgressRule
from kubernetes.client.models.v1_network_policy_ingress_rule import (
    V1NetworkPolicyIngressRule as NetworkPolicyIngressRule,
)
from kubernetes.client.models.v1_network_policy_peer import V1NetworkPolicyPeer as NetworkPolicyPeer
from kubernetes.client.models.v1_persistent_volume_claim_spec import (
    V1PersistentVolumeClaimSpec as PersistentVolumeClaimSpec,
)
from kubernetes.client.models.v1_pod_disruption_budget_spec import V1PodDisruptionBudgetSpec as PodDisruptionBudgetSpec
from kubernetes.client.models.v1_pod_failure_policy_on_exit_codes_requirement import (
    V1PodFailurePolicyOnExitCodesRequirement as PodFailurePolicyOnExitCodesRequirement,
)
from kubernetes.client.models.v1_pod_spec import V1PodSpec as PodSpec
from kubernetes.client.models.v1_probe import V1Probe as Probe
from kubernetes.client.models.v1_resource_field_selector import V1ResourceFieldSelector as ResourceFieldSelector
from kubernetes.client.models.v1_resource_requirements import V1ResourceRequirements as ResourceRequirements
from kubernetes.client.models.v1_secret_key_selector import V1SecretKeySelector as SecretKeySelector
from kubernetes.client.models.v1_service_port import V1ServicePort as ServicePort
from kubernetes.client.models.v1_service_spec import V1ServiceSpec as ServiceSpec
from kubernetes.client.models.v1_stateful_set_spec import V1StatefulSetSpec as StatefulSetSpec
from kubernetes.client.models.v1_tcp_socket_action import V1TCPSocketAction as TCPSocketAction
from kubernetes.client.models.v1_volume import V1Volume as Volume
from kubernetes.client.models.v1_volume_mount import V1VolumeMount as VolumeMount
from kubernetes.client.models.v1_volume_resource_requirements import (
    V1VolumeResourceRequirements as VolumeResourceRequirements,
)
from kubernetes.client.models.v2_horizontal_pod_autoscaler_spec import (
    V2HorizontalPodAutoscalerSpec as HorizontalPodAutoscalerSpec,
)

__all__ = [
    "ConfigMapKeySelector",
    "Container",
    "ContainerPort",
    "CronJobSpec",
    "DaemonSetSpec",
    "DeploymentSpec",
    "EmptyDir",
    "HTTPGetAction",
    "HorizontalPodAutoscalerSpec",
    "IPBlock",
    "JobSpec",
    "Lifecycle",
    "LifecycleHandler",
    "NetworkPolicyEgressRule",
    "NetworkPolicyIngressRule",
    "NetworkPolicyPeer",
    "PersistentVolumeClaimSpec",
    "PodDisruptionBudgetSpec",
    "PodFailurePolicyOnExitCodesRequirement",
    "PodSpec",
    "Probe",
    "ResourceFieldSelector",
    "ResourceRequirements",
    "SecretKeySelector",
    "ServicePort",
    "ServiceSpec",
    "StatefulSetSpec",
    "TCPSocketAction",
    "Volume",
    "VolumeMount",
    "VolumeResourceRequirements",
]
