// Command go is a baseline for AppStack: a small controller for AppStacks, built on controller-runtime.
//
// It supports only the fields that the benchmark's AppStacks use, and applies a ConfigMap, a Service and a Deployment for
// each. It compares before it writes, so reconciling an unchanged AppStack sends no request.
package main

import (
	"context"
	"errors"
	"flag"
	"net/http"
	"os"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

const fieldOwner = client.FieldOwner(manager)

func main() {
	metrics := flag.String("metrics", "127.0.0.1:8080", "address of /metrics")
	health := flag.String("health", "127.0.0.1:8081", "address of /readyz")
	workers := flag.Int("workers", 16, "maximum number of concurrent reconciles")
	flag.Parse() // and --kubeconfig, which is controller-runtime's
	ctrl.SetLogger(zap.New())
	if err := run(ctrl.SetupSignalHandler(), *metrics, *health, *workers); err != nil {
		ctrl.Log.Error(err, "Controller failed")
		os.Exit(1)
	}
}

func run(ctx context.Context, metrics, health string, workers int) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	config.QPS = -1 // no client-side limit: the API server applies priority and fairness
	if err := addToScheme(scheme.Scheme); err != nil {
		return err
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                 scheme.Scheme,
		Metrics:                server.Options{BindAddress: metrics},
		HealthProbeBindAddress: health,
		Cache:                  cacheOptions(),
		// A reconcile waits until the cache has the writes of the reconcile before it; otherwise it would repeat them.
		Client: client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}},
	})
	if err != nil {
		return err
	}
	if err := manager.AddReadyzCheck("caches", synced(manager.GetCache())); err != nil {
		return err
	}
	ignoreCreate := builder.WithPredicates(predicate.Funcs{CreateFunc: func(event.CreateEvent) bool { return false }})
	err = ctrl.NewControllerManagedBy(manager).
		For(&AppStack{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&corev1.ConfigMap{}, ignoreCreate). // a new child is our own write, and needs no reconcile
		Owns(&corev1.Service{}, ignoreCreate).
		Owns(&appsv1.Deployment{}, ignoreCreate).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(&reconciler{manager.GetClient()})
	if err != nil {
		return err
	}
	return manager.Start(ctx)
}

// cacheOptions limits the cache to managed children, and drops managedFields.
func cacheOptions() cache.Options {
	managed := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{managedBy: manager})}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.ConfigMap{}:  managed,
			&corev1.Service{}:    managed,
			&appsv1.Deployment{}: managed,
		},
	}
}

func synced(informers cache.Cache) func(*http.Request) error {
	return func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), 100*time.Millisecond)
		defer cancel()
		if !informers.WaitForCacheSync(ctx) {
			return errors.New("the caches have not synced yet")
		}
		return nil
	}
}

type reconciler struct{ client.Client }

// Reconcile applies the children that differ from the desired state, then the status.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	stack := &AppStack{}
	if err := r.Get(ctx, request.NamespacedName, stack); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err) // the garbage collector deletes its children
	}
	if !stack.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	deployment := &appsv1.Deployment{}
	for _, child := range []struct {
		observed client.Object
		desired  desired
	}{
		{&corev1.ConfigMap{}, configMap(stack)},
		{&corev1.Service{}, service(stack)},
		{deployment, renderDeployment(stack)},
	} {
		if err := r.ensure(ctx, child.observed, child.desired); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{}, r.applyStatus(ctx, stack, deployment)
}

// ensure applies an object unless the cached one has every desired value; observed is set to the cached object.
func (r *reconciler) ensure(ctx context.Context, observed client.Object, desired desired) error {
	key := client.ObjectKey{Namespace: *desired.GetNamespace(), Name: *desired.GetName()}
	err := r.Get(ctx, key, observed)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err == nil {
		same, err := covers(observed, desired)
		if err != nil || same {
			return err
		}
	}
	return r.Apply(ctx, desired, fieldOwner, client.ForceOwnership)
}

// applyStatus applies the status if it differs.
func (r *reconciler) applyStatus(ctx context.Context, stack *AppStack, deployment *appsv1.Deployment) error {
	status := Status{
		ObservedGeneration: stack.Generation,
		Replicas:           deployment.Status.Replicas,
		ReadyReplicas:      deployment.Status.ReadyReplicas,
		Selector:           stackLabel + "=" + stack.Name,
		Conditions:         append([]metav1.Condition{}, stack.Status.Conditions...),
		Resources:          resources(stack),
	}
	meta.SetStatusCondition(&status.Conditions, ready(stack, deployment))
	if equality.Semantic.DeepEqual(status, stack.Status) {
		return nil
	}
	name := metav1ac.ObjectMeta().WithNamespace(stack.Namespace).WithName(stack.Name)
	apply := &statusApplyConfiguration{
		TypeMetaApplyConfiguration:   *metav1ac.TypeMeta().WithAPIVersion(groupVersion.String()).WithKind(kind),
		ObjectMetaApplyConfiguration: name,
		Status:                       status,
	}
	return r.Status().Apply(ctx, apply, fieldOwner, client.ForceOwnership)
}

func ready(stack *AppStack, deployment *appsv1.Deployment) metav1.Condition {
	condition := metav1.Condition{
		Type:               "Ready",
		Status:             metav1.ConditionFalse,
		Reason:             "Progressing",
		Message:            "Deployment " + stack.Name + " was just written",
		ObservedGeneration: stack.Generation,
	}
	status := deployment.Status
	observed := status.ObservedGeneration > 0 && status.ObservedGeneration >= deployment.Generation
	if observed && status.ReadyReplicas == status.Replicas {
		condition.Status, condition.Reason, condition.Message = metav1.ConditionTrue, "Ready", "Every pod is ready"
	}
	return condition
}

// covers reports whether an object has every desired value. Values added by other clients or by defaulting are ignored.
func covers(observed client.Object, desired desired) (bool, error) {
	have, err := runtime.DefaultUnstructuredConverter.ToUnstructured(observed)
	if err != nil {
		return false, err
	}
	want, err := runtime.DefaultUnstructuredConverter.ToUnstructured(desired)
	if err != nil {
		return false, err
	}
	delete(want, "apiVersion") // absent in a typed object from the cache
	delete(want, "kind")
	return hasAll(have, want), nil
}
