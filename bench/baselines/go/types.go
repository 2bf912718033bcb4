package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
)

const kind = "AppStack"

var groupVersion = schema.GroupVersion{Group: "appstack.dev", Version: "v1alpha1"}

// AppStack has the fields of an AppStack that the benchmark uses.
type AppStack struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitzero"`

	Spec   Spec   `json:"spec"`
	Status Status `json:"status,omitzero"`
}

// Spec is the desired state.
type Spec struct {
	Replicas int32                                `json:"replicas"`
	Backend  corev1ac.ContainerApplyConfiguration `json:"backend"`
	Files    []File                               `json:"files,omitempty"`
}

// File is a file that is mounted into the backend at its path.
type File struct {
	Path    string `json:"path"`
	Content string `json:"content"`
}

// Status has the same fields as AppStack's, so that a write is equally expensive for the API server.
type Status struct {
	ObservedGeneration int64              `json:"observedGeneration"`
	Replicas           int32              `json:"replicas"`
	ReadyReplicas      int32              `json:"readyReplicas"`
	Selector           string             `json:"selector,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
	Resources          []Resource         `json:"resources,omitempty"`
}

// Resource is an object that was applied.
type Resource struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Rendered   string `json:"rendered"`
	Fields     string `json:"fields"`
}

// AppStackList is the response to a list request.
type AppStackList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []AppStack `json:"items"`
}

// statusApplyConfiguration is the body of a request that applies the status.
type statusApplyConfiguration struct {
	metav1ac.TypeMetaApplyConfiguration    `json:",inline"`
	*metav1ac.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`

	Status Status `json:"status"`
}

func (*statusApplyConfiguration) IsApplyConfiguration()    {}
func (in *statusApplyConfiguration) GetNamespace() *string { return in.Namespace }
func (in *statusApplyConfiguration) GetName() *string      { return in.Name }

// GetKind and GetAPIVersion are the embedded fields, as in generated code.
func (in *statusApplyConfiguration) GetKind() *string       { return in.Kind }
func (in *statusApplyConfiguration) GetAPIVersion() *string { return in.APIVersion }

// DeepCopyObject shares the spec, which this controller never changes.
func (in *AppStack) DeepCopyObject() runtime.Object {
	out := *in
	out.ObjectMeta = *in.ObjectMeta.DeepCopy()
	out.Status.Conditions = append([]metav1.Condition(nil), in.Status.Conditions...)
	out.Status.Resources = append([]Resource(nil), in.Status.Resources...)
	return &out
}

// DeepCopyObject copies each AppStack of the list.
func (in *AppStackList) DeepCopyObject() runtime.Object {
	out := *in
	out.Items = make([]AppStack, len(in.Items))
	for i := range in.Items {
		out.Items[i] = *in.Items[i].DeepCopyObject().(*AppStack)
	}
	return &out
}

func addToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(groupVersion, &AppStack{}, &AppStackList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
	return nil
}
