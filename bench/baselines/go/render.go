package main

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
)

const (
	stackLabel = "appstack.dev/stack"
	filesLabel = "appstack.dev/files"
	nameLabel  = "app.kubernetes.io/name"
	managedBy  = "app.kubernetes.io/managed-by"
	manager    = "go-bench"
	volume     = "appstack-files"
)

// desired is a complete object to apply.
type desired interface {
	runtime.ApplyConfiguration
	GetNamespace() *string
	GetName() *string
	GetKind() *string
	GetAPIVersion() *string
}

func configMap(stack *AppStack) *corev1ac.ConfigMapApplyConfiguration {
	data := make(map[string]string, len(stack.Spec.Files))
	for _, file := range stack.Spec.Files {
		data[key(file)] = file.Content
	}
	return corev1ac.ConfigMap(filesName(stack), stack.Namespace).
		WithLabels(labelsOf(stack)).WithOwnerReferences(owner(stack)).WithData(data)
}

func service(stack *AppStack) *corev1ac.ServiceApplyConfiguration {
	spec := corev1ac.ServiceSpec().WithSelector(selector(stack))
	for _, port := range stack.Spec.Backend.Ports {
		target := intstr.FromInt32(*port.ContainerPort)
		spec.WithPorts(corev1ac.ServicePort().WithName(*port.Name).WithPort(*port.ContainerPort).WithTargetPort(target))
	}
	return corev1ac.Service(stack.Name, stack.Namespace).
		WithLabels(labelsOf(stack)).WithOwnerReferences(owner(stack)).WithSpec(spec)
}

func renderDeployment(stack *AppStack) *appsv1ac.DeploymentApplyConfiguration {
	podLabels := labelsOf(stack)
	podLabels[filesLabel] = hash(stack.Spec.Files) // a change of the files replaces the pods
	template := corev1ac.PodTemplateSpec().WithLabels(podLabels).
		WithSpec(corev1ac.PodSpec().WithContainers(backend(stack)).WithVolumes(files(stack)))
	strategy := appsv1ac.DeploymentStrategy().WithType("RollingUpdate").
		WithRollingUpdate(appsv1ac.RollingUpdateDeployment().WithMaxUnavailable(intstr.FromInt32(0)))
	return appsv1ac.Deployment(stack.Name, stack.Namespace).
		WithLabels(labelsOf(stack)).
		WithOwnerReferences(owner(stack)).
		WithSpec(appsv1ac.DeploymentSpec().
			WithReplicas(stack.Spec.Replicas).
			WithStrategy(strategy).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(selector(stack))).
			WithTemplate(template))
}

func backend(stack *AppStack) *corev1ac.ContainerApplyConfiguration {
	container := stack.Spec.Backend
	container.VolumeMounts = slices.Clone(container.VolumeMounts)
	for _, file := range stack.Spec.Files {
		container.WithVolumeMounts(corev1ac.VolumeMount().
			WithName(volume).WithMountPath(file.Path).WithSubPath(key(file)).WithReadOnly(true))
	}
	probe := corev1ac.Probe().WithPeriodSeconds(2).
		WithTCPSocket(corev1ac.TCPSocketAction().WithPort(intstr.FromInt32(*container.Ports[0].ContainerPort)))
	sleep := corev1ac.LifecycleHandler().WithSleep(corev1ac.SleepAction().WithSeconds(5))
	return container.WithName("backend").WithTerminationMessagePolicy("FallbackToLogsOnError").
		WithReadinessProbe(probe).WithLifecycle(corev1ac.Lifecycle().WithPreStop(sleep))
}

func files(stack *AppStack) *corev1ac.VolumeApplyConfiguration {
	source := corev1ac.ConfigMapVolumeSource().WithName(filesName(stack))
	for _, file := range stack.Spec.Files {
		source.WithItems(corev1ac.KeyToPath().WithKey(key(file)).WithPath(key(file)).WithMode(0o644))
	}
	return corev1ac.Volume().WithName(volume).WithConfigMap(source)
}

// resources lists the applied children, in the shape and size of AppStack's list.
func resources(stack *AppStack) []Resource {
	hashed := hash(stack.Spec.Files)
	return []Resource{
		{APIVersion: "v1", Kind: "ConfigMap", Name: filesName(stack), Rendered: hashed, Fields: hashed},
		{APIVersion: "v1", Kind: "Service", Name: stack.Name, Rendered: hashed, Fields: hashed},
		{APIVersion: "apps/v1", Kind: "Deployment", Name: stack.Name, Rendered: hashed, Fields: hashed},
	}
}

func filesName(stack *AppStack) string { return stack.Name + "-files" }

func key(file File) string { return "backend-" + path.Base(file.Path) }

func hash(files []File) string {
	sum := sha256.New()
	for _, file := range files {
		sum.Write([]byte(file.Path + "\x00" + file.Content + "\x00"))
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

func selector(stack *AppStack) map[string]string { return map[string]string{stackLabel: stack.Name} }

func labelsOf(stack *AppStack) map[string]string {
	return map[string]string{stackLabel: stack.Name, nameLabel: stack.Name, managedBy: manager}
}

func owner(stack *AppStack) *metav1ac.OwnerReferenceApplyConfiguration {
	return metav1ac.OwnerReference().
		WithAPIVersion(groupVersion.String()).WithKind(kind).WithName(stack.Name).WithUID(stack.UID).
		WithController(true).WithBlockOwnerDeletion(true)
}

// hasAll reports whether a value includes another: every field of a map, every map of a list, an equal scalar.
func hasAll(have, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		have, _ := have.(map[string]any)
		for name, value := range want {
			if !hasAll(have[name], value) {
				return false
			}
		}
		return true
	case []any:
		have, _ := have.([]any)
		if len(want) > 0 && reflect.TypeOf(want[0]).Kind() != reflect.Map {
			return reflect.DeepEqual(have, want) // as the arguments of a command, where the order matters
		}
		for _, value := range want {
			if !slices.ContainsFunc(have, func(one any) bool { return hasAll(one, value) }) {
				return false
			}
		}
		return true
	default:
		return have == want
	}
}
